"""Spotify as it answers: accounts (`/spotify/accounts`: sign-in page, tokens with PKCE) and API (`/spotify/api/v1`).

Tokens are signed and carry their user, so they outlive a restart. Two users can sign in, each with playlists of their
own. Source: developer.spotify.com, "Authorization Code with PKCE Flow", "Refreshing tokens" and "Get Playlist Items".
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, g, jsonify, redirect, request
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer
from werkzeug.wrappers import Response as AnyResponse

from sandbox.standins.desk import Desk
from sandbox.standins.songs import CATALOGUE, Song, noisy

USERS = {"sandbox-bea": "Bea Builder", "sandbox-sol": "Sol Somebody"}
SCHEME = "Bearer"
MAX_PAGE = 50
T = TypeVar("T")
CODE_LIFE_S = 600
SIGNER = URLSafeTimedSerializer("a sandbox has no secrets", salt="spotify")


@dataclass(frozen=True)
class Entry:
    """One line of a playlist. Without a song it is what was taken out of Spotify's catalogue: null."""

    song: Song | None
    kind: str = "track"
    """`track`, `episode`, or `local` for a file of the user's own."""
    title: str = ""
    """Instead of what `noisy` makes of the song's."""


@dataclass(frozen=True)
class Playlist:
    """A playlist and who sees it in their library."""

    id: str
    name: str
    owner: str
    entries: tuple[Entry, ...]
    in_library_of: tuple[str, ...]
    is_collaborative: bool = False


def _id(name: str) -> str:
    """22 letters and digits, as Spotify's ids are."""
    return f"5box{name:0<18}"


HUNDRED = _id("LanternHour")
THREE_HUNDRED = _id("LongWayRound")
THOUSAND = _id("ThousandSmallSongs")
EMPTY = _id("NothingYet")
NO_SONGS = _id("VoicesAndFiles")
MIXED = _id("OddsAndEnds")
SHARED = _id("KitchenTable")
FOREIGN = _id("SolsFavourites")
EDITORIAL = "37i9dQZF1DXsandboxEdit"


@lru_cache(maxsize=1)
def playlists() -> dict[str, Playlist]:
    """All playlists by id. Bea owns all but two: one that Sol shares with her, one of Sol's that she follows."""
    songs = CATALOGUE.songs
    bea, sol = USERS
    odd = (
        Entry(songs[200]),
        Entry(None),
        Entry(songs[201], "episode"),
        Entry(songs[202], "local"),
        Entry(songs[203], title="<script>alert('ghost')</script> & <b>Bold</b>"),
        Entry(songs[200]),
        Entry(songs[237]),
        Entry(songs[233]),
    )
    spoken = (Entry(songs[210], "episode"), Entry(songs[211], "local"), Entry(None))
    found = (
        Playlist(HUNDRED, "Lantern Hour", bea, _entries(songs[:100]), (bea,)),
        Playlist(THREE_HUNDRED, "The Long Way Round", bea, _entries(songs[100:400]), (bea,)),
        Playlist(THOUSAND, "A Thousand Small Songs", bea, _entries(songs[:1000]), (bea,)),
        Playlist(EMPTY, "Nothing Yet", bea, (), (bea,)),
        Playlist(NO_SONGS, "Voices and Files", bea, spoken, (bea,)),
        Playlist(MIXED, "Odds & Ends <i>", bea, odd, (bea,)),
        Playlist(SHARED, "Kitchen Table", sol, _entries(songs[400:460]), (sol, bea), is_collaborative=True),
        Playlist(FOREIGN, "Sol's Favourites", sol, _entries(songs[500:530]), (sol, bea)),
    )
    return {playlist.id: playlist for playlist in found}


def _entries(songs: tuple[Song, ...]) -> tuple[Entry, ...]:
    return tuple(Entry(song) for song in songs)


def blueprint(desk: Desk) -> Blueprint:
    """`/spotify/api/v1/...` and `/spotify/accounts/...`."""
    pages = Blueprint("spotify", __name__, url_prefix="/spotify")
    desk.guard("spotify", pages, _limited)
    _add_accounts(pages, desk)
    _add_api(pages, desk)
    return pages


