"""Linking a Spotify account: two pages that the browser passes through, and the API beside them.

The state and the verifier of PKCE wait in the browser's signed session; whoever comes back without them is sent to
begin again.
"""

from __future__ import annotations

import hmac
from typing import Any

from flask import Blueprint, jsonify, redirect, request
from flask import session as cookie
from flask.typing import ResponseReturnValue

from app import spotify
from app.auth import required_writer, settings
from app.db import unit_of_work
from app.errors import BadInput
from app.routes.pages import inside
from app.routes.plain import plain

WAITING = "spotify_link"
"""What the cookie keeps between leaving and coming back."""
AFTERWARDS = "/datasets/new"


def register(api: Blueprint) -> None:
    """Put the routes on `api`."""

    @api.get("/spotify")
    def spotify_link() -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(plain(spotify.link_of(session, settings(), required_writer().id)))

    @api.get("/spotify/playlists")
    def playlists() -> ResponseReturnValue:
        found = spotify.playlists(settings(), required_writer().id)
        return jsonify(playlists=[plain(playlist) | {"is_readable": playlist.is_readable} for playlist in found])

    @api.delete("/spotify")
    def unlink() -> ResponseReturnValue:
        with unit_of_work() as session:
            spotify.unlink(session, required_writer().id)
        return "", 204


def blueprint() -> Blueprint:
    """`/spotify/link` and `/spotify/callback`."""
    pages = Blueprint("spotify", __name__)

    @pages.get("/spotify/link")
    def link() -> ResponseReturnValue:
        with unit_of_work() as session:
            begun = spotify.begin(session, settings(), required_writer().id, request.url_root)
        next_url = inside(request.args.get("next", AFTERWARDS))
        cookie[WAITING] = {"state": begun.state, "verifier": begun.verifier, "next": next_url}
        return redirect(begun.address, 303)

    @pages.get("/spotify/callback")
    def callback() -> ResponseReturnValue:
        waiting = cookie.pop(WAITING, None)
        code = _code(waiting)
        if code is None:  # they said no, which is an answer too
            return redirect(waiting["next"], 303)
        spotify.complete(settings(), required_writer().id, code, waiting["verifier"], request.url_root)
        return redirect(waiting["next"], 303)

    return pages


def _code(waiting: dict[str, Any] | None) -> str | None:
    """What Spotify sent along; None when the person did not agree.

    Raises:
        BadInput: this is not the answer to a question of this browser's.
    """
    state = request.args.get("state", "")
    if waiting is None or not hmac.compare_digest(waiting["state"].encode(), state.encode("utf-8", "replace")):
        raise BadInput(
            "This is not the answer to a link that was begun in this browser. Open the page of new datasets and link "
            "Spotify from there.",
            code="wrong_state",
        )
    if request.args.get("error") == "access_denied":
        return None
    if not request.args.get("code"):
        raise BadInput("Spotify did not say who you are. Begin the link again.", code="no_code")
    return request.args["code"]
