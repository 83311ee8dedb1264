"""The API's description, made from the types that the routes parse with. Source: OpenAPI 3.1."""

from __future__ import annotations

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.generation import Request as GenerationRequest
from app.routes.answers import (
    Analysis,
    FormAsked,
    FormShown,
    GenerationShown,
    GenerationStarted,
    Json,
    Library,
    LyricShown,
    Presets,
    Pronunciations,
    PronunciationShown,
    Readings,
    Suggestions,
    Versions,
    Voices,
)
from app.routes.craft import Sound, Text
from app.routes.dataset_answers import DATASET_SCHEMAS
from app.routes.dataset_paths import dataset_paths
from app.routes.describe import last_event_id, path_id, verb
from app.routes.loop_paths import LOOP_SCHEMAS, loop_paths
from app.routes.lyrics import LyricChange, NewLyric
from app.routes.training_answers import TRAINING_SCHEMAS
from app.routes.training_paths import training_paths
from contracts.wire import ErrorResponse

SCHEMAS: tuple[type[BaseModel], ...] = (
    Analysis,
    ErrorResponse,
    FormAsked,
    FormShown,
    GenerationRequest,
    GenerationShown,
    GenerationStarted,
    Library,
    LyricChange,
    LyricShown,
    NewLyric,
    Presets,
    PronunciationShown,
    Pronunciations,
    Readings,
    Sound,
    Suggestions,
    Text,
    Versions,
    Voices,
    *DATASET_SCHEMAS,
    *TRAINING_SCHEMAS,
    *LOOP_SCHEMAS,
)

OPEN: Json = {"security": []}
EVENTS = (
    "Server-sent events. `voice` {load_ms}: how long the voice took to be loaded, 0 when it was in memory. `token` "
    "{take, text}: a piece of text. `line` {take, number, text, num_syllables, ...}: the "
    "evidence of a line that was written to a form, as `LineEvidence`, after the text that ended it. `done` {state, "
    "takes, usage}: the end, also of a cancelled one. `error` {code, message, offers}: the end of a failed one, as "
    "`GenerationFailure`. Each has an `id`; send the last one seen as `Last-Event-ID` to go on from there."
)


def register(api: Blueprint) -> None:
    """`/openapi.json`."""
    description = document()

    @api.get("/openapi.json", endpoint="openapi")
    def openapi() -> ResponseReturnValue:
        return jsonify(description)


def document() -> Json:
    """The whole description."""
    _, made = models_json_schema(
        [(kind, "validation") for kind in SCHEMAS], ref_template="#/components/schemas/{model}"
    )
    schemas = dict(made["$defs"])
    schemas["GenerationRequest"] = schemas.pop("Request")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ghost Rhymes",
            "version": "1",
            "description": "Write lyrics with voices. One JSON error shape.",
        },
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}],
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "`ghost token create`"}},
        },
        "paths": _paths() | dataset_paths() | training_paths() | loop_paths(),
    }


def _paths() -> Json:
    lyric_id, version_id, generation_id = path_id("lyric_id"), path_id("version_id"), path_id("generation_id")
    return {
        "/voices": {"get": verb("listVoices", "The voices", answers={"200": "Voices"}) | OPEN},
        "/generations": {
            "post": verb(
                "startGeneration",
                "Write. Reserves what may be written: n x max_tokens, or what the form can hold; the rest comes back. "
                "422 when no text can keep the form; its `offers` can be kept.",
                body="GenerationRequest",
                answers={"201": "GenerationStarted"},
                errors=("400", "402", "404", "422", "429", "503"),
            )
        },
        "/generations/{generation_id}": {
            "parameters": [generation_id],
            "get": verb("readGeneration", "As it stands", answers={"200": "GenerationShown"}, errors=("404",)),
            "delete": verb(
                "cancelGeneration", "Stop it; the text so far stays", answers={"204": None}, errors=("404",)
            ),
        },
        "/generations/{generation_id}/events": {
            "parameters": [generation_id, last_event_id()],
            "get": verb("followGeneration", EVENTS, answers={"200": "text/event-stream"}, errors=("400", "404", "503")),
        },
        "/readings": {
            "post": verb(
                "readText", "How a text sounds", body="Text", answers={"200": "Readings"}, errors=("400", "429")
            )
            | OPEN,
        },
        "/analyses": {
            "post": verb(
                "analyseText", "Scheme and meters", body="Text", answers={"200": "Analysis"}, errors=("400", "429")
            )
            | OPEN,
        },
        "/rhymes": {
            "parameters": [{"name": "word", "in": "query", "required": True, "schema": {"type": "string"}}],
            "get": verb("findRhymes", "What rhymes", answers={"200": "Suggestions"}, errors=("400", "429")) | OPEN,
        },
        "/forms": {
            "get": verb("listPresets", "Forms to begin with", answers={"200": "Presets"}) | OPEN,
            "post": verb("readForm", "A form in words", body="FormAsked", answers={"200": "FormShown"}, errors=("400",))
            | OPEN,
        },
        "/pronunciations": {
            "get": verb("listPronunciations", "Your own", answers={"200": "Pronunciations"}),
        },
        "/pronunciations/{word}": {
            "parameters": [{"name": "word", "in": "path", "required": True, "schema": {"type": "string"}}],
            "put": verb(
                "pronounce",
                "Say this word so from now on: with the end of the word `like`, or by its phones",
                body="Sound",
                answers={"200": "PronunciationShown"},
                errors=("400", "402"),
            ),
            "delete": verb("forgetPronunciation", "As everybody", answers={"204": None}, errors=("404",)),
        },
        "/lyrics": {
            "get": verb("listLyrics", "The library", answers={"200": "Library"}),
            "post": verb(
                "createLyric", "A new lyric", body="NewLyric", answers={"201": "LyricShown"}, errors=("400", "402")
            ),
        },
        "/lyrics/{lyric_id}": {
            "parameters": [lyric_id],
            "get": verb("readLyric", "One lyric", answers={"200": "LyricShown"}, errors=("404",)),
            "patch": verb(
                "saveLyric",
                "Save. 409 when it was changed since `revision`; the text sent is kept as a version.",
                body="LyricChange",
                answers={"200": "LyricShown"},
                errors=("400", "404", "409"),
            ),
            "delete": verb("deleteLyric", "Delete; can be undone for 30 days", answers={"204": None}, errors=("404",)),
        },
        "/lyrics/{lyric_id}/undelete": {
            "parameters": [lyric_id],
            "post": verb("undeleteLyric", "Bring it back", answers={"200": "LyricShown"}, errors=("404",)),
        },
        "/lyrics/{lyric_id}/versions": {
            "parameters": [lyric_id],
            "get": verb("listVersions", "What it said before", answers={"200": "Versions"}, errors=("404",)),
        },
        "/lyrics/{lyric_id}/versions/{version_id}/restore": {
            "parameters": [lyric_id, version_id],
            "post": verb(
                "restoreVersion", "Make it say that again", answers={"200": "LyricShown"}, errors=("404", "409")
            ),
        },
    }
