"""A worker that is killed again and again in the middle of an import, and what a log of calls says of it then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from random import Random
from typing import NamedTuple, Protocol
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from corpus.matching import bare_title, first_artist
from models import Job, JobState, Song, SongState

POLL_S = 0.005


class Killable(Protocol):
    """A worker process."""

    def kill(self) -> None:
        """End it as the kernel does, and wait until it is gone."""


class Moment(NamedTuple):
    """When a worker was killed: how many songs were settled, what they had been asked for as, and after which call."""

    num_settled: int
    asked: frozenset[tuple[str, str]]
    num_calls: int


def kill_often(
    engine: Engine,
    job_id: UUID,
    start: Callable[[], Killable],
    num_calls: Callable[[], int],
    *,
    num_kills: int,
    seed: int,
    within_s: float = 120.0,
) -> list[Moment]:
    """Work on an import with workers that are killed, each at a random song, and with a last one that is not."""
    with Session(engine) as session:
        job = session.get_one(Job, job_id)
        num_songs, dataset_id = len(job.request["tracks"]), job.dataset_id
    rolls = Random(seed)
    moments: list[Moment] = []
    num_settled = 0
    for kills_left in range(num_kills, 0, -1):
        # Spread over what is left, so that each worker gets somewhere, and the last kills find something to break.
        most = max(1, 2 * (num_songs - num_settled) // (kills_left + 1))
        border = min(num_songs, num_settled + rolls.randint(1, most))
        worker = start()
        _wait(engine, job_id, border, within_s)
        worker.kill()
        with Session(engine) as session:
            settled = session.execute(
                select(Song.artist, Song.title).where(Song.dataset_id == dataset_id, Song.state != SongState.WANTED)
            ).all()
        asked = frozenset((_folded(bare_title(s.title)), _folded(first_artist(s.artist))) for s in settled)
        num_settled = len(settled)
        moments.append(Moment(len(settled), asked, num_calls()))
    worker = start()
    try:
        _wait(engine, job_id, None, within_s)
    finally:
        worker.kill()
    return moments


def _wait(engine: Engine, job_id: UUID, border: int | None, within_s: float) -> None:
    """Until so many songs are settled while a worker is at it, or the job is over. The job itself tells it late."""
    deadline = time.monotonic() + within_s
    while True:
        with Session(engine) as session:
            job = session.get_one(Job, job_id)
            settled = (
                select(func.count())
                .select_from(Song)
                .where(Song.dataset_id == job.dataset_id, Song.state != SongState.WANTED)
            )
            num_settled = session.scalar(settled) or 0
            is_far = border is not None and job.state is JobState.RUNNING and num_settled >= border
            if job.state.is_over or is_far:
                return
            state = f"{job.state}, {job.stage} {num_settled}, {job.error}"
        if time.monotonic() > deadline:
            raise TimeoutError(f"the job stands still: {state}")
        time.sleep(POLL_S)


def repeated(calls: Iterable[tuple[str, str]], moments: Iterable[Moment]) -> list[str]:
    """Of the searches (service and what was asked), in order, those for songs that had been settled by then."""
    searches = list(calls)
    found = []
    for moment in moments:
        asked = {f"{title} {artist}" for title, artist in moment.asked}
        found += [what for _, what in searches[moment.num_calls :] if _search(what) in asked]
    return found


def _search(what: str) -> str:
    """Title and artist that a call to Genius or LRCLIB searches for; "" for any other call."""
    query = parse_qs(urlsplit(what).query)
    words = query.get("q") or [*query.get("track_name", []), *query.get("artist_name", [])]
    return _folded(" ".join(words))


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
