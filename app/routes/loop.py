"""Feedback, cards, blind comparisons and the way to the next version, over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from app import cards, comparison, feedback, improve
from app import form as forms
from app.auth import required_writer
from app.db import unit_of_work
from app.routes.bodies import parsed_body
from app.routes.plain import plain


class NewFeedback(BaseModel):
    """A verdict on a take, or on one `line` of it counted from 1; `text` is what its writer made of it."""

    model_config = ConfigDict(extra="forbid")

    generation_id: UUID
    take: int = Field(default=0, ge=0, strict=True)
    line: int | None = Field(default=None, ge=1, strict=True)
    verdict: str
    text: str | None = None


class NewCards(BaseModel):
    """A wish for lines of a voice to keep or reject."""

    model_config = ConfigDict(extra="forbid")

    voice: str = Field(min_length=1, max_length=128)
    num: int = Field(default=cards.USUAL, ge=1, strict=True)


class NewComparison(BaseModel):
    """Two voices to compare; with a `form`, both keep it."""

    model_config = ConfigDict(extra="forbid")

    voice_a: str = Field(min_length=1, max_length=128)
    voice_b: str = Field(min_length=1, max_length=128)
    num_pairs: StrictInt = comparison.USUAL_PAIRS
    form: dict[str, Any] | None = None


class NewPick(BaseModel):
    """Which of a pair is better: left, right or tie."""

    model_config = ConfigDict(extra="forbid")

    pick: str


class Improvement(BaseModel):
    """`attest`: the kept lines are mine to train on."""

    model_config = ConfigDict(extra="forbid")

    attest: StrictBool = False


def register(api: Blueprint) -> None:
    """Put the routes on `api`."""

    @api.post("/feedback")
    def say() -> ResponseReturnValue:
        writer, body = required_writer(), parsed_body(NewFeedback)
        with unit_of_work() as session:
            said = feedback.say(
                session, writer.id, body.generation_id, body.take, body.verdict, line=body.line, text=body.text
            )
        return jsonify(plain(said.item) | plain(said.counts)), 201

    @api.get("/feedback")
    def list_feedback() -> ResponseReturnValue:
        voice, verdict = request.args.get("voice"), request.args.get("verdict")
        with unit_of_work() as session:
            found = feedback.find(session, required_writer().id, voice=voice, verdict=verdict)
        return jsonify({"items": plain(found.items)} | plain(found.counts))

    @api.delete("/feedback/<uuid:feedback_id>")
    def take_back(feedback_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(plain(feedback.take_back(session, required_writer().id, feedback_id)))

    @api.post("/cards")
    def deal() -> ResponseReturnValue:
        writer, body = required_writer(), parsed_body(NewCards)
        with unit_of_work() as session:
            return jsonify(cards=plain(cards.deal(session, writer.id, body.voice, body.num))), 201

    @api.post("/adapters/<uuid:adapter_id>/improve", endpoint="improve")
    def improve_adapter(adapter_id: UUID) -> ResponseReturnValue:
        writer, body = required_writer(), parsed_body(Improvement)
        with unit_of_work() as session:
            return jsonify(plain(improve.improve(session, writer.id, adapter_id, attest=body.attest))), 202

    @api.get("/comparisons")
    def comparisons() -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(comparisons=plain(comparison.find(session, required_writer().id)))

    @api.post("/comparisons")
    def compare() -> ResponseReturnValue:
        writer, body = required_writer(), parsed_body(NewComparison)
        form = forms.parse(body.form) if body.form is not None else None
        with unit_of_work() as session:
            begun = comparison.start(
                session, writer.id, body.voice_a, body.voice_b, num_pairs=body.num_pairs, form=form
            )
        return jsonify(plain(begun)), 201, {"Location": f"/api/v1/comparisons/{begun.id}"}

    @api.get("/comparisons/<uuid:comparison_id>")
    def read_comparison(comparison_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(plain(comparison.get(session, required_writer().id, comparison_id)))

    @api.post("/comparisons/<uuid:comparison_id>/go-on")
    def go_on(comparison_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(plain(comparison.go_on(session, required_writer().id, comparison_id)))

    @api.post("/comparisons/<uuid:comparison_id>/pairs/<int:number>")
    def pick(comparison_id: UUID, number: int) -> ResponseReturnValue:
        writer, body = required_writer(), parsed_body(NewPick)
        with unit_of_work() as session:
            return jsonify(plain(comparison.pick(session, writer.id, comparison_id, number, body.pick)))