def _add_accounts(pages: Blueprint, desk: Desk) -> None:
    used: set[str] = set()
    lock = Lock()

    def use_up(code: str) -> bool:
        """Whether a code, or a refresh token that was replaced, is used for the first time."""
        with lock:
            is_new = code not in used
            used.add(code)
            return is_new

    @pages.get("/accounts/authorize")
    def ask() -> AnyResponse:
        return _wrong_request() or Response(_consent_page(), mimetype="text/html")

    @pages.post("/accounts/authorize")
    def answer() -> AnyResponse:
        if wrong := _wrong_request():
            return wrong
        state = {"state": request.args["state"]} if "state" in request.args else {}
        user = request.form.get("user", "")
        if user not in USERS:
            return redirect(_with_query(request.args["redirect_uri"], {"error": "access_denied"} | state))
        asked = {name: request.args.get(name, "") for name in ("client_id", "redirect_uri", "code_challenge", "scope")}
        code = SIGNER.dumps({"kind": "code", "user": user, "nonce": secrets.token_hex(8)} | asked)
        return redirect(_with_query(request.args["redirect_uri"], {"code": code} | state))

    @pages.post("/accounts/api/token")
    def token() -> Response:
        form = request.form
        client_id = request.authorization.username if request.authorization else form.get("client_id")
        if not client_id:
            return _oauth_error("invalid_client", "Invalid client")
        if form.get("grant_type") == "authorization_code":
            granted = _read(form.get("code", ""), "code", CODE_LIFE_S)
            if granted is None or not use_up(form["code"]):
                return _oauth_error("invalid_grant", "Invalid authorization code")
            if granted["client_id"] != client_id or granted["redirect_uri"] != form.get("redirect_uri"):
                return _oauth_error("invalid_grant", "Invalid redirect URI")
            if not _proves(form.get("code_verifier", ""), granted["code_challenge"]):
                return _oauth_error("invalid_grant", "code_verifier was incorrect")
            return _tokens(granted["user"], client_id, granted["scope"], desk, with_refresh=True)
        if form.get("grant_type") == "refresh_token":
            granted = _read(form.get("refresh_token", ""), "refresh", None)
            if granted is None or desk.knobs["spotify"].is_revoked or granted["client_id"] != client_id:
                return _oauth_error("invalid_grant", "Refresh token revoked")
            # Clients without a secret get a new refresh token each time, and the old one is spent.
            is_public = request.authorization is None and "client_secret" not in form
            if is_public and not use_up(form["refresh_token"]):
                return _oauth_error("invalid_grant", "Refresh token revoked")
            return _tokens(granted["user"], client_id, granted["scope"], desk, with_refresh=is_public)
        return _oauth_error("unsupported_grant_type", "grant_type parameter is missing or unknown")


def _add_api(pages: Blueprint, desk: Desk) -> None:
    @pages.before_request
    def sign_in() -> Response | None:
        if not request.path.startswith("/spotify/api/"):
            return None
        knobs = desk.knobs["spotify"]
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        granted = _read(secret, "access", knobs.token_life_s) if scheme == SCHEME else None
        if granted is None or knobs.is_revoked:
            return _error(401, "The access token expired" if secret else "No token provided")
        if knobs.is_uninvited:
            return _error(403, "User not registered in the Developer Dashboard")
        if "playlist" in request.path and "playlist-read-private" not in granted["scope"].split():
            return _error(403, "Insufficient client scope")
        g.user = granted["user"]
        return None

    @pages.get("/api/v1/me")
    def me() -> Response:
        return jsonify(_user(g.user) | {"email": f"{g.user}@example.org", "product": "sandbox"})

    @pages.get("/api/v1/me/playlists")
    def library() -> Response:
        found = [playlist for playlist in playlists().values() if g.user in playlist.in_library_of]
        return _page(found, lambda playlist: _summary(playlist, desk))

    @pages.get("/api/v1/playlists/<playlist_id>")
    def one(playlist_id: str) -> Response:
        playlist = playlists().get(playlist_id)
        return jsonify(_summary(playlist, desk)) if playlist else _error(404, "Resource not found")

    def entries(playlist_id: str, key: str) -> Response:
        playlist = playlists().get(playlist_id)
        if playlist is None or desk.knobs["spotify"].shape not in (f"{key}s", "both"):
            return _error(404, "Resource not found")
        if g.user != playlist.owner and not (playlist.is_collaborative and g.user in playlist.in_library_of):
            return _error(403, "You cannot read the items of this playlist")
        return _page(playlist.entries, lambda entry: _entry(entry, key))

    @pages.get("/api/v1/playlists/<playlist_id>/items")
    def items(playlist_id: str) -> Response:
        return entries(playlist_id, "item")

    @pages.get("/api/v1/playlists/<playlist_id>/tracks")
    def tracks(playlist_id: str) -> Response:
        return entries(playlist_id, "track")


def _page(things: Sequence[T], shown: Callable[[T], dict[str, Any]]) -> Response:
    limit, offset = request.args.get("limit", 20, type=int), request.args.get("offset", 0, type=int)
    if not 0 < limit <= MAX_PAGE or offset < 0:
        return _error(400, "Invalid limit" if offset >= 0 else "Invalid offset")
    end = offset + limit
    following = _with_query(request.base_url, {"offset": str(end), "limit": str(limit)}) if end < len(things) else None
    return jsonify(
        href=request.url,
        limit=limit,
        offset=offset,
        total=len(things),
        next=following,
        previous=None,
        items=[shown(thing) for thing in things[offset:end]],
    )


def _summary(playlist: Playlist, desk: Desk) -> dict[str, Any]:
    shape = desk.knobs["spotify"].shape
    count = {"href": f"{request.base_url}", "total": len(playlist.entries)}
    return {
        "id": playlist.id,
        "name": playlist.name,
        "description": "sandbox: an invented playlist",
        "type": "playlist",
        "uri": f"spotify:playlist:{playlist.id}",
        "external_urls": {"spotify": f"https://open.spotify.com/playlist/{playlist.id}"},
        "collaborative": playlist.is_collaborative,
        "public": False,
        "owner": _user(playlist.owner),
        "images": [],
    } | {key: count for key in ("items", "tracks") if shape in (key, "both")}


