"""Voices that were trained, over HTTP."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ConfigDict

from app import adapter
from app.auth import required_writer
from app.db import unit_of_work
from app.routes.bodies import parsed_body
from app.routes.files import file_answer
from app.routes.plain import plain

ADAPTER = "/adapters/<uuid:adapter_id>"
NAMED = "/adapters/<adapter_id>"


class Publication(BaseModel):
    """`POST /adapters/<id>/publish`. A voice that is worse than what it replaces needs a reason."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: str = ""


def register(api: Blueprint) -> None:
    """Put the routes on `api`."""

    @api.get("/adapters")
    def adapters() -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(adapters=plain(adapter.find(session, required_writer().id)))

    @api.get(NAMED)
    def read_adapter(adapter_id: str) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(plain(adapter.get(session, required_writer().id, adapter_id)))

    @api.get(NAMED + "/download")
    def download_adapter(adapter_id: str) -> ResponseReturnValue:
        with unit_of_work() as session:
            file = adapter.download(session, required_writer().id, adapter_id)
        return file_answer(file.file_name, "application/zip", file.pieces)

    @api.post(ADAPTER + "/publish")
    def publish_adapter(adapter_id: UUID) -> ResponseReturnValue:
        body = parsed_body(Publication)
        with unit_of_work() as session:
            return jsonify(plain(adapter.publish(session, required_writer().id, adapter_id, body.reason)))

    @api.post(ADAPTER + "/retire")
    def retire_adapter(adapter_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(plain(adapter.retire(session, required_writer().id, adapter_id)))

    @api.delete(ADAPTER)
    def delete_adapter(adapter_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            adapter.delete(session, required_writer().id, adapter_id)
        return "", 204
