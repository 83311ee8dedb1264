"""What Dash sends before any browser runs it: the first paint, the layout, and callbacks called by strangers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from app import generation, lyric
from app.db import unit_of_work
from app.tokens import create_for_email
from app.web import create_app
from contracts.settings import Settings
from dashboards import mount
from dashboards.words import lyric_id_in
from models.user import user_by_email
from tests.services import free_port


@pytest.fixture
def server(database_url: str, engine: Engine) -> Iterator[Flask]:
    """The web with the studio on it, and no inference service."""
    settings = Settings(
        database_url=database_url,
        secret_key="key of the tests",
        service_secret="secret of the tests",
        inference_url=f"http://127.0.0.1:{free_port()}",
    )
    server = create_app(settings, engine=engine)
    mount(server)
    yield server
    generation.relay().close()


@pytest.fixture
def client(server: Flask) -> FlaskClient:
    return server.test_client()


def interactive(node: Any) -> Iterator[dict[str, Any]]:
    """The props of everything in a layout that a person can press, type into or follow."""
    if isinstance(node, list):
        for child in node:
            yield from interactive(child)
    elif isinstance(node, dict) and "props" in node:
        if node["type"] in ("Button", "Input", "A", "Link", "RadioItems"):
            yield node["props"]
        yield from interactive(node["props"].get("children"))


def callback(
    client: FlaskClient, output: str, outputs: Any, inputs: list[dict[str, Any]], state: list[dict[str, Any]]
) -> Any:
    """Call a callback as dash-renderer does, with the CSRF token of the page."""
    page = client.get("/")
    assert page.status_code == 200
    cookie = client.get_cookie("_csrf_token")
    assert cookie
    changed = [f"{one['id']}.{one['property']}" for one in inputs]
    body = {"output": output, "outputs": outputs, "inputs": inputs, "changedPropIds": changed, "state": state}
    return client.post("/_dash-update-component", json=body, headers={"X-CSRFToken": cookie.value})


def test_it_works(client: FlaskClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "dist/ghost.js" in page.text
    assert "page.js" not in page.text
    assert 'data-theme="auto"' in page.text


def test_the_first_paint_has_the_theme_of_the_cookie(client: FlaskClient) -> None:
    client.set_cookie("theme", "dark")
    assert 'data-theme="dark"' in client.get("/").text
    client.set_cookie("theme", '"><script>')
    assert "<script>" not in client.get("/").text.partition("<head>")[0]


def test_everything_that_can_be_pressed_has_an_id(client: FlaskClient) -> None:
    found = list(interactive(json.loads(client.get("/_dash-layout").text)))
    assert len(found) > 15
    assert [props for props in found if not props.get("id")] == []
    names = [json.dumps(props["id"]) for props in found]
    assert len(names) == len(set(names))


def test_a_stranger_cannot_open_a_lyric_by_its_callback(server: Flask, client: FlaskClient) -> None:
    with unit_of_work() as session:
        create_for_email(session, "alice@example.org")
        alice = user_by_email(session, "alice@example.org")
        assert alice
        mine = lyric.create(session, alice.id, "Secret", "a line of alice's")
    where = {"id": "url", "property": "pathname", "value": f"/lyrics/{mine.id}"}
    answer = callback(client, "opened.data", {"id": "opened", "property": "data"}, [where], [])
    opened = answer.get_json()["response"]["opened"]["data"]
    assert opened["lyric"] is None
    assert "not in your library" in opened["error"]
    assert "alice's" not in answer.text


def test_voices_that_are_away_are_said_in_words(client: FlaskClient) -> None:
    names = [("voice", "options"), ("voice", "value"), ("voices-state", "children"), ("voices-poll", "disabled")]
    outputs = [{"id": name, "property": prop} for name, prop in names]
    asked = [("voices-poll", "n_intervals"), ("voice-menu", "n_clicks"), ("url", "search")]
    inputs = [{"id": name, "property": prop} for name, prop in asked]
    output = f"..{'...'.join(f'{name}.{prop}' for name, prop in names)}.."
    chosen = [{"id": "voice", "property": "value"}]
    answer = callback(client, output, outputs, inputs, chosen).get_json()["response"]
    assert answer["voice"]["options"] == []
    assert "Looking again" in answer["voices-state"]["children"]
    assert answer["voices-poll"]["disabled"] is False


def test_a_callback_without_the_csrf_token_is_refused(client: FlaskClient) -> None:
    client.get("/")
    assert client.post("/_dash-update-component", json={}).status_code == 403


def test_only_lyric_addresses_name_a_lyric() -> None:
    wanted = uuid4()
    assert lyric_id_in(f"/lyrics/{wanted}") == wanted
    for other in (None, "/", "/lyrics", "/lyrics/x", f"/elsewhere/{wanted}", f"/lyrics/{wanted}/more"):
        assert lyric_id_in(other) is None
