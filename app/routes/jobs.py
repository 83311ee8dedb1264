"""Jobs over HTTP."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from app import job
from app.auth import required_writer
from app.db import unit_of_work
from app.routes.plain import plain


def register(api: Blueprint) -> None:
    """Put the routes on `api`."""

    @api.get("/jobs")
    def jobs() -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(jobs=plain(job.find(session, required_writer().id)))

    @api.get("/jobs/<uuid:job_id>")
    def read_job(job_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(plain(job.get(session, required_writer().id, job_id)))

    @api.post("/jobs/<uuid:job_id>/cancel")
    def cancel_job(job_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(plain(job.cancel(session, required_writer().id, job_id)))

    @api.post("/jobs/<uuid:job_id>/retry")
    def retry_job(job_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(plain(job.retry(session, required_writer().id, job_id)))
