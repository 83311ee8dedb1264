"""Crafted mode: each line is written by islands of particles, judged, and only then shown.

A stanza has as many islands as alternatives are asked for; each goes its own way, line after line, and of a line's
particles the one that goes on is drawn by how well the network thinks of it. A single line has its islands side by
side, and what they bring is ranked: by what the network thinks of it, less what it shares with a better one. Knows
nothing of HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

import numpy as np

from contracts.wire import LineEvidence, SamplingParams
from inference.delivery import Inbox
from inference.engine import Engine, Formed, QueueFull
from inference.forms import Prepared
from inference.sequence import Piece
from lyrics.clean import normalised_words
from lyrics.ends import Written
from lyrics.meters import repeated_pairs

PARTICLES, PARTICLES_OF_MANY = 8, 4
"""In an island, when it is the only one, and when there are others."""
CHOICE_BITS, REPEATED_PAIRS = 0.25, 2.0
"""In bits a token: how much better a line must be to be e times as likely to go on, and what it loses when all its
pairs of words are repeated."""
SAME_END, SHARED_WORDS = 1.5, 2.0
"""Bits that a line loses in the ranking for ending as a better one does, and for sharing all its words with it."""


class DeadEnd(RuntimeError):
    """Nothing that keeps the form came of it. It should never be."""

    def __init__(self) -> None:
        super().__init__("no line that keeps this form came of it: try again, or ask for less")


class Line(NamedTuple):
    """A line that is to be shown: of which alternative, its text as it goes on from what was there, the verifier's
    word on it, whether it is the alternative's last, and the bits a token so far."""

    alternative: int
    text: str
    evidence: LineEvidence
    is_last: bool
    score: float
    num_tokens: int


@dataclass
class Draft:
    """One alternative so far."""

    text: str = ""
    written: tuple[Written, ...] = ()
    bits: float = 0.0
    num_tokens: int = 0


class Candidate(NamedTuple):
    """A line that a particle has brought, and what the verifier says of it."""

    piece: Piece
    text: str
    evidence: LineEvidence

    @property
    def bits(self) -> float:
        """What the network gives each of its tokens."""
        return self.piece.outcome.bits if self.piece.outcome else 0.0


@dataclass
class Studio:
    """What writing needs: an engine, the post from its thread, and the prompt's ids for the text so far."""

    engine: Engine
    drop: Callable[[Inbox, list[Piece]], None]
    encode: Callable[[str], list[int]]
    request_id: str
    params: SamplingParams
    seed: int
    patience_s: float
    turns: asyncio.Semaphore
    """Lines that all crafted texts of a voice write at once: each takes several slots, and others want to write too."""
    adapter: str = ""


async def craft(studio: Studio, prepared: Prepared) -> AsyncGenerator[Line | None, None]:
    """The lines of all alternatives as they come; None after `patience_s` in which nothing came.

    Of a single line there are fewer alternatives when the particles brought fewer that differ.

    Raises:
        DeadEnd: no particle brought a line.
        QueueFull, EngineStopped, PromptTooLong: as `Engine.add` has it.
    """
    alternatives = prepared.form.alternatives
    if prepared.form.num_lines == 1:
        async with aclosing(_one_line(studio, prepared, alternatives)) as lines:
            async for line in lines:
                yield line
        return
    queue: asyncio.Queue[Line | BaseException | None] = asyncio.Queue()
    size = PARTICLES if alternatives == 1 else PARTICLES_OF_MANY
    tasks = [asyncio.create_task(_stanza(studio, prepared, place, size, queue)) for place in range(alternatives)]
    for task in tasks:
        task.add_done_callback(lambda task: None if task.cancelled() else queue.put_nowait(task.exception()))
    try:
        num_open = alternatives
        while num_open:
            try:
                async with asyncio.timeout(studio.patience_s):
                    item = await queue.get()
            except TimeoutError:
                yield None
                continue
            if isinstance(item, BaseException):
                raise item
            if item is None:
                num_open -= 1
            else:
                yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _stanza(
    studio: Studio, prepared: Prepared, place: int, size: int, queue: asyncio.Queue[Line | BaseException | None]
) -> None:
    """One alternative from its first line to its last."""
    draft = Draft()
    last = prepared.form.num_lines - 1
    for number in range(last + 1):
        seed = _spread(studio.seed, place, number)
        found = await _candidates(studio, prepared, draft, number, size, size, seed)
        chosen = _drawn(found, prepared.prompt + draft.text, Random(seed))  # noqa: S311  (it varies lines, it keeps no secret)
        _extend(draft, chosen)
        text = chosen.text if number == last else chosen.text + "\n"
        queue.put_nowait(Line(place, text, chosen.evidence, number == last, draft.bits, draft.num_tokens))


