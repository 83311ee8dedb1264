"""Who is asking: the writer behind this request's cookie or bearer token. The one verb-side file that knows Flask.

A guest is a writer too: `ensure_writer` makes one at the first thing worth keeping, not at the first page view.
"""

from __future__ import annotations

from typing import NamedTuple, cast
from uuid import UUID

from flask import Flask, current_app, g, request, session
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from sqlalchemy.orm import Session

from app import account, sign_in
from app.db import unit_of_work
from app.errors import NotSignedIn
from contracts.settings import Settings
from models import User
from models.token import user_of_token


class Writer(NamedTuple):
    """The person asking."""

    id: UUID
    email: str | None
    is_guest: bool


class _Cookie(UserMixin):  # type: ignore[misc]  # flask-login ships no types
    """What flask-login keeps in the session: the writer's id."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.id = str(writer.id)


def init_app(server: Flask, settings: Settings) -> None:
    """Read cookies by flask-login and bearer tokens by ourselves."""
    server.extensions["ghost_settings"] = settings
    manager = LoginManager(server)
    manager.session_protection = None  # behind mobile networks the sender's address changes in mid-song

    def load(writer_id: str) -> _Cookie | None:
        with unit_of_work() as db:
            user = db.get(User, UUID(writer_id))
            return _Cookie(_writer(user)) if user else None

    manager.user_loader(load)


def bearer_token() -> str | None:
    """The request's bearer token, if it brings one."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else None


def current_writer() -> Writer | None:
    """The writer behind this request, or None.

    Raises:
        NotSignedIn: there is a bearer token and it is not good: saying so beats falling back to a cookie.
    """
    if "writer" not in g:
        g.writer = _from_token() if bearer_token() is not None else _from_cookie()
    return cast("Writer | None", g.writer)


def required_writer() -> Writer:
    """The writer behind this request.

    Raises:
        NotSignedIn: there is none.
    """
    writer = current_writer()
    if writer is None:
        raise NotSignedIn("Log in, or send an API token: `Authorization: Bearer gr_...`.")
    return writer


def ensure_writer(db: Session) -> Writer:
    """The writer behind this request, made as a guest when there is none.

    Raises:
        TooMany: too many new guests from one sender.
    """
    known = current_writer()
    if known:
        return known
    sign_in.count_guest(sender())
    writer = _writer(account.open_guest(db, settings()))
    remember(writer)
    return writer


def remember(writer: Writer) -> None:
    """Put the writer into the cookie."""
    session.permanent = True
    login_user(_Cookie(writer))
    g.writer = writer


def sign_up(email: str, password: str) -> Writer:
    """Sign up, out of the guest if this is one, and be logged in."""
    with unit_of_work() as db:
        user = sign_in.sign_up(db, settings(), email=email, password=password, sender=sender(), guest_id=_guest_id())
        writer = _writer(user)
    return _begin_session(writer)


def log_in(email: str, password: str) -> Writer:
    """Log in; a guest's lyrics come along."""
    with unit_of_work() as db:
        writer = _writer(sign_in.log_in(db, email=email, password=password, sender=sender(), guest_id=_guest_id()))
    return _begin_session(writer)


def log_out() -> None:
    """Forget who this is."""
    logout_user()
    session.clear()
    g.writer = None


def sender() -> str:
    """The address that the request came from; behind a proxy see `TRUSTED_PROXIES`."""
    return request.remote_addr or "unknown"


def settings() -> Settings:
    """The settings that this app was made with."""
    return cast(Settings, current_app.extensions["ghost_settings"])


def _begin_session(writer: Writer) -> Writer:
    session.clear()  # a new session for a new right: what was known of the old cookie is worth nothing now
    g.pop("csrf_token", None)  # nor is the token that flask-wtf remembers of it
    remember(writer)
    return writer


def _guest_id() -> UUID | None:
    writer = current_writer()
    return writer.id if writer and writer.is_guest else None


def _from_cookie() -> Writer | None:
    return cast(_Cookie, current_user).writer if current_user.is_authenticated else None


def _from_token() -> Writer:
    with unit_of_work() as db:
        user_id = user_of_token(db, bearer_token() or "")
        user = db.get(User, user_id) if user_id else None
        if user is None:
            raise NotSignedIn(
                "This API token is unknown, expired or revoked. Make a new one with `ghost token create`.",
                code="bad_token",
            )
        return _writer(user)


def _writer(user: User) -> Writer:
    return Writer(user.id, user.email, user.is_guest)
