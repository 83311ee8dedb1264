"""Who may reach what. Every route of the server stands here; a new one without an entry fails the test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import unit_of_work
from models import ApiToken
from models.token import hash_of
from tests.app.conftest import Caller

SOME_ID, SOME_WORD = str(uuid4()), "chair"
OPEN = {
    "ops.health",
    "ops.ready",
    "pages.login",
    "pages.signup",
    "pages.logout",
    "api.openapi",
    "api.voices",
    "api.readings",
    "api.analyses",
    "api.rhymes",
    "api.presets",
    "api.read_form",
}
FOR_WRITERS = {
    "api.start",
    "api.view",
    "api.cancel",
    "api.events",
    "api.library",
    "api.create",
    "api.read",
    "api.save",
    "api.delete",
    "api.undelete",
    "api.versions",
    "api.restore",
    "api.pronunciations",
    "api.pronounce",
    "api.forget",
}


def addresses(server: Flask, endpoints: set[str]) -> list[tuple[str, str]]:
    """Each method and path of these endpoints, with some id in place of each variable."""
    found = []
    for rule in server.url_map.iter_rules():
        if rule.endpoint in endpoints:
            path = rule.rule
            for argument in rule.arguments:
                path = path.replace(f"<uuid:{argument}>", SOME_ID).replace(f"<{argument}>", SOME_WORD)
            found += [(method, path) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}]
    return found


def test_it_works(server: Flask) -> None:
    assert {rule.endpoint for rule in server.url_map.iter_rules()} == OPEN | FOR_WRITERS


def test_a_stranger_without_credentials_is_sent_away(server: Flask) -> None:
    client = server.test_client()
    for method, path in addresses(server, FOR_WRITERS):
        # A bearer token spares the CSRF check; a bad one must not spare anything else.
        answer = client.open(path, method=method, headers={"Authorization": "Bearer gr_nobody"}, json={})
        assert (answer.status_code, answer.json["error"]["code"]) == (401, "bad_token"), (method, path)
        answer = client.open(path, method=method, json={})
        assert (answer.status_code, answer.json["error"]["code"]) == (401, "not_signed_in"), (method, path)


def test_everything_of_nobody_is_not_found(server: Flask, alice: Caller) -> None:
    for method, path in addresses(server, FOR_WRITERS):
        if SOME_ID in path or (method == "DELETE" and SOME_WORD in path):
            assert alice(method, path.removeprefix("/api/v1"), {}).status_code == 404, (method, path)


@pytest.mark.parametrize(
    "path", ["/nowhere", "/admin", "/lyrics/not-an-id", "/lyrics", "/..%2fetc/passwd", "/app/web.py"]
)
def test_addresses_that_are_no_pages_are_not_found(server: Flask, path: str) -> None:
    answer = server.test_client().get(path)
    assert answer.status_code == 404
    assert "Traceback" not in answer.text


def test_an_expired_or_revoked_token_is_refused(alice: Caller) -> None:
    for column in ("expires_at", "revoked_at"):
        with unit_of_work() as session:
            token = session.query(ApiToken).filter_by(token_hash=hash_of(alice.token)).one()
            setattr(token, column, datetime.now(UTC) - timedelta(seconds=1))
        answer = alice("GET", "/lyrics")
        assert answer.status_code == 401
        assert "ghost token create" in answer.json["error"]["message"]
        with unit_of_work() as session:
            session.query(ApiToken).update({column: None})
        assert alice("GET", "/lyrics").status_code == 200


def test_a_token_is_kept_as_a_hash_only(alice: Caller, server: Flask) -> None:
    with unit_of_work() as session:
        stored = session.execute(text("select row_to_json(api_token)::text from api_token")).scalars().all()
    assert stored
    assert not any(alice.token in row for row in stored)