async def _one_line(studio: Studio, prepared: Prepared, alternatives: int) -> AsyncGenerator[Line | None, None]:
    size = (
        PARTICLES if alternatives == 1 else max(2, min(PARTICLES_OF_MANY, studio.engine.num_slots // 2 // alternatives))
    )
    work = asyncio.create_task(
        _candidates(studio, prepared, Draft(), 0, size * alternatives, size, _spread(studio.seed, 0, 0))
    )
    try:
        while not (await asyncio.wait({work}, timeout=studio.patience_s))[0]:
            yield None
        ranked = _ranked(work.result())[:alternatives]
    finally:
        work.cancel()
    for place, chosen in enumerate(ranked):
        num_tokens = chosen.piece.outcome.num_tokens if chosen.piece.outcome else 0
        yield Line(place, chosen.text, chosen.evidence, True, chosen.bits, num_tokens)


async def _candidates(
    studio: Studio, prepared: Prepared, draft: Draft, number: int, num_takes: int, size: int, seed: int
) -> list[Candidate]:
    """The distinct lines that particles bring, those that keep every rule alone if there are any."""
    so_far = normalised_words(prepared.begun + draft.text)
    formed = Formed(
        lambda seed: prepared.begin(seed, number=number, until=number, written=draft.written, so_far=so_far),
        num_typed_bytes=len(prepared.typed.encode()) if number == 0 else 0,
        island_size=size,
    )
    async with studio.turns:
        ended = await _brought(studio, draft, formed, num_takes, seed)
    good = [piece for piece in ended if piece.finish_reason == "stop" and piece.outcome]
    if not good:
        raise DeadEnd
    return await asyncio.to_thread(_judged, prepared, draft, good, number)


async def _brought(studio: Studio, draft: Draft, formed: Formed, num_takes: int, seed: int) -> list[Piece]:
    """The last pieces of all particles. A queue that is full is waited for, once a line has been shown."""
    inbox = Inbox()
    request_id = f"{studio.request_id}-{seed}"
    params = studio.params.model_copy(update={"seed": seed, "n": 1, "stop": ()})
    prompt_ids = await asyncio.to_thread(studio.encode, draft.text)
    while True:
        try:
            studio.engine.add(
                request_id,
                prompt_ids,
                params,
                lambda pieces: studio.drop(inbox, pieces),
                formed=formed,
                num_takes=num_takes,
                adapter=studio.adapter,
            )
            break
        except QueueFull as full:
            if not draft.text:
                raise
            await asyncio.sleep(full.retry_after_s)
    ended: list[Piece] = []
    try:
        while len(ended) < num_takes:
            ended += [piece for piece in await inbox.take(studio.patience_s) if piece.finish_reason]
    finally:
        studio.engine.abort(request_id)
    return ended


def _spread(seed: int, place: int, number: int) -> int:
    """The seed of a line's first particle; others follow it, so neighbouring seeds must lie far apart."""
    return (seed * 1_000_003 + place * 10_007 + number * 101) % (1 << 62)


def _judged(prepared: Prepared, draft: Draft, pieces: Sequence[Piece], number: int) -> list[Candidate]:
    is_whole = number == prepared.form.num_lines - 1
    judged: dict[str, Candidate] = {}
    for piece in sorted(pieces, key=lambda piece: piece.index):
        text = piece.text
        if text not in judged:
            evidence = prepared.judge(draft.text + text, is_whole=is_whole)[number]
            judged[text] = Candidate(piece, text, evidence)
    kept = [candidate for candidate in judged.values() if not candidate.evidence.failures]
    return kept or list(judged.values())


def _drawn(candidates: Sequence[Candidate], before: str, random: Random) -> Candidate:
    """One of them, by what the network thinks of it, less what it repeats of the text before."""
    scores = np.array(
        [candidate.bits - REPEATED_PAIRS * repeated_pairs(candidate.text, before) for candidate in candidates]
    )
    return random.choices(candidates, np.exp((scores - scores.max()) / CHOICE_BITS).tolist())[0]


def _extend(draft: Draft, chosen: Candidate) -> None:
    outcome = chosen.piece.outcome
    if outcome is None:
        raise DeadEnd
    total = draft.bits * draft.num_tokens + outcome.bits * outcome.num_tokens
    draft.num_tokens += outcome.num_tokens
    draft.bits = total / draft.num_tokens
    draft.text += chosen.text + "\n"
    draft.written = tuple(outcome.form.written)


def _ranked(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The best first; each next one is the best after what it shares with those before it."""
    left, ranked = list(candidates), list[Candidate]()
    while left:
        best = max(left, key=lambda one: one.bits - max((_likeness(one, other) for other in ranked), default=0.0))
        left.remove(best)
        ranked.append(best)
    return ranked


def _likeness(one: Candidate, other: Candidate) -> float:
    mine, theirs = normalised_words(one.text), normalised_words(other.text)
    shared = len(set(mine) & set(theirs)) / max(1, min(len(set(mine)), len(set(theirs))))
    return SAME_END * (mine[-1:] == theirs[-1:]) + SHARED_WORDS * shared
