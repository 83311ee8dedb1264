"""LRCLIB: keyless and open; it says nothing of licences, so the builder has to.

Source: lrclib.net/docs. `/api/search` is asked, not `/api/get`, which wants the album and the length to the second.
"""

from __future__ import annotations

from typing import Any

import httpx

from corpus.matching import bare_title, first_artist, match
from corpus.pace import Pace
from corpus.song import Track
from corpus.sources import USER_AGENT, Finding, Patience, best, judged, told

TIMEOUT_S = 10.0


class Lrclib:
    """Asks one LRCLIB server. May be used from many threads at once."""

    name = "LRCLIB"

    def __init__(self, base_url: str, timeout_s: float = TIMEOUT_S, pace: Pace | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        self._http = httpx.Client(timeout=timeout_s, limits=limits, headers={"User-Agent": USER_AGENT})
        self._patience = Patience(self.name)
        self._pace = pace or Pace(0)

    def find(self, track: Track) -> Finding:
        """Look for one track, in one call.

        Raises:
            Limited: it asks us to go slower, or does not answer.
        """
        return told(track) or best(
            [self._finding(track, record) for record in self._search(track)], nothing="LRCLIB does not have it."
        )

    def _search(self, track: Track) -> list[dict[str, Any]]:
        asked = {"track_name": bare_title(track.title), "artist_name": first_artist(track.artist)}
        self._pace.take()
        try:
            response = self._http.get(f"{self._base_url}/api/search", params=asked)
        except httpx.HTTPError as error:
            raise self._patience.away() from error
        if response.status_code == 429:
            raise self._patience.too_fast(response.headers.get("Retry-After"))
        if response.status_code == 403:
            return [{"refused": True}]
        if response.status_code >= 400:
            raise self._patience.away(f"answered {response.status_code}")
        try:
            records = response.json()
        except ValueError as error:
            raise self._patience.away("answered with something else than songs") from error
        self._patience.answered()
        return [record for record in records if isinstance(record, dict)] if isinstance(records, list) else []

    def _finding(self, track: Track, record: dict[str, Any]) -> Finding:
        if record.get("refused"):
            return Finding("blocked", why="LRCLIB refused us (403). Look again later, or paste the words.")
        artist, title = str(record.get("artistName") or ""), str(record.get("trackName") or "")
        duration_s = record.get("duration")
        found = Finding(
            "instrumental" if record.get("instrumental") else "found",
            text=str(record.get("plainLyrics") or record.get("syncedLyrics") or ""),
            artist=artist,
            title=title,
            url=f"{self._base_url}/api/get/{record.get('id')}",
        )
        if not found.text and found.state == "found":
            return Finding("not_found", why="LRCLIB has the song, but no words.")
        length_s = float(duration_s) if isinstance(duration_s, (int, float)) else None
        return judged(found, match(track, artist, title, length_s))
