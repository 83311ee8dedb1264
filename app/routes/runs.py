"""Trainings over HTTP: quotes, runs, what they say."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ConfigDict, Field

from app import quote, run
from app.auth import required_writer, settings
from app.db import unit_of_work
from app.routes.bodies import parsed_body
from app.routes.plain import plain
from app.routes.queries import number_in_query
from contracts.training import TrainRequest

RUN = "/runs/<uuid:run_id>"


class QuoteAsked(BaseModel):
    """`POST /runs/quote`."""

    model_config = ConfigDict(extra="forbid")

    dataset_id: UUID
    number: int = Field(ge=1, le=2**31 - 1, strict=True, description="which version of the dataset")
    request: TrainRequest


class NewRun(QuoteAsked):
    """`POST /runs`. `max_minutes` is the cap of the quote that you agree to; `before_id` the voice that the new one is
    to be better than."""

    title: str
    max_minutes: int = Field(ge=1, le=2**31 - 1, strict=True)
    before_id: UUID | None = None


def register(api: Blueprint) -> None:
    """Put the routes on `api`."""
    _register_runs(api)
    _register_acts(api)


def _register_runs(api: Blueprint) -> None:
    @api.post("/runs/quote")
    def ask_quote() -> ResponseReturnValue:
        body = parsed_body(QuoteAsked)
        with unit_of_work() as session:
            found = quote.ask(session, settings(), required_writer().id, body.dataset_id, body.number, body.request)
        return jsonify(plain(found)), 202 if found.job and not found.job.is_over else 200

    @api.post("/runs")
    def start_run() -> ResponseReturnValue:
        body = parsed_body(NewRun)
        with unit_of_work() as session:
            begun = run.start(
                session,
                settings(),
                required_writer().id,
                body.dataset_id,
                body.number,
                title=body.title,
                request=body.request,
                max_minutes=body.max_minutes,
                before_id=body.before_id,
            )
        return jsonify(plain(begun)), 201, {"Location": f"/api/v1/runs/{begun.id}"}

    @api.get("/runs")
    def runs() -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(runs=plain(run.find(session, required_writer().id)))

    @api.get(RUN)
    def read_run(run_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(plain(run.get(session, required_writer().id, run_id)))

    @api.get(RUN + "/events")
    def run_events(run_id: UUID) -> ResponseReturnValue:
        kinds = list(filter(None, request.args.get("kinds", "").split(",")))
        after = number_in_query("after_step", -1)
        with unit_of_work() as session:
            found = run.events(session, required_writer().id, run_id, kinds=kinds, after_step=after)
        return jsonify(events=plain(found))


def _register_acts(api: Blueprint) -> None:
    @api.post(RUN + "/stop")
    def stop_run(run_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(plain(run.stop(session, required_writer().id, run_id)))

    @api.post(RUN + "/cancel")
    def cancel_run(run_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(plain(run.cancel(session, required_writer().id, run_id)))

    @api.post(RUN + "/resume")
    def resume_run(run_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(plain(run.resume(session, required_writer().id, run_id)))

    @api.delete(RUN)
    def delete_run(run_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            run.delete(session, required_writer().id, run_id)
        return "", 204
