"""What is new in a dataset since its last version, over HTTP."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from app import drift
from app.auth import required_writer
from app.db import unit_of_work
from app.routes.datasets import DATASET
from app.routes.plain import plain


def register(api: Blueprint) -> None:
    """Put the routes on `api`."""

    @api.get(DATASET + "/drift")
    def read_drift(dataset_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(plain(drift.get(session, required_writer().id, dataset_id)))

    @api.post(DATASET + "/drift")
    def measure_drift(dataset_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(plain(drift.measure(session, required_writer().id, dataset_id))), 202
