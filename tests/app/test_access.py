"""Who may reach what. Every route of the server stands here; a new one without an entry fails the test."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from flask import Flask
from flask import session as flask_session
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.auth import ensure_writer
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
    "api.datasets",
    "api.create_dataset",
    "api.read_dataset",
    "api.save_dataset",
    "api.delete_dataset",
    "api.undelete_dataset",
    "api.undo",
    "api.import_songs",
    "api.upload",
    "api.songs",
    "api.read_song",
    "api.review",
    "api.set_rights",
    "api.freeze",
    "api.dataset_versions",
    "api.read_version",
    "api.delete_version",
    "api.diff_versions",
    "api.restore_version",
    "api.download",
    "api.read_drift",
    "api.measure_drift",
    "api.jobs",
    "api.read_job",
    "api.cancel_job",
    "api.retry_job",
    "api.spotify_link",
    "api.playlists",
    "api.unlink",
    "api.ask_quote",
    "api.start_run",
    "api.runs",
    "api.read_run",
    "api.run_events",
    "api.stop_run",
    "api.cancel_run",
    "api.resume_run",
    "api.delete_run",
    "api.adapters",
    "api.read_adapter",
    "api.download_adapter",
    "api.publish_adapter",
    "api.retire_adapter",
    "api.delete_adapter",
    "api.say",
    "api.list_feedback",
    "api.take_back",
    "api.deal",
    "api.improve",
    "api.comparisons",
    "api.compare",
    "api.read_comparison",
    "api.go_on",
    "api.pick",
}
PAGES_OF_MEMBERS = {"spotify.link", "spotify.callback"}
OF_ONE = [
    "/datasets/{}",
    "/datasets/{}/rights",
    "/train/{}/1",
    "/runs/{}",
    "/runs/{}/again",
    "/voices/{}",
    "/compare/{}",
]
BUILDERS_PAGES = ["/datasets", "/datasets/new", "/jobs", "/train", "/runs", "/voices", "/compare"]
BUILDERS_PAGES += [path.format(uuid4()) for path in OF_ONE]
BODIES = {
    "api.import_songs": {"kind": "tracks", "text": "The Invented - Harbour Lights"},
    "api.review": {"act": "accept"},
    "api.set_rights": {"songs": "all", "rights": "mine", "attest": True},
    "api.pick": {"pick": "left"},
}
"""What a request must bring to get as far as being told that there is no such thing."""


def addresses(server: Flask, endpoints: set[str]) -> list[tuple[str, str]]:
    """Each method and path of these endpoints, with some id in place of each variable."""
    found = []
    for rule in server.url_map.iter_rules():
        if rule.endpoint in endpoints:
            path = rule.rule
            for argument in rule.arguments:
                path = path.replace(f"<uuid:{argument}>", SOME_ID).replace(f"<{argument}>", SOME_WORD)
                path = path.replace(f"<int:{argument}>", "1")
            found += [(method, path) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}]
    return found


def test_it_works(server: Flask) -> None:
    assert {rule.endpoint for rule in server.url_map.iter_rules()} == OPEN | FOR_WRITERS | PAGES_OF_MEMBERS


def test_a_stranger_without_credentials_is_sent_away(server: Flask) -> None:
    client = server.test_client()
    for method, path in addresses(server, FOR_WRITERS):
        # A bearer token spares the CSRF check; a bad one must not spare anything else.
        answer = client.open(path, method=method, headers={"Authorization": "Bearer gr_nobody"}, json={})
        assert (answer.status_code, answer.json["error"]["code"]) == (401, "bad_token"), (method, path)
        answer = client.open(path, method=method, json={})
        assert (answer.status_code, answer.json["error"]["code"]) == (401, "not_signed_in"), (method, path)


def test_everything_of_nobody_is_not_found(server: Flask, alice: Caller) -> None:
    for endpoint in FOR_WRITERS:
        for method, path in addresses(server, {endpoint}):
            if SOME_ID in path or (method == "DELETE" and SOME_WORD in path):
                answer = alice(method, path.removeprefix("/api/v1"), BODIES.get(endpoint, {}))
                assert answer.status_code == 404, (method, path)


@pytest.fixture
def with_pages(server: Flask) -> Flask:
    """The server with something behind it that answers any address, as Dash does."""
    server.add_url_rule("/<path:address>", "/<path:path>", lambda address: f"the page at {address}")
    return server


def test_the_builders_pages_are_for_who_has_signed_up(with_pages: Flask) -> None:
    server = with_pages
    for path in [*BUILDERS_PAGES, "/spotify/link", "/spotify/callback"]:
        answer = server.test_client().get(path)
        assert (answer.status_code, answer.headers["Location"]) == (302, f"/login?next={path}"), path
    with server.test_request_context("/"):
        with unit_of_work() as session:
            writer = ensure_writer(session)
            assert writer.is_guest
        signing = server.session_interface.get_signing_serializer(server)
        assert signing is not None
        cookie = signing.dumps(dict(flask_session))
    guest = server.test_client()
    guest.set_cookie("ghost_session", cookie)
    for path in [*BUILDERS_PAGES, "/spotify/link"]:
        assert guest.get(path).headers["Location"] == f"/signup?next={path}", path
    for path in ("/api/v1/datasets", "/api/v1/spotify/playlists", "/api/v1/runs", "/api/v1/adapters"):
        refused = guest.get(path)
        assert (refused.status_code, refused.json["error"]["code"]) == (403, "sign_up_first"), path


def test_a_page_of_what_is_not_ones_own_is_not_found(
    with_pages: Flask, browser: FlaskClient, submit: Callable[..., TestResponse]
) -> None:
    submit("/signup", email="bob@example.org", password="seven quiet harbours")
    for path in BUILDERS_PAGES:
        expected = 404 if path.count("/") > 1 and path != "/datasets/new" else 200
        assert browser.get(path).status_code == expected, path


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
