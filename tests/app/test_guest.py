"""A guest writes with a small allowance, and keeps the same lyric when signing up or logging in."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from flask import Flask
from flask import session as flask_session
from flask.testing import FlaskClient
from sqlalchemy import Engine, insert, text
from werkzeug.test import TestResponse

from app import account, lyric, sign_in
from app.auth import ensure_writer
from app.db import unit_of_work
from app.errors import AllowanceSpent, TooMany
from models import Generation

Submit = Callable[..., TestResponse]
PASSWORD = "a long walk home"
LINE = "Midnight on the corner"


@pytest.fixture
def guest_lyric(server: Flask, browser: FlaskClient) -> UUID:
    """A lyric of a guest whose cookie the browser holds, made the way the studio's first callback makes it."""
    with server.test_request_context("/"):
        with unit_of_work() as session:
            writer = ensure_writer(session)
            made = lyric.create(session, writer.id, text=LINE)
        cookie = server.session_interface.get_signing_serializer(server)
        assert cookie is not None
        browser.set_cookie("ghost_session", cookie.dumps(dict(flask_session)))
    return made.id


def own(browser: FlaskClient) -> list[str]:
    return [row["id"] for row in browser.get("/api/v1/lyrics").json["lyrics"]]


def test_it_works(browser: FlaskClient, guest_lyric: UUID) -> None:
    assert own(browser) == [str(guest_lyric)]


def test_signing_up_keeps_the_same_lyric_and_raises_the_allowance(
    browser: FlaskClient, submit: Submit, guest_lyric: UUID, engine: Engine
) -> None:
    assert submit("/signup", email="ada@example.org", password=PASSWORD).status_code == 303
    assert own(browser) == [str(guest_lyric)]
    with engine.connect() as connection:
        assert connection.scalar(text("select count(*) from app_user")) == 1
        assert connection.scalar(text("select tokens_left from account")) == 100_000


def test_logging_in_brings_the_lyric_along(
    browser: FlaskClient, submit: Submit, server: Flask, guest_lyric: UUID, engine: Engine
) -> None:
    with unit_of_work() as session:
        settings = server.extensions["ghost_settings"]
        sign_in.sign_up(session, settings, email="ada@example.org", password=PASSWORD, sender="x", guest_id=None)
    assert submit("/login", email="ada@example.org", password=PASSWORD).status_code == 303
    assert own(browser) == [str(guest_lyric)]
    with engine.connect() as connection:
        owner = connection.scalar(text("select email from lyric join app_user on app_user.id = lyric.user_id"))
    assert owner == "ada@example.org"


def test_a_guests_shelf_is_small(server: Flask) -> None:
    with server.test_request_context("/"), unit_of_work() as session:
        writer = ensure_writer(session)
        for _ in range(account.GUEST_LYRICS):
            lyric.create(session, writer.id)
        with pytest.raises(AllowanceSpent, match="sign up"):
            lyric.create(session, writer.id)


def test_throwing_cookies_away_is_throttled(server: Flask) -> None:
    for _ in range(sign_in.MAX_GUESTS_PER_SENDER):
        sign_in.count_guest("203.0.113.9")
    with pytest.raises(TooMany, match="sign up"):
        sign_in.count_guest("203.0.113.9")
    sign_in.count_guest("203.0.113.10")


def test_what_a_guest_has_reserved_is_never_given_to_another_account(
    submit: Submit, server: Flask, browser: FlaskClient, guest_lyric: UUID, engine: Engine
) -> None:
    with unit_of_work() as session:
        settings = server.extensions["ghost_settings"]
        sign_in.sign_up(session, settings, email="ada@example.org", password=PASSWORD, sender="x", guest_id=None)
    with engine.begin() as connection:
        guest_id = connection.scalar(text("select user_id from lyric"))
        connection.execute(text("update account set tokens_left = 10 where user_id <> :id"), {"id": guest_id})
        for state in ("running", "done"):
            row = {"user_id": guest_id, "voice": "v", "prompt": "p", "params": {"n": 1}, "state": state}
            connection.execute(insert(Generation).values(**row, takes=[], tokens_reserved=900))
    assert submit("/login", email="ada@example.org", password=PASSWORD).status_code == 303
    with engine.connect() as connection:
        moved = connection.execute(
            text("select state from generation where user_id <> :id"), {"id": guest_id}
        ).scalars()
        assert list(moved) == ["done"]