def _user(user: str) -> dict[str, Any]:
    return {"id": user, "display_name": USERS[user], "type": "user", "uri": f"spotify:user:{user}"}


def _entry(entry: Entry, key: str) -> dict[str, Any]:
    is_local = entry.kind == "local"
    shell = {"added_at": "2026-11-01T12:00:00Z", "added_by": _user("sandbox-bea"), "is_local": is_local}
    if entry.song is None:
        return shell | {key: None}
    artist, title, duration_s = noisy(entry.song)
    names = artist.split(" feat. ")
    thing: dict[str, Any] = {
        "id": None if is_local else _id(str(entry.song.id)),
        "name": entry.title or title,
        "type": "episode" if entry.kind == "episode" else "track",
        "duration_ms": duration_s * 1000 + 417,
        "explicit": False,
        "is_local": is_local,
        "uri": f"spotify:{'local' if is_local else entry.kind}:{entry.song.id}",
    }
    if entry.kind == "episode":
        return shell | {key: thing | {"show": {"name": "sandbox talk"}}}
    return shell | {key: thing | {"artists": [{"name": name, "type": "artist"} for name in names]}}


def _wrong_request() -> Response | None:
    """What is wrong with a sign-in request, in Spotify's manner, or None."""
    redirect_uri = urlsplit(request.args.get("redirect_uri", ""))
    if not request.args.get("client_id"):
        return Response("INVALID_CLIENT: Invalid client", 400, mimetype="text/plain")
    if redirect_uri.scheme != "https" and redirect_uri.hostname not in ("127.0.0.1", "::1"):
        return Response("INVALID_CLIENT: Insecure redirect URI", 400, mimetype="text/plain")
    if request.args.get("response_type") != "code":
        return Response("response_type must be code", 400, mimetype="text/plain")
    if not request.args.get("code_challenge") or request.args.get("code_challenge_method") != "S256":
        return Response("code_challenge_method must be S256", 400, mimetype="text/plain")
    return None


def _consent_page() -> str:
    wishes = "".join(f"<li>{escape(scope)}</li>" for scope in request.args.get("scope", "").split())
    buttons = "".join(
        f'<p><button id="agree-{user}" name="user" value="{user}">Agree as {escape(name)}</button></p>'
        for user, name in USERS.items()
    )
    return f"""<!DOCTYPE html><html lang="en"><head><meta name="viewport" content="width=device-width">
<title>Spotify sandbox</title><style>
body {{ font: 1.1rem/1.5 system-ui; max-width: 32rem; margin: 3rem auto; padding: 0 1rem }}
button {{ font: inherit; padding: .5rem 1rem }} mark {{ padding: .1rem .5rem }}</style></head><body>
<p><mark id="sandbox">sandbox</mark></p><h1>Connect a Spotify account</h1>
<p>This is not Spotify: it stands in for it on this machine, with invented people and songs.</p>
<p>Ghost Rhymes asks to see:</p><ul>{wishes or "<li>your name</li>"}</ul>
<form method="post">{buttons}<p><button id="cancel" name="user" value="">Cancel</button></p></form></body></html>"""


def _with_query(url: str, query: dict[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"


def _proves(verifier: str, challenge: str) -> bool:
    """Whether a verifier is the one of a challenge. Source: RFC 7636, section 4.6."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return secrets.compare_digest(base64.urlsafe_b64encode(digest).rstrip(b"="), challenge.encode())


def access_token(user: str = "sandbox-bea", scope: str = "playlist-read-private") -> str:
    """A token as the accounts service gives it."""
    return _signed("access", user, "sandbox", scope)


def _signed(kind: str, user: str, client_id: str, scope: str) -> str:
    made = {"kind": kind, "user": user, "client_id": client_id, "scope": scope, "nonce": secrets.token_hex(8)}
    return str(SIGNER.dumps(made))


def _read(token: str, kind: str, max_age_s: int | None) -> dict[str, str] | None:
    try:
        granted: dict[str, str] = SIGNER.loads(token, max_age=max_age_s)
    except (BadSignature, SignatureExpired):
        return None
    return granted if granted["kind"] == kind else None


def _tokens(user: str, client_id: str, scope: str, desk: Desk, *, with_refresh: bool) -> Response:
    granted = {
        "access_token": _signed("access", user, client_id, scope),
        "token_type": SCHEME,
        "expires_in": desk.knobs["spotify"].token_life_s,
        "scope": scope,
    }
    if with_refresh:
        granted["refresh_token"] = _signed("refresh", user, client_id, scope)
    return jsonify(granted)


def _oauth_error(error: str, description: str) -> Response:
    response = jsonify(error=error, error_description=description)
    response.status_code = 400
    return response


def _error(status: int, message: str) -> Response:
    response = jsonify(error={"status": status, "message": message})
    response.status_code = status
    return response


def _limited(wait_s: int) -> Response:
    response = _error(429, "API rate limit exceeded")
    response.headers["Retry-After"] = str(wait_s)
    return response
