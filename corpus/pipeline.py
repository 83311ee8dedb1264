"""Tracks in, settled tracks out: each is looked for at one source after the other, many at a time.

A thread asks for one track; the thread that iterates gets what was answered and writes it down, at once and alone. So
it is the caller who decides what is remembered and where; a track that is never yielded as settled was not. Knows no
rows and no particular source.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import NamedTuple
from uuid import UUID

import structlog

from corpus.song import Track
from corpus.sources import Finding, Limited, LyricSource, rank

NUM_THREADS = 12
"""A source that answers in 120 ms gives some 100 answers a second then; more make it no quicker on one core of ours."""
SHORT_S = 2.0
"""A source that wants to be left alone for no longer than this is waited for; a longer wait ends the run."""
MAX_SHORT_WAITS = 8
"""Of one track at one source."""
MAX_BATCH = 200
SILENCE_S = 0.5
"""After so long without an answer the caller gets an empty list, and may look whether to go on."""

log = structlog.get_logger()


class Answer(NamedTuple):
    """What one source said of one track."""

    source: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class Wanted:
    """A track to settle, and what is known of it already, by source. What is known is never asked for again.

    What is known under a name that is none of the sources' comes before them: the user's own words.
    """

    id: UUID
    track: Track
    known: Mapping[str, Finding] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """How far a track has come: what was asked for just now, and what settles it, or None when a source must wait."""

    id: UUID
    answers: tuple[Answer, ...]
    settled: Answer | None


class Rests:
    """Until when each source is to be left alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[str, tuple[float, Limited]] = {}

    def begin(self, source: str, limit: Limited) -> None:
        """It has asked for a rest."""
        with self._lock:
            until, _ = self._until.get(source, (0.0, limit))
            self._until[source] = max(until, time.monotonic() + limit.retry_after_s), limit

    def left(self, source: str) -> float:
        """Seconds until it may be asked again."""
        return max(0.0, self._until.get(source, (0.0, None))[0] - time.monotonic())

    def longest(self) -> Limited | None:
        """The rest that takes longest from now on."""
        if not self._until:
            return None
        until, limit = max(self._until.values(), key=lambda rest: rest[0])
        limit.retry_after_s = max(0.0, until - time.monotonic())
        return limit


def settle(
    wanted: Iterable[Wanted], sources: Sequence[LyricSource], *, num_threads: int = NUM_THREADS, gives_up: bool = False
) -> Iterator[list[Step]]:
    """Settle tracks; yields what has come in since the last time: at most `MAX_BATCH` steps, and at times none.

    `wanted` is read as it is needed, in the iterating thread. A source that wants a long rest is not asked again in
    this run; whoever can be settled without it still is, and the others come back unsettled, with what the sources
    before it said. With `gives_up` they are settled as `blocked` instead.

    Raises:
        Limited: at the end, when tracks were left for a source that rests.
    """
    rests = Rests()
    done: SimpleQueue[Step | BaseException] = SimpleQueue()
    num_asking = 0
    num_left = 0
    batch: list[Step] = []
    coming = iter(wanted)
    is_more = True
    stop = threading.Event()
    pool = ThreadPoolExecutor(num_threads, "settle")
    try:
        while is_more or num_asking:
            # Two a thread: none waits for work while we write.
            while is_more and num_asking < 2 * num_threads and len(batch) < MAX_BATCH:
                item = next(coming, None)
                if item is None:
                    is_more = False
                elif (known := _settled_by(item.known, sources)) is not None:
                    batch.append(Step(item.id, (), known))
                else:
                    pool.submit(_ask, item, sources, rests, done, stop, gives_up)
                    num_asking += 1
            while num_asking and len(batch) < MAX_BATCH:
                try:
                    step = done.get(block=not batch, timeout=SILENCE_S)
                except Empty:
                    break
                if isinstance(step, BaseException):
                    raise step
                num_asking -= 1
                num_left += step.settled is None
                batch.append(step)
            yield batch
            batch = []
        if num_left and (limit := rests.longest()) is not None:
            raise limit
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _settled_by(known: Mapping[str, Finding], sources: Sequence[LyricSource]) -> Answer | None:
    """What settles a track by what is known; None while a source that may know better was not asked."""
    names = [source.name for source in sources]
    for name, finding in known.items():
        if name not in names and finding.state == "found":
            return Answer(name, finding)
    best: Answer | None = None
    for name in names:
        answered = known.get(name)
        if answered is None:
            return None
        best = _better(best, Answer(name, answered))
        if answered.state in ("found", "instrumental"):
            return best
    return best or Answer(
        "", Finding("not_found", why="No source of lyrics is set up. Paste the words, or upload them.")
    )


def _better(one: Answer | None, other: Answer) -> Answer:
    """The first of two that are as good as each other."""
    return other if one is None or rank(other.finding) > rank(one.finding) else one


def _ask(
    item: Wanted,
    sources: Sequence[LyricSource],
    rests: Rests,
    done: SimpleQueue[Step | BaseException],
    stop: threading.Event,
    gives_up: bool,
) -> None:
    """What a thread does for one track. Whatever happens it puts something, for the iterating thread waits for it."""
    try:
        done.put(_step(item, sources, rests, stop, gives_up))
    except BaseException as broken:  # noqa: BLE001 (raised again where somebody hears it)
        done.put(broken)


def _step(item: Wanted, sources: Sequence[LyricSource], rests: Rests, stop: threading.Event, gives_up: bool) -> Step:
    known, answers = dict(item.known), list[Answer]()
    settled = None
    for source in sources:
        if source.name not in known:
            finding = _found_at(source, item.track, rests, stop)
            if finding is None and gives_up:
                known[source.name] = Finding("blocked", why=f"{source.name} did not answer. Look again later.")
            elif finding is None:
                break
            else:
                known[source.name] = finding
                answers.append(Answer(source.name, finding))
        settled = _settled_by(known, sources)
        if settled is not None:
            break
    return Step(item.id, tuple(answers), settled)


def _found_at(source: LyricSource, track: Track, rests: Rests, stop: threading.Event) -> Finding | None:
    """What a source says, after short rests if it asks for them; None when it wants a long one."""
    for _ in range(MAX_SHORT_WAITS):
        left_s = rests.left(source.name)
        if left_s > SHORT_S or (left_s and stop.wait(left_s)) or stop.is_set():
            return None
        try:
            return source.find(track)
        except Limited as limit:
            rests.begin(source.name, limit)
        except Exception as error:
            # A page of a shape that nobody has seen must not end the run of a thousand others.
            log.exception("source.broken", source=source.name)
            return Finding(
                "blocked", why=f"{source.name} answered in a way that we do not understand ({type(error).__name__})."
            )
    return None
