"""The API's description is valid OpenAPI and names every route."""

from __future__ import annotations

import re

from flask import Flask
from openapi_spec_validator import validate

from app.routes.openapi import document


def test_it_works(server: Flask) -> None:
    served = server.test_client().get("/api/v1/openapi.json")
    assert served.status_code == 200
    assert served.json == document()
    validate(document())


def test_it_names_every_route_and_method(server: Flask) -> None:
    described = {
        (method.upper(), path)
        for path, verbs in document()["paths"].items()
        for method in verbs
        if method != "parameters"
    }
    routed = {
        (method, re.sub(r"<(?:uuid:|int:)?(\w+)>", r"{\1}", rule.rule).removeprefix("/api/v1"))
        for rule in server.url_map.iter_rules()
        if rule.endpoint.startswith("api.") and rule.endpoint != "api.openapi"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert described == routed


def test_it_tells_how_to_write_to_a_form() -> None:
    schemas = document()["components"]["schemas"]
    fields = {name: set(schemas[name].get("properties", ())) for name in schemas}
    assert {"form", "deed", "prompt"} <= fields["GenerationRequest"]
    assert fields["Deed"] == {"kind", "line"}
    assert {"form", "deed", "placed", "takes", "error"} <= fields["GenerationShown"]
    assert {"lines", "score"} <= fields["Take"]
    assert {"num_syllables", "partner", "failures", "nearest"} <= fields["LineEvidence"]
    assert {"code", "message", "offers"} <= fields["GenerationFailure"] & fields["ErrorBody"]
    assert fields["Offer"] == {"words", "form"}
    assert all("description" in field or "$ref" in field for field in schemas["Form"]["properties"].values())


def test_it_tells_how_to_listen() -> None:
    paths = document()["paths"]
    for path, method, answer in (
        ("/readings", "post", "Readings"),
        ("/analyses", "post", "Analysis"),
        ("/rhymes", "get", "Suggestions"),
        ("/forms", "get", "Presets"),
        ("/forms", "post", "FormShown"),
        ("/pronunciations", "get", "Pronunciations"),
        ("/pronunciations/{word}", "put", "PronunciationShown"),
    ):
        content = paths[path][method]["responses"]["200"]["content"]["application/json"]
        assert content["schema"] == {"$ref": f"#/components/schemas/{answer}"}
