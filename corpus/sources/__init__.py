"""Where playlists and lyrics come from, each behind its own file.

This file says what a source of lyrics is. It knows no particular one: `corpus.sources.shelf` lists them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from time import monotonic
from typing import Literal, Protocol

from corpus.matching import Match, says_instrumental
from corpus.song import Track

State = Literal["found", "check", "blocked", "not_found", "instrumental"]
FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 300.0
NEAR_MISS = 0.5
"""Of a hit that was refused; below it has nothing to do with the song, and is not worth telling of."""
_PREFERRED: tuple[State, ...] = ("not_found", "blocked", "check", "instrumental", "found")
USER_AGENT = "GhostRhymes/0.1 (lyrics for datasets whose rights their builders state)"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a source says of one track. Every state is an answer: a refusal to this song is no exception."""

    state: State
    text: str = ""
    """As the source has it, not cleaned; empty unless found or to be checked."""
    artist: str = ""
    """As the source writes them, with `title`."""
    title: str = ""
    url: str = ""
    """Where a person can look at it."""
    why: str = ""
    """For people: what was left out to match, or what is doubtful."""
    score: float = 0.0


class LyricSource(Protocol):
    """Somebody who may have the words of a track. May be asked from many threads at once."""

    name: str
    """As people know it."""

    def find(self, track: Track) -> Finding:
        """Look for one track. Never waits for a limit to pass.

        Raises:
            Limited: ask again later, this track and all others.
        """
        ...


class SourceError(Exception):
    """Something about a source that stops more than one song, in words for the builder."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Limited(SourceError):
    """The source wants to be left alone, or does not answer at all. Nothing is lost: go on after `retry_after_s`."""

    def __init__(self, source: str, why: str, retry_after_s: float) -> None:
        super().__init__(f"{source} {why}. We go on by ourselves in {_in_words(retry_after_s)}.")
        self.source = source
        self.retry_after_s = retry_after_s


class Patience:
    """How long to leave one source alone: what it asks for, or twice as long after each failure in a row."""

    def __init__(self, source: str, clock: Callable[[], float] = monotonic) -> None:
        self._source = source
        self._clock = clock
        self._lock = Lock()
        self._wait_s = FIRST_WAIT_S
        self._until = 0.0

    def answered(self) -> None:
        """It answered as it should: the next failure is a first one again."""
        self._wait_s = FIRST_WAIT_S

    def too_fast(self, retry_after: str | None) -> Limited:
        """For a 429. `retry_after` is its header: seconds, or a date, for which we take our own wait."""
        is_seconds = retry_after is not None and re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", retry_after.strip())
        wait_s = float(is_seconds[0]) if is_seconds else self._longer()
        return Limited(self._source, "asks us to go slower", wait_s)

    def away(self, why: str = "does not answer") -> Limited:
        """For a time-out, a lost connection or a 5xx."""
        return Limited(self._source, why, self._longer())

    def _longer(self) -> float:
        """Many threads meet the same failure: those that come during a wait share what is left of it."""
        with self._lock:
            now = self._clock()
            if now >= self._until:
                self._until = now + self._wait_s
                self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)
            return self._until - now


def told(track: Track) -> Finding | None:
    """What the track's own title settles without asking anybody: "Harbour Lights (Instrumental)"."""
    if says_instrumental(track.title):
        return Finding("instrumental", artist=track.artist, title=track.title, why="The title says instrumental.")
    return None


def judged(finding: Finding, match: Match) -> Finding:
    """A finding as good as its match: `no` finds nothing, `check` puts a song with words up for review.

    An instrumental of doubtful name is nothing either: there would be no words to judge it by.
    """
    if match.verdict == "no" or (match.verdict == "check" and finding.state == "instrumental"):
        return Finding("not_found", why=match.why, score=match.score)
    state = "check" if match.verdict == "check" else finding.state
    return replace(finding, state=state, why=match.why, score=match.score)


def rank(finding: Finding) -> tuple[int, float]:
    """What to prefer of several findings for one track: the greater."""
    return _PREFERRED.index(finding.state), finding.score


def best(findings: Sequence[Finding], *, nothing: str) -> Finding:
    """The best of what a source has; where that is nothing, the nearest miss says why, or `nothing` does."""
    finding = max(findings, key=rank, default=Finding("not_found", why=nothing))
    if finding.state == "not_found" and finding.score < NEAR_MISS:
        return Finding("not_found", why=nothing)
    return finding


def _in_words(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} minutes"
