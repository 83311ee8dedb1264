"""LRCLIB as it answers: keyless JSON, with plain words and words with times.

Source: lrclib.net/docs (`/api/get`, `/api/get/{id}`, `/api/search`).
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from sandbox.standins.desk import Desk
from sandbox.standins.songs import CATALOGUE, Song

MOST_FOUND = 20


def blueprint(desk: Desk) -> Blueprint:
    """`/lrclib/api/...`."""
    pages = Blueprint("lrclib", __name__, url_prefix="/lrclib")
    desk.guard("lrclib", pages, _limited)

    @pages.get("/api/search")
    def search() -> Response:
        asked = " ".join(request.args.get(name, "") for name in ("q", "track_name", "artist_name")).strip()
        if not asked:
            return jsonify([])
        return jsonify([_record(song) for song in _has(CATALOGUE.search(asked, most=100))[:MOST_FOUND]])

    @pages.get("/api/get")
    def get() -> Response:
        artist, title = request.args.get("artist_name", ""), request.args.get("track_name", "")
        duration_s = request.args.get("duration", type=float)
        for song in _has(CATALOGUE.search(f"{artist} {title}", most=100)):
            is_named = (song.artist.casefold(), song.title.casefold()) == (artist.casefold(), title.casefold())
            if is_named and (duration_s is None or abs(song.duration_s - duration_s) <= 2):
                return jsonify(_record(song))
        return _not_found()

    @pages.get("/api/get/<int:song_id>")
    def get_by_id(song_id: int) -> Response:
        found = _has([song] if (song := CATALOGUE.by_id.get(song_id)) else [])
        return jsonify(_record(found[0])) if found else _not_found()

    return pages


def _has(songs: list[Song]) -> list[Song]:
    """Those that LRCLIB has; of the decoys it has the remixes and namesakes."""
    return [song for song in songs if song.on_lrclib and song.kind in ("song", "remix", "namesake", "sequel")]


def _record(song: Song) -> dict[str, Any]:
    lines = [line for line in song.text.splitlines() if not line.startswith("[")]
    step_s = song.duration_s / (len(lines) + 1)
    stamped = (f"[{int(t) // 60:02}:{t % 60:05.2f}] {line}" for t, line in _timed(lines, step_s))
    return {
        "id": song.id,
        "name": song.title,
        "trackName": song.title,
        "artistName": song.artist,
        "albumName": f"{song.artist}, the Album",
        "duration": float(song.duration_s),
        "instrumental": song.is_instrumental,
        # Some entries have the timed words alone.
        "plainLyrics": None if song.is_instrumental or song.id % 12 == 7 else "\n".join(lines).strip(),
        "syncedLyrics": None if song.is_instrumental else "\n".join(stamped),
    }


def _timed(lines: list[str], step_s: float) -> list[tuple[float, str]]:
    return [((number + 1) * step_s, line) for number, line in enumerate(lines)]


def _limited(wait_s: int) -> Response:
    response = jsonify(code=429, name="TooManyRequests", message="Too many requests")
    response.status_code = 429
    response.headers["Retry-After"] = str(wait_s)
    return response


def _not_found() -> Response:
    response = jsonify(code=404, name="TrackNotFound", message="Failed to find specified track")
    response.status_code = 404
    return response
