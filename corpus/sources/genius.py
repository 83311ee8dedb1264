"""Genius, through lyricsgenius: its API finds songs, its pages have the words.

lyricsgenius answers None for a page that was refused just as for one without words, takes the first hit for the right
one and sleeps after each call. So a hook looks at every response as it comes, matching is ours, and it sleeps 0 s.
Where Genius refuses us the song is `blocked`, to be looked for later: a refusal is not to be worked around.
"""

from __future__ import annotations

import threading
from typing import Any

import lyricsgenius
import requests

from corpus.matching import bare_title, first_artist, match
from corpus.pace import Pace
from corpus.song import Track
from corpus.sources import USER_AGENT, Finding, Patience, State, best, judged, rank, told

TIMEOUT_S = 10.0
INSTRUMENTAL = "This song is an instrumental"
"""What a page says in the place of words."""


class _Refused(Exception):
    """Genius does not let us in: by a challenge to robots, or because it does not know our token."""


class _Gone(Exception):
    """A page that its own search named is not there."""


class Genius:
    """Asks Genius in two calls a song. May be used from many threads at once: each has a connection of its own."""

    name = "Genius"

    def __init__(
        self, token: str, api_url: str, web_url: str, timeout_s: float = TIMEOUT_S, pace: Pace | None = None
    ) -> None:
        self._token = token
        self._api_url = api_url.rstrip("/") + "/"
        self._web_url = web_url.rstrip("/") + "/"
        self._timeout_s = timeout_s
        self._pace = pace or Pace(0)
        self._patience = Patience(self.name)
        self._of_thread = threading.local()

    def find(self, track: Track) -> Finding:
        """Look for one track.

        Raises:
            Limited: it asks us to go slower, or does not answer.
        """
        if (finding := told(track)) is not None:
            return finding
        try:
            finding = self._look(track)
        except _Refused as refused:
            return Finding("blocked", why=str(refused))
        except _Gone:
            return Finding("not_found", why="Genius lists it, but its page is gone.")
        except requests.RequestException as error:
            raise self._patience.away() from error
        except (ValueError, KeyError, TypeError, AssertionError) as error:
            # lyricsgenius asserts 200, and reads what it gets without looking at its shape.
            raise self._patience.away("answered with something else than songs") from error
        self._patience.answered()
        return finding

    def _look(self, track: Track) -> Finding:
        client = self._client()
        query = f"{bare_title(track.title)} {first_artist(track.artist)}"
        hits = [hit["result"] for hit in client.search_songs(query)["hits"] if hit["index"] == "song"]
        nothing = "Genius does not have it."
        judgements = [(self._judge(track, hit), hit) for hit in hits]
        chosen, hit = max(judgements, key=lambda pair: rank(pair[0]), default=(Finding("not_found"), None))
        if hit is None or chosen.state not in ("found", "check"):
            return best([finding for finding, _ in judgements], nothing=nothing)
        text = client.lyrics(song_url=str(hit["path"]).lstrip("/"))
        if text is None:
            state: State = "instrumental" if self._of_thread.is_instrumental else "not_found"
            why = (
                "Genius says it is an instrumental." if state == "instrumental" else "Its page at Genius has no words."
            )
            return Finding(state, artist=chosen.artist, title=chosen.title, url=chosen.url, why=why)
        return Finding(chosen.state, text, chosen.artist, chosen.title, chosen.url, chosen.why, chosen.score)

    def _judge(self, track: Track, hit: dict[str, Any]) -> Finding:
        artist, title = str(hit["primary_artist"]["name"]), str(hit["title"])
        url = self._web_url + str(hit["path"]).lstrip("/")
        state: State = "instrumental" if hit.get("instrumental") else "found"
        finding = judged(Finding(state, artist=artist, title=title, url=url), match(track, artist, title))
        if finding.state in ("found", "check") and hit.get("lyrics_state", "complete") != "complete":
            return Finding("not_found", why="Genius does not have all of its words yet.", score=finding.score)
        return finding

    def _client(self) -> Any:
        """This thread's lyricsgenius."""
        client = getattr(self._of_thread, "client", None)
        if client is None:
            client = lyricsgenius.Genius(
                self._token, timeout=self._timeout_s, sleep_time=0, retries=0, user_agent=USER_AGENT
            )
            client.API_ROOT, client.WEB_ROOT = self._api_url, self._web_url
            client.PUBLIC_API_ROOT = f"{self._web_url}api/"
            client._session.hooks["response"].append(self._look_at)  # it offers no other way in
            client._session.auth = self._take_turn  # requests calls it before each call it makes
            self._of_thread.client = client
        return client

    def _take_turn(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        self._pace.take()
        return request

    def _look_at(self, response: requests.Response, *_args: object, **_settings: object) -> None:
        """Raise what lyricsgenius would pass over."""
        status = response.status_code
        if status == 429:
            raise self._patience.too_fast(response.headers.get("Retry-After"))
        if status == 403 or response.headers.get("cf-mitigated") == "challenge":
            raise _Refused("Genius asked us to prove that we are no robot. Look again later, or paste the words.")
        if status == 401:
            raise _Refused("Genius does not know our token (GENIUS_TOKEN). Tell whoever runs this server.")
        if status == 404:
            raise _Gone
        if status >= 400:
            raise self._patience.away(f"answered {status}")
        if "text/html" in response.headers.get("Content-Type", ""):
            self._of_thread.is_instrumental = INSTRUMENTAL in response.text
