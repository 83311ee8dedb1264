"""The one door: every request passes here before any view, and what is not named is refused.

Public endpoints are for anybody. The studio is for anybody too, since a guest may write; its lyrics' addresses are not.
Datasets, jobs, trainings, voices and linked accounts are for people who have signed up: others are sent to do so.
The API wants a cookie or a bearer token. Also here: CSRF for whatever a cookie could do, and the security headers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote
from uuid import UUID

from flask import Flask, Response, redirect, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError, CSRFProtect, generate_csrf, validate_csrf
from sqlalchemy.orm import Session
from wtforms import ValidationError

from app import adapter, comparison, dataset, lyric, run
from app.auth import bearer_token, current_writer, required_writer
from app.db import unit_of_work
from app.errors import CsrfRefused, NotFound
from contracts.settings import Settings

PUBLIC = {
    "static",
    "pages.login",
    "pages.signup",
    "pages.logout",
    "ops.health",
    "ops.ready",
    "api.openapi",
    "api.voices",
    "api.readings",
    "api.analyses",
    "api.rhymes",
    "api.presets",
    "api.read_form",
}
CSRF_COOKIE = "_csrf_token"
"""dash-renderer echoes a cookie of this name as X-CSRFToken, and so does our own script."""
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_STUDIO = re.compile(r"/(analyse|lyrics/(?P<lyric_id>[0-9a-f-]{36}))?")
_BUILDER = re.compile(
    r"/(jobs|spotify/(link|callback)|datasets(/new)?|train|runs|voices|compare"
    r"|(?P<kind>datasets|train|runs|voices|compare)/(?P<name>[a-z0-9][a-z0-9._-]{0,63})(/[a-z0-9]{1,16})?)"
)
_DASH = re.compile(r"/(_dash-|_reload-hash|_favicon\.ico|assets/)")

csrf = CSRFProtect()


def init_app(server: Flask, settings: Settings) -> None:
    """Guard `server`; call it before Dash is put on it."""
    server.config.update(
        WTF_CSRF_CHECK_DEFAULT=False,  # _check does it, and spares bearer tokens: no browser sends those by itself
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,
    )
    csrf.init_app(server)
    server.before_request(_check)

    @server.after_request
    def finish(response: Response) -> Response:
        return _with_headers(response, settings)


def _check() -> ResponseReturnValue | None:
    endpoint = request.endpoint
    if endpoint and endpoint.startswith("api.") and endpoint not in PUBLIC:
        required_writer()  # before CSRF: to a program without credentials, a word about pages would be nonsense
    if request.method not in SAFE_METHODS and bearer_token() is None:
        _check_csrf()
    if endpoint is None or endpoint in PUBLIC or endpoint.startswith("api."):  # None: Flask answers 404 or 405 itself
        return None
    if _DASH.match(request.path):
        return None
    if found := _BUILDER.fullmatch(request.path):
        return _check_builder_address(found["kind"], found["name"])
    _check_studio_address(request.path)
    return None


def _check_csrf() -> None:
    try:
        if (request.endpoint or "").startswith("api."):
            validate_csrf(request.headers.get("X-CSRFToken"))  # by the header alone: a file is not read to look for it
        else:
            csrf.protect()
    except (CSRFError, ValidationError):
        raise CsrfRefused(
            "This page is older than your session. Reload it and try again; your text is kept in this browser."
        ) from None


def _check_builder_address(kind: str | None, name: str) -> ResponseReturnValue | None:
    writer = current_writer()
    if writer is None or writer.is_guest:
        door = "/signup" if writer else "/login"
        return redirect(f"{door}?next={quote(request.path)}", 302)
    if kind:
        with unit_of_work() as session:
            _THEIRS[kind](session, writer.id, name)
    return None


_THEIRS: dict[str, Callable[[Session, UUID, str], object]] = {
    "datasets": lambda session, writer_id, name: dataset.check_own(session, writer_id, _uuid(name)),
    "train": lambda session, writer_id, name: dataset.check_own(session, writer_id, _uuid(name)),
    "runs": lambda session, writer_id, name: run.get(session, writer_id, _uuid(name)),
    "voices": adapter.get,
    "compare": lambda session, writer_id, name: comparison.get(session, writer_id, _uuid(name)),
}
"""Raises `NotFound` where what an address names is not this person's."""


def _check_studio_address(path: str) -> None:
    """Dash answers every address with the studio; we know which ones there are, and whose."""
    found = _STUDIO.fullmatch(path)
    if not found:
        raise NotFound("There is no page at this address.")
    if lyric_id := found["lyric_id"]:
        writer = current_writer()
        if writer is None:
            raise NotFound("There is no such lyric in your library.")
        with unit_of_work() as session:
            lyric.get(session, writer.id, _uuid(lyric_id))


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("There is no page at this address.") from None


def _with_headers(response: Response, settings: Settings) -> Response:
    headers = response.headers
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
    headers.setdefault("Content-Security-Policy", content_security_policy())
    if settings.is_https:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    if response.mimetype == "text/html":
        headers["Cache-Control"] = "no-store"
        response.set_cookie(CSRF_COOKIE, generate_csrf(), secure=settings.is_https, samesite="Lax", path="/")
    return response


_script_hashes: list[str] = []


def trust_scripts(hashes: list[str]) -> None:
    """Allow Dash's own inline scripts by their CSP hashes; call it once all callbacks are registered."""
    _script_hashes[:] = hashes


def content_security_policy() -> str:
    """No script, style, font or request from elsewhere, and no eval."""
    scripts = " ".join(["'self'", "'wasm-unsafe-eval'", *(f"'{h.strip(chr(39))}'" for h in _script_hashes)])
    return (
        f"default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    )
