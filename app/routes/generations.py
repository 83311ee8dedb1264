"""Voices and generations over HTTP, and their event stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from app import generation
from app.auth import current_writer, required_writer
from app.db import unit_of_work
from app.errors import AppError, BadInput
from app.routes.bodies import json_object
from app.seats import Seats
from models.generation import EventRow

RECONNECT_MS = 1_000


def register(api: Blueprint, max_streams: int) -> None:
    """Put the routes on `api`."""
    seats = Seats(max_streams)

    @api.get("/voices")
    def voices() -> ResponseReturnValue:
        writer = current_writer()
        with unit_of_work() as session:
            found = generation.voices(session, writer.id if writer else None)
        return jsonify(voices=[_voice(card.model_dump()) for card in found])

    @api.post("/generations")
    def start() -> ResponseReturnValue:
        writer = required_writer()
        asked = generation.parse(json_object())
        with unit_of_work() as session:
            started = generation.start(session, writer.id, asked)
        location = {"Location": f"/api/v1/generations/{started.id}"}
        return jsonify(id=str(started.id), events_url=started.events_url, placed=started.placed), 201, location

    @api.get("/generations/<uuid:generation_id>")
    def view(generation_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(generation.view(session, required_writer().id, generation_id))

    @api.delete("/generations/<uuid:generation_id>")
    def cancel(generation_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            generation.cancel(session, required_writer().id, generation_id)
        return "", 204

    @api.get("/generations/<uuid:generation_id>/events")
    def events(generation_id: UUID) -> ResponseReturnValue:
        writer = required_writer()
        found = generation.events(writer.id, generation_id, _last_event_id())
        seats.take(writer.id, generation.max_streams(writer.id))
        response = Response(_event_stream(found), mimetype="text/event-stream")
        response.call_on_close(lambda: seats.leave(writer.id))
        # nginx would otherwise hold a compressed stream back until its end
        response.headers.update({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        return response


def _voice(card: dict[str, Any]) -> dict[str, Any]:
    shown = (
        "kind",
        "base",
        "number",
        "title",
        "licence",
        "source",
        "architecture",
        "num_parameters",
        "max_len",
        "state",
        "reason",
    )
    return {"name": card["id"]} | {key: card[key] for key in shown}


def _last_event_id() -> int:
    given = request.headers.get("Last-Event-ID") or request.args.get("last_event_id") or "0"
    if not (given.isascii() and given.isdigit() and len(given) <= 9):
        raise BadInput("Last-Event-ID must be the number of an event.", field="Last-Event-ID")
    return int(given)


def _event_stream(events: Iterator[EventRow | None]) -> Iterator[str]:
    """Server-sent events. Source: WHATWG HTML, section 9.2."""
    yield f"retry: {RECONNECT_MS}\n\n"
    try:
        for event in events:
            if event is None:
                yield ": still here\n\n"
            else:
                yield f"event: {event.kind}\nid: {event.seq}\ndata: {json.dumps(event.payload)}\n\n"
    except AppError as error:
        # The status line is long gone; closing without `done` or `error` makes the reader ask again from where it was.
        yield f": {error.name}\n\n"
