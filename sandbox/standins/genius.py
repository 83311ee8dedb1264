"""Genius as it answers: search and songs as JSON (`/genius/api`), and pages with the words (`/genius/web`).

The pages have what cleaning has to take out: a header with contributors, "You might also like", a number with "Embed".
Source: docs.genius.com, and the page's parts that lyricsgenius 3.15 looks for.
"""

from __future__ import annotations

from html import escape
from typing import Any

from flask import Blueprint, Response, jsonify, request

from sandbox.standins.desk import Desk
from sandbox.standins.songs import CATALOGUE, Song

MOST_FOUND = 10
CHALLENGE = """<!DOCTYPE html><html lang="en"><head><title>Just a moment...</title></head>
<body><h1>Are you a person?</h1><p>sandbox: here a robot is asked to prove that it is none.</p></body></html>"""


def blueprint(desk: Desk) -> Blueprint:
    """`/genius/api/...`, and `/genius/web/...` with the public API that lyricsgenius searches by itself."""
    pages = Blueprint("genius", __name__, url_prefix="/genius")
    desk.guard("genius", pages, _limited)

    @pages.get("/api/search")
    def search() -> Response:
        return _unless_unsigned() or _answer({"hits": _hits(request.args.get("q", ""))})

    @pages.get("/api/songs/<int:song_id>")
    def song_by_id(song_id: int) -> Response:
        song = CATALOGUE.by_id.get(song_id)
        if song is None or not _is_listed(song):
            return _meta(404, "Not found")
        return _unless_unsigned() or _answer({"song": _result(song) | {"lyrics_placeholder_reason": None}})

    @pages.get("/web/api/search")
    def public_search() -> Response:
        return _answer({"hits": _hits(request.args.get("q", ""))})

    @pages.get("/web/api/search/<kind>")
    def public_search_of(kind: str) -> Response:
        hits = _hits(request.args.get("q", ""))[: request.args.get("per_page", default=5, type=int)]
        sections = [{"type": "top_hit", "hits": hits[:1]}] if kind == "multi" else []
        return _answer({"sections": [*sections, {"type": "song", "hits": hits}]})

    @pages.get("/web/<path:path>")
    def page(path: str) -> Response:
        song = _of_path(path)
        if desk.knobs["genius"].is_challenging or (song is not None and song.is_challenged):
            headers = {"cf-mitigated": "challenge", "server": "cloudflare"}
            return Response(CHALLENGE, 403, headers, mimetype="text/html")
        if song is None:
            return Response("<h1>Oops! Page not found</h1><p>sandbox</p>", 404, mimetype="text/html")
        return Response(_page(song), mimetype="text/html")

    return pages


def _is_listed(song: Song) -> bool:
    return song.on_genius


def _of_path(path: str) -> Song | None:
    number = path.removesuffix("-lyrics").rpartition("-")[2]
    song = CATALOGUE.by_id.get(int(number)) if number.isascii() and number.isdigit() else None
    return song if song is not None and song.path == f"/{path}" and _is_listed(song) else None


def _hits(query: str) -> list[dict[str, Any]]:
    songs = [song for song in CATALOGUE.search(query, most=100) if _is_listed(song)]
    return [{"highlights": [], "index": "song", "type": "song", "result": _result(song)} for song in songs[:MOST_FOUND]]


def _result(song: Song) -> dict[str, Any]:
    return {
        "_type": "song",
        "annotation_count": song.id % 9,
        "api_path": f"/songs/{song.id}",
        "artist_names": song.artist,
        "full_title": f"{song.title} by {song.artist}",
        "id": song.id,
        "instrumental": song.is_instrumental,
        "lyrics_state": "complete" if song.is_complete else "unreleased",
        "path": song.path,
        "title": song.title,
        "title_with_featured": song.title,
        # As there: lyricsgenius cuts this host off and puts its own in front.
        "url": f"https://genius.com{song.path}",
        "featured_artists": [],
        "primary_artist": {"_type": "artist", "id": sum(map(ord, song.artist)), "name": song.artist},
        "primary_artist_names": song.artist,
    }


def _page(song: Song) -> str:
    name = escape(f"{song.artist} – {song.title} Lyrics")
    header = (
        '<div class="LyricsHeader__Container" data-exclude-from-selection="true">'
        f"{song.id % 40 + 1} Contributors<h2>{escape(song.title)} Lyrics</h2></div>"
    )
    if song.is_instrumental:
        words = f'<div class="LyricsPlaceholder">{header}<p>This song is an instrumental</p></div>'
    else:
        sections = [escape(section).replace("\n", "<br>") for section in song.text.split("\n\n")]
        # Old pages say so in the middle of the words.
        if song.id % 7 == 3 and len(sections) > 2:
            sections[1] += "<br>You might also like"
        if song.id % 9 == 4:
            sections[-1] += f"{song.id % 300}Embed"
        half = len(sections) // 2
        words = "".join(
            f'<div data-lyrics-container="true" class="Lyrics__Container">{start}{"<br><br>".join(part)}{end}</div>'
            for start, part, end in ((header, sections[:half], "<br>"), ("", sections[half:], ""))
        )
    return (
        f'<!DOCTYPE html><html lang="en"><head><title>{name} | sandbox</title></head>'
        f"<body><p>sandbox: an invented song</p><h1>{name}</h1>{words}</body></html>"
    )


def _answer(response: dict[str, Any]) -> Response:
    return jsonify(meta={"status": 200}, response=response)


def _unless_unsigned() -> Response | None:
    """The refusal of a call without a token, or None."""
    if request.headers.get("Authorization", "").startswith("Bearer "):
        return None
    return _meta(401, "This call requires an access_token. Please see: https://genius.com/developers")


def _meta(status: int, message: str) -> Response:
    response = jsonify(meta={"status": status, "message": message})
    response.status_code = status
    return response


def _limited(wait_s: int) -> Response:
    response = _meta(429, "Too many requests")
    response.headers["Retry-After"] = str(wait_s)
    return response
