"""Signing up, logging in and out with a browser's means: forms, cookies, CSRF tokens."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from app import sign_in

Submit = Callable[..., TestResponse]
PASSWORD = "a long walk home"


def api(browser: FlaskClient, method: str, path: str, json: object = None) -> TestResponse:
    """Call the API as the studio's script does: with the cookie and the CSRF token."""
    token = browser.get_cookie("_csrf_token")
    headers = {"X-CSRFToken": token.decoded_value} if token else {}
    return browser.open(f"/api/v1{path}", method=method, json=json, headers=headers)


def test_it_works(submit: Submit, browser: FlaskClient) -> None:
    assert submit("/signup", email="Ada@Example.org", password=PASSWORD).status_code == 303
    browser.get("/login")
    assert api(browser, "POST", "/lyrics", {"text": "mine"}).status_code == 201
    assert submit("/logout") is not None
    assert api(browser, "GET", "/lyrics").status_code == 401
    answer = submit("/login", email="ada@example.ORG ", password=PASSWORD, next="/lyrics/x?y=1")
    assert (answer.status_code, answer.location) == (303, "/lyrics/x?y=1")
    assert len(api(browser, "GET", "/lyrics").json["lyrics"]) == 1


def test_passwords_are_kept_as_argon2_hashes(submit: Submit, engine: Engine) -> None:
    submit("/signup", email="ada@example.org", password=PASSWORD)
    with engine.connect() as connection:
        stored = connection.scalar(text("select password_hash from app_user"))
    assert stored.startswith("$argon2id$")
    assert PASSWORD not in stored


@pytest.mark.parametrize(
    ("email", "password", "word"),
    [
        ("not an address", PASSWORD, "e-mail"),
        ("ada@example.org", "short", "at least 10"),
        ("ada@example.org", "ada@example.org", "easy to guess"),
        ("ada@example.org", "aaaaaaaaaaaaaa", "easy to guess"),
        ("ada@example.org", "x" * 201, "200"),
        ("", "", "e-mail"),
    ],
)
def test_what_cannot_be_used_is_named(submit: Submit, email: str, password: str, word: str) -> None:
    answer = submit("/signup", email=email, password=password)
    assert answer.status_code == 400
    assert word in answer.text


def test_an_address_is_taken_once_however_it_is_written(submit: Submit, browser: FlaskClient) -> None:
    submit("/signup", email="ada@example.org", password=PASSWORD)
    submit("/logout")
    answer = submit("/signup", email="ADA@example.org", password=PASSWORD)
    assert answer.status_code == 400
    assert "log in instead" in answer.text


def test_a_wrong_password_and_an_unknown_address_look_alike(submit: Submit) -> None:
    submit("/signup", email="ada@example.org", password=PASSWORD)
    submit("/logout")
    wrong = submit("/login", email="ada@example.org", password="something else")
    unknown = submit("/login", email="eve@example.org", password="something else")
    assert wrong.status_code == unknown.status_code == 401
    assert "do not belong together" in wrong.text
    assert "do not belong together" in unknown.text


def test_guessing_is_throttled_across_refusals(submit: Submit) -> None:
    submit("/signup", email="ada@example.org", password=PASSWORD)
    submit("/logout")
    for _ in range(sign_in.MAX_TRIES_PER_PAIR):
        assert submit("/login", email="ada@example.org", password="a wrong guess").status_code == 401
    answer = submit("/login", email="ada@example.org", password=PASSWORD)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 901
    assert "minutes" in answer.text


def test_without_a_csrf_token_nothing_happens(browser: FlaskClient, submit: Submit) -> None:
    assert browser.post("/signup", data={"email": "a@example.org", "password": PASSWORD}).status_code == 403
    submit("/signup", email="ada@example.org", password=PASSWORD)
    forged = browser.post("/api/v1/lyrics", json={}, headers={"X-CSRFToken": "forged"})
    assert forged.status_code == 403
    assert forged.json["error"]["code"] == "csrf"


@pytest.mark.parametrize(
    "url", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:x", "\\\\evil", "//["]
)
def test_log_in_never_leads_off_site(submit: Submit, url: str) -> None:
    submit("/signup", email="ada@example.org", password=PASSWORD)
    assert submit("/login", email="ada@example.org", password=PASSWORD, next=url).location == "/"


def test_cookies_and_headers_are_guarded(submit: Submit, browser: FlaskClient) -> None:
    answer = submit("/signup", email="ada@example.org", password=PASSWORD)
    cookie = next(value for value in answer.headers.getlist("Set-Cookie") if value.startswith("ghost_session="))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    policy = browser.get("/login").headers["Content-Security-Policy"]
    assert "unsafe-eval'" not in policy.replace("wasm-unsafe-eval", "")
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy


@pytest.mark.parametrize("email", ["a\x00b", "203.0.113.9", "x" * 400 + "@example.org", "\ud800@example.org"])
def test_what_is_no_address_belongs_to_nobody(submit: Submit, email: str) -> None:
    answer = submit("/login", email=email.encode("utf-8", "replace").decode(), password=PASSWORD)
    assert answer.status_code == 401


def test_guessing_at_one_address_never_locks_a_sender_out(submit: Submit) -> None:
    submit("/signup", email="ada@example.org", password=PASSWORD)
    for _ in range(sign_in.MAX_TRIES_PER_PAIR + 2):
        submit("/login", email="eve@example.org", password="a wrong guess")
    assert submit("/login", email="ada@example.org", password=PASSWORD).status_code == 303
