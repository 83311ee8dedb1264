"""The description of trainings and the voices that come of them: which address takes what and answers what."""

from __future__ import annotations

from app.routes.answers import Json
from app.routes.describe import path_id, query, verb
from app.run import KINDS

QUOTE = (
    "What training a version of a dataset would take: minutes, price, cap, and what similar runs reached. 202 while it "
    "is being measured; ask again when the `job` is over. Other efforts and epochs need no new measuring."
)
START = (
    "Train. Reserves the cap of the quote; what is not used comes back. 409 `quote_changed` when the cap is above "
    "`max_minutes` by now, `not_trainable` when songs were taken back; 402 when minutes or places are spent."
)


def training_paths() -> Json:
    """All of them."""
    return _runs() | _adapters()


def _runs() -> Json:
    run_id = path_id("run_id")
    shown = {"200": "RunShown"}
    return {
        "/runs/quote": {
            "post": verb(
                "quoteRun",
                QUOTE,
                body="QuoteAsked",
                answers={"200": "QuoteShown", "202": "QuoteShown"},
                errors=("400", "403", "404", "429", "503"),
            ),
        },
        "/runs": {
            "get": verb("listRuns", "Your trainings", answers={"200": "RunList"}, errors=("403",)),
            "post": verb(
                "startRun",
                START,
                body="NewRun",
                answers={"201": "RunShown"},
                errors=("400", "402", "403", "404", "409", "429", "503"),
            ),
        },
        "/runs/{run_id}": {
            "parameters": [run_id],
            "get": verb("readRun", "As it stands", answers=shown, errors=("404",)),
            "delete": verb(
                "deleteRun", "For good, with the voice that it made", answers={"204": None}, errors=("404", "503")
            ),
        },
        "/runs/{run_id}/events": {
            "parameters": [run_id],
            "get": verb("readRunEvents", "What it said", answers={"200": "RunEventList"}, errors=("400", "404"))
            | {
                "parameters": [
                    query("kinds", {"type": "string", "description": f"by comma, of {', '.join(KINDS)}"}),
                    query("after_step", {"type": "integer", "minimum": 0, "description": "later steps alone"}),
                ]
            },
        },
        "/runs/{run_id}/stop": {
            "parameters": [run_id],
            "post": verb("stopRun", "End early, and keep the best", answers=shown, errors=("404", "409")),
        },
        "/runs/{run_id}/cancel": {
            "parameters": [run_id],
            "post": verb("cancelRun", "End without a voice; can go on later", answers=shown, errors=("404", "409")),
        },
        "/runs/{run_id}/resume": {
            "parameters": [run_id],
            "post": verb(
                "resumeRun",
                "Go on from the last state, if it failed or was cancelled; never beyond the quote",
                answers=shown,
                errors=("400", "402", "404", "409", "429", "503"),
            ),
        },
    }


def _adapters() -> Json:
    adapter_id = path_id("adapter_id")
    named = {
        "name": "adapter_id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "description": "an id of yours, or the name of one that is everybody's"},
    }
    shown = {"200": "AdapterShown"}
    return {
        "/adapters": {"get": verb("listAdapters", "Voices", answers={"200": "AdapterList"}, errors=("403",))},
        "/adapters/{adapter_id}": {
            "get": verb("readAdapter", "With its card", answers=shown, errors=("404", "409", "503"))
            | {"parameters": [named]},
            "delete": verb("deleteAdapter", "For good", answers={"204": None}, errors=("404", "503"))
            | {"parameters": [adapter_id]},
        },
        "/adapters/{adapter_id}/publish": {
            "parameters": [adapter_id],
            "post": verb(
                "publishAdapter",
                "Into the voice menu, as the live one of its title. 409 `is_worse` says in what: give a reason.",
                body="Publication",
                answers=shown,
                errors=("400", "404", "409"),
            ),
        },
        "/adapters/{adapter_id}/retire": {
            "parameters": [adapter_id],
            "post": verb(
                "retireAdapter",
                "Out of the menu; the version before is live again",
                answers=shown,
                errors=("404", "409"),
            ),
        },
        "/adapters/{adapter_id}/download": {
            "parameters": [named],
            "get": verb(
                "downloadAdapter",
                "PEFT's files and the card",
                answers={"200": "application/zip"},
                errors=("404", "409", "503"),
            ),
        },
    }
