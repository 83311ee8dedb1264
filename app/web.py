"""The Flask server, put together: database, relay, the gate, the routes and how errors look.

`wsgi.py` mounts the dashboards on what this makes; nothing here knows of Dash pages.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from flask import Flask, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Engine
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from app import auth, db, gate, generation, store
from app.errors import AppError, BadInput, error_of
from app.relay import Relay
from app.routes import api, ops, pages, spotify
from contracts.settings import Settings, require

MAX_BODY_BYTES = 2 << 20
DASH_PATH = "/_dash-"
JSON_PATHS = ("/api/", "/_dash-", "/ready", "/health")
TITLES = {400: "That did not work", 403: "This page is out of date", 404: "Nothing here", 503: "One moment"}
IN_WORDS = {
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    413: f"The request is larger than {MAX_BODY_BYTES >> 20} MB. Send less at once.",
    415: "Send JSON, with the header `Content-Type: application/json`.",
}

LOWEST_ERROR = 400

log = structlog.get_logger()


def create_app(settings: Settings, *, engine: Engine | None = None) -> Flask:
    """The server of one process. Starts the relay's threads, so call it after the fork.

    Raises:
        SettingMissing: DATABASE_URL, SECRET_KEY or SERVICE_SECRET.
    """
    server = Flask("app", static_folder=None)
    server.secret_key = require(settings, "secret_key", "it signs cookies")
    server.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_BODY_BYTES,
        SESSION_COOKIE_NAME="ghost_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.is_https,
        PERMANENT_SESSION_LIFETIME=timedelta(days=30),
    )
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        server.wsgi_app = ProxyFix(server.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    db.bind(engine or db.connect(settings))
    store.bind(settings)
    generation.bind(Relay(settings))
    auth.init_app(server, settings)
    gate.init_app(server, settings)
    max_streams = settings.web_threads * 3 // 4
    for blueprint in (api.blueprint(max_streams), ops.blueprint(), pages.blueprint(), spotify.blueprint()):
        server.register_blueprint(blueprint)
    server.register_error_handler(AppError, _show)
    server.register_error_handler(HTTPException, _show_http)
    server.register_error_handler(Exception, _show_unexpected)
    return server


def _show(error: AppError, status: int | None = None) -> ResponseReturnValue:
    status = status or error.status
    if request.path.startswith(JSON_PATHS):
        return jsonify(error.to_response().model_dump(exclude_none=True)), status, error.headers
    title = TITLES.get(status, "That did not work")
    return render_template("error.html", code=status, title=title, message=error.message), status, error.headers


def _show_http(error: HTTPException) -> ResponseReturnValue:
    if error.code is None or error.code < LOWEST_ERROR:
        return error.get_response()
    return _show(error_of(error.code, IN_WORDS.get(error.code, error.description or error.name)), error.code)


def _show_unexpected(error: Exception) -> ResponseReturnValue:
    log.exception("web.unexpected", path=request.path, method=request.method, error=type(error).__name__)
    if request.path.startswith(DASH_PATH):  # Dash trusts its own script; what it cannot read did not come from that
        return _show(BadInput("The studio cannot read this request. Reload the page.", code="bad_callback"))
    return _show(AppError("Something went wrong on our side. Your text is kept in this browser: try again."))
