"""The craft over HTTP: how a lyric sounds, rhymes, forms, analyses, and a writer's own pronunciations."""

from __future__ import annotations

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ConfigDict

from app import ear, form
from app.auth import current_writer, required_writer
from app.db import unit_of_work
from app.routes.bodies import json_object, parsed_body
from lyrics.phones import Lexicon


class Text(BaseModel):
    """`POST /readings` and `POST /analyses`: a lyric, or a part of one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str


class Sound(BaseModel):
    """`PUT /pronunciations/<word>`: the word whose end it shares, or its phones in ARPAbet."""

    model_config = ConfigDict(extra="forbid", strict=True)

    like: str | None = None
    phones: str | None = None


def register(api: Blueprint) -> None:
    """Put the routes on `api`."""

    @api.post("/readings")
    def readings() -> ResponseReturnValue:
        lines = ear.readings(parsed_body(Text).text, _lexicon())
        return jsonify(lines=ear.plain_lines(lines))

    @api.post("/analyses")
    def analyses() -> ResponseReturnValue:
        return jsonify(ear.analysis(parsed_body(Text).text, _lexicon()))

    @api.get("/rhymes")
    def rhymes() -> ResponseReturnValue:
        word, *kinds = ear.rhymes(request.args.get("word", ""), _lexicon())
        perfect, near, assonance = ([offered._asdict() for offered in kind] for kind in kinds)
        return jsonify(word=word, perfect=perfect, near=near, assonance=assonance)

    @api.get("/forms")
    def presets() -> ResponseReturnValue:
        return jsonify(presets=form.presets())

    @api.post("/forms")
    def read_form() -> ResponseReturnValue:
        asked = form.parse(json_object().get("form"))
        return jsonify(words=asked.in_words(), form=asked.model_dump(mode="json"))

    @api.get("/pronunciations")
    def pronunciations() -> ResponseReturnValue:
        with unit_of_work() as session:
            found = ear.pronunciations(session, required_writer().id)
        return jsonify(pronunciations=[entry._asdict() for entry in found])

    @api.put("/pronunciations/<word>")
    def pronounce(word: str) -> ResponseReturnValue:
        body = parsed_body(Sound)
        with unit_of_work() as session:
            entry = ear.pronounce(session, required_writer().id, word, like=body.like, phones=body.phones)
        return jsonify(entry._asdict())

    @api.delete("/pronunciations/<word>")
    def forget(word: str) -> ResponseReturnValue:
        with unit_of_work() as session:
            ear.forget(session, required_writer().id, word)
        return "", 204


def _lexicon() -> Lexicon:
    """All words as this writer says them; a stranger says them as everybody does."""
    writer = current_writer()
    with unit_of_work() as session:
        return ear.lexicon_of(session, writer.id if writer else None)
