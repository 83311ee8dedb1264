"""The verbs of a linked Spotify account: link it, look at its playlists, forget it.

Spotify gives a list of titles and nothing else; words come from elsewhere. Nothing here holds a database connection
while Spotify is asked, but for refreshing a token, which only one may do at a time.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.orm import Session

from app.db import unit_of_work
from app.errors import AppError, BadInput, Conflict, NotFound, ServiceAway, TooMany
from app.people import check_member
from contracts.seal import Seal, Unreadable
from contracts.settings import Settings
from corpus.sources import Limited, SourceError
from corpus.sources.spotify import (
    BadLink,
    Editorial,
    NoSuchPlaylist,
    NotYours,
    Playlist,
    Revoked,
    Spotify,
    playlist_id,
)
from corpus.sources.spotify_account import LinkLost, SignIn, SpotifyAccounts
from models import SpotifyLink
from models.spotify import access_token, store_token

PURPOSE = "spotify-link"
"""What the tokens are sealed for; the worker opens them with the same."""
CALLBACK = "/spotify/callback"


class LinkView(NamedTuple):
    """Whether an account is linked, and whether one can be; `is_sandbox` says that it is no real Spotify."""

    linked: bool
    name: str
    is_available: bool
    is_sandbox: bool


def link_of(session: Session, settings: Settings, user_id: UUID) -> LinkView:
    """How this person and Spotify stand."""
    link = session.get(SpotifyLink, user_id)
    name = (link.display_name or link.spotify_user_id) if link else ""
    return LinkView(link is not None, name, bool(settings.spotify_app), "spotify" in settings.sandboxes)


def begin(session: Session, settings: Settings, user_id: UUID, root_url: str) -> SignIn:
    """Where to send the person. `root_url` is how their browser reaches us, for servers that have no PUBLIC_URL.

    Raises:
        NotFound: this server has no Spotify.
        BadInput: Spotify would send them to an address where they are not logged in.
    """
    check_member(session, user_id, "Spotify can be linked")
    if not settings.spotify_app:
        raise NotFound("This server is not set up for Spotify: paste a list of songs instead, or upload your files.")
    return SpotifyAccounts.of(settings).sign_in(redirect_uri(settings, root_url))


def redirect_uri(settings: Settings, root_url: str) -> str:
    """Where Spotify sends people back to.

    Raises:
        BadInput: to "localhost", which Spotify does not go back to.
    """
    base = (settings.public_url or root_url).rstrip("/")
    if urlsplit(base).hostname == "localhost":
        there = base.replace("localhost", "127.0.0.1", 1)
        raise BadInput(f"Spotify does not come back to localhost. Open {there} and link it there.", code="localhost")
    return base + CALLBACK


def complete(settings: Settings, user_id: UUID, code: str, verifier: str, root_url: str) -> str:
    """Link the account of the person who came back with a code; returns its name at Spotify.

    Raises:
        Conflict: Spotify does not take the code.
        ServiceAway: Spotify does not answer.
    """
    try:
        token = SpotifyAccounts.of(settings).redeem(code, verifier, redirect_uri(settings, root_url))
        spotify_user_id, name = Spotify(token["access_token"], settings.spotify_api_url).me()
    except SourceError as error:
        raise _as_ours(error) from None
    with unit_of_work() as session:
        check_member(session, user_id, "Spotify can be linked")
        link = session.get(SpotifyLink, user_id, with_for_update=True) or SpotifyLink(user_id=user_id)
        link.spotify_user_id, link.display_name = spotify_user_id, name
        store_token(link, Seal.of(settings, PURPOSE), token)
        session.add(link)
    return name


def unlink(session: Session, user_id: UUID) -> None:
    """Forget the account and its tokens; what was imported stays.

    Raises:
        NotFound: none is linked.
    """
    if session.execute(
        delete(SpotifyLink).where(SpotifyLink.user_id == user_id).returning(SpotifyLink.user_id)
    ).first():
        return
    raise NotFound("No Spotify account is linked.")


def playlists(settings: Settings, user_id: UUID) -> list[Playlist]:
    """The playlists in this person's library; those that are not `is_readable` can be shown, but not imported.

    Raises:
        Conflict: no account is linked, or access was withdrawn.
        TooMany: Spotify wants to be asked later.
    """
    try:
        return _spotify(settings, user_id).playlists()
    except SourceError as error:
        raise _as_ours(error) from None


def read_link(link: str) -> str:
    """The id of the playlist that a link, URI or id names; nobody is asked for that.

    Raises:
        BadInput: it names none, or an editorial one.
    """
    try:
        return playlist_id(link)
    except SourceError as error:
        raise _as_ours(error) from None


def own_playlist(settings: Settings, user_id: UUID, link: str) -> Playlist:
    """The playlist behind a link, URI or id, when it may be read: their own, or one they work on with others.

    Raises:
        BadInput: it is no link to a playlist, an editorial one (refused before any call), or somebody else's.
    """
    try:
        wanted = playlist_id(link)
        return _spotify(settings, user_id).playlist(wanted)
    except SourceError as error:
        raise _as_ours(error) from None


def _spotify(settings: Settings, user_id: UUID) -> Spotify:
    seal, accounts = Seal.of(settings, PURPOSE), SpotifyAccounts.of(settings)
    try:
        with unit_of_work() as session:
            check_member(session, user_id, "Spotify can be linked")
            token = access_token(session, user_id, seal, accounts.refresh)
            link = session.get(SpotifyLink, user_id)
    except Unreadable:
        raise Conflict(
            "The link to Spotify was made under another key of this server. Link the account again.", code="link_lost"
        ) from None
    if token is None or link is None:
        raise Conflict("No Spotify account is linked. Link yours first, or paste a list of songs.", code="not_linked")
    return Spotify(token, settings.spotify_api_url, link.spotify_user_id)


_REFUSALS: dict[type[SourceError], str] = {
    BadLink: "bad_link",
    Editorial: "editorial_playlist",
    NotYours: "foreign_playlist",
    NoSuchPlaylist: "no_such_playlist",
}


def _as_ours(error: SourceError) -> AppError:
    if isinstance(error, Limited):
        wait_s = max(1, round(error.retry_after_s))
        if "slower" in error.message:
            return TooMany(f"Spotify asks us to go slower. Try again in {wait_s} s.", retry_after_s=wait_s)
        return ServiceAway("Spotify does not answer just now. Try again.", code="spotify_away", retry_after_s=wait_s)
    if isinstance(error, LinkLost | Revoked):
        return Conflict(error.message, code="link_lost")
    return BadInput(error.message, code=_REFUSALS.get(type(error), "spotify_refused"), field="link")
