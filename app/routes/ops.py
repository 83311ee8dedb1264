"""For machines that watch machines: is the process alive, and can the whole stack write a lyric?"""

from __future__ import annotations

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy import text

from app import generation
from app.db import unit_of_work
from app.errors import AppError


def blueprint() -> Blueprint:
    """`/health` and `/ready`."""
    ops = Blueprint("ops", __name__)

    @ops.get("/health")
    def health() -> ResponseReturnValue:
        return jsonify(status="ok")

    @ops.get("/ready")
    def ready() -> ResponseReturnValue:
        troubles = {"database": _database(), "inference": _inference()}
        return jsonify(ready=not any(troubles.values()), **troubles), 503 if any(troubles.values()) else 200

    return ops


def _database() -> str | None:
    try:
        with unit_of_work() as session:
            session.execute(text("select 1 from alembic_version"))
    except AppError as error:
        return error.message
    return None


def _inference() -> str | None:
    if not generation.relay().is_alive:
        return "the relay of this process has stopped: restart the web"
    try:
        is_ready, reason = generation.relay().inference_is_ready()
    except AppError as error:
        return error.message
    return None if is_ready else reason
