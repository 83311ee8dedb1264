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
        (method, re.sub(r"<(?:uuid:)?(\w+)>", r"{\1}", rule.rule).removeprefix("/api/v1"))
        for rule in server.url_map.iter_rules()
        if rule.endpoint.startswith("api.") and rule.endpoint != "api.openapi"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert described == routed
