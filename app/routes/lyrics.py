"""Lyrics and their versions over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ConfigDict, Field

from app import lyric
from app.account import USER_LYRICS
from app.auth import required_writer
from app.db import unit_of_work
from app.routes.bodies import parsed_body


class NewLyric(BaseModel):
    """`POST /lyrics`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: str = ""
    text: str = ""


class LyricChange(BaseModel):
    """`PATCH /lyrics/<id>`. `revision` is the one that the change started from; without it the newest is changed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: str | None = None
    text: str | None = None
    revision: int | None = Field(default=None, ge=1)


def register(api: Blueprint) -> None:
    """Put the routes on `api`."""

    @api.get("/lyrics")
    def library() -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(lyrics=[plain(row) for row in lyric.find(session, required_writer().id, limit=USER_LYRICS)])

    @api.post("/lyrics")
    def create() -> ResponseReturnValue:
        body = parsed_body(NewLyric)
        with unit_of_work() as session:
            made = lyric.create(session, required_writer().id, body.title, body.text)
        return jsonify(plain(made)), 201, {"Location": f"/api/v1/lyrics/{made.id}"}

    @api.get("/lyrics/<uuid:lyric_id>")
    def read(lyric_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(plain(lyric.get(session, required_writer().id, lyric_id)))

    @api.patch("/lyrics/<uuid:lyric_id>")
    def save(lyric_id: UUID) -> ResponseReturnValue:
        body = parsed_body(LyricChange)
        try:
            with unit_of_work() as session:
                saved = lyric.save(session, required_writer().id, lyric_id, **body.model_dump())
        except lyric.LyricChanged as changed:
            shown = changed.to_response().model_dump(exclude_none=True)
            return jsonify(shown | {"current": plain(changed.current)}), changed.status
        return jsonify(plain(saved))

    @api.delete("/lyrics/<uuid:lyric_id>")
    def delete(lyric_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            lyric.delete(session, required_writer().id, lyric_id)
        return "", 204

    @api.post("/lyrics/<uuid:lyric_id>/undelete")
    def undelete(lyric_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(plain(lyric.undelete(session, required_writer().id, lyric_id)))

    @api.get("/lyrics/<uuid:lyric_id>/versions")
    def versions(lyric_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(versions=[plain(v) for v in lyric.versions(session, required_writer().id, lyric_id)])

    @api.post("/lyrics/<uuid:lyric_id>/versions/<uuid:version_id>/restore")
    def restore(lyric_id: UUID, version_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(plain(lyric.restore(session, required_writer().id, lyric_id, version_id)))


def plain(row: NamedTuple) -> dict[str, Any]:
    """A view as JSON can carry it."""
    return {key: _plain_value(value) for key, value in row._asdict().items()}


def _plain_value(value: object) -> object:
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value
