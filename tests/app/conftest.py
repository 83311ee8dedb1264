"""The web's server on a database of its own, and the cast as HTTP clients with API tokens."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from app import generation
from app.db import unit_of_work
from app.tokens import create_for_email
from app.web import create_app
from contracts.settings import Settings
from models import User
from models.user import user_by_email


def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def inference_url() -> str:
    """No inference service, unless a test folder says otherwise."""
    return f"http://127.0.0.1:{closed_port()}"


@pytest.fixture
def outside() -> dict[str, str]:
    """Addresses of Spotify, Genius and LRCLIB by setting: nobody answers there, unless a test file says otherwise."""
    nobody = f"http://127.0.0.1:{closed_port()}"
    names = ("spotify_api_url", "spotify_accounts_url", "genius_api_url", "genius_web_url", "lrclib_url")
    return dict.fromkeys(names, nobody)


@pytest.fixture
def settings(database_url: str, inference_url: str, outside: dict[str, str], tmp_path: Path) -> Settings:
    return Settings(
        bucket_url=f"file://{tmp_path / 'bucket'}",
        **outside,
        database_url=database_url,
        secret_key="key of the tests",
        service_secret="secret of the tests",
        inference_url=inference_url,
    )


@pytest.fixture
def server(settings: Settings, engine: Engine) -> Iterator[Flask]:
    server = create_app(settings, engine=engine)
    yield server
    generation.relay().close()


class Caller:
    """One person with an API token."""

    def __init__(self, server: Flask, email: str) -> None:
        with unit_of_work() as session:
            self.token = create_for_email(session, email)
        self.email = email
        self._client = server.test_client()

    def __call__(self, method: str, path: str, json: Any = None, **options: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        return self._client.open(f"/api/v1{path}", method=method, json=json, headers=headers, **options)

    def user(self) -> User:
        with unit_of_work() as session:
            user = user_by_email(session, self.email)
            assert user is not None
            return user


@pytest.fixture
def alice(server: Flask) -> Caller:
    return Caller(server, "alice@example.org")


@pytest.fixture
def bob(server: Flask) -> Caller:
    return Caller(server, "bob@example.org")


@pytest.fixture
def charlie(server: Flask) -> Caller:
    return Caller(server, "charlie@example.org")


@pytest.fixture
def browser(server: Flask) -> FlaskClient:
    """A browser without a cookie yet."""
    return server.test_client()


@pytest.fixture
def submit(browser: FlaskClient) -> Callable[..., TestResponse]:
    """Open a form's page and send the form with its CSRF token, as a browser does."""

    def send(path: str, **fields: str) -> TestResponse:
        browser.get(path)
        token = browser.get_cookie("_csrf_token")
        assert token is not None
        return browser.post(path, data=fields | {"csrf_token": token.decoded_value})

    return send
