"""Who takes part in the next step: plain Python without tensors.

Running sequences stand densely in rows 0, 1, ...; row i is slot i of the cache. Every row but perhaps the last has read
its whole prompt. Requests are served in the order they came; they join and leave at every step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from inference.sequence import Sequence

CHUNK = 256
"""A prompt is read in pieces that end at multiples of this, whatever else a step holds: so its numbers never depend on
its neighbours."""


@dataclass(frozen=True)
class Prefill:
    """A piece of prompt, positions `start` to `stop`. When it is the last piece, `takes` are the sequences that share
    the prompt and draw their first token from it; the reader itself comes first, the others stand in the next rows."""

    row: int
    sequence: Sequence
    start: int
    stop: int
    takes: tuple[Sequence, ...]


@dataclass(frozen=True)
class Schedule:
    """One step's work: `decodes` are rows 0..n-1, then pieces of prompt."""

    decodes: tuple[Sequence, ...]
    prefills: tuple[Prefill, ...]

    @property
    def takes(self) -> list[Sequence]:
        """The sequences that draw a token in this step, in the order of the logits' rows."""
        return [*self.decodes, *(take for prefill in self.prefills for take in prefill.takes)]


@dataclass(frozen=True)
class Move:
    """The cache's slot `source` goes to `target`, its positions `start` to `length`."""

    source: int
    target: int
    length: int
    start: int = 0


@dataclass
class Scheduler:
    """`num_slots` sequences run at once; a step reads about `prefill_budget` prompt tokens."""

    num_slots: int
    prefill_budget: int
    waiting: deque[Sequence] = field(default_factory=deque)
    running: list[Sequence] = field(default_factory=list)

    @property
    def is_idle(self) -> bool:
        return not self.waiting and not self.running

    def sequences(self) -> Iterator[Sequence]:
        """All that are not done."""
        yield from self.running
        yield from self.waiting

    def schedule(self) -> Schedule:
        """Lets in who fits and says what the next step reads."""
        num_ready = self._num_ready()
        decodes = tuple(self.running[:num_ready])
        prefills: list[Prefill] = []
        spent = 0
        while (row := self._reader_row(num_ready, prefills)) is not None:
            reader = self.running[row] if row < len(self.running) else self.waiting[0]
            start, end = reader.num_cached_tokens, len(reader.prompt_ids)
            stop = min(end, (start // CHUNK + 1) * CHUNK)
            if spent and spent + stop - start > self.prefill_budget:
                break
            if row == len(self.running):
                self.running.append(self.waiting.popleft())
            takes = (reader, *self._admit_siblings(reader)) if stop == end else ()
            prefills.append(Prefill(row, reader, start, stop, takes))
            spent += stop - start
            if stop < end:
                break
        return Schedule(decodes, tuple(prefills))

    def collect(self) -> list[Move]:
        """Lets go of who is finished and closes the rows up; the moves are to be made in order."""
        if any(sequence.finish_reason for sequence in self.waiting):
            self.waiting = deque(sequence for sequence in self.waiting if not sequence.finish_reason)
        moves: list[Move] = []
        for row in reversed(range(len(self.running))):  # from the end, so that who fills a hole is never finished
            if self.running[row].finish_reason:
                moves += self._fill(row)
        return moves

    def _fill(self, hole: int) -> list[Move]:
        """The last decoding row moves into the hole, and a half-read prompt, which stays last, into its place."""
        moves: list[Move] = []
        for source in sorted({self._num_ready() - 1, len(self.running) - 1}):
            if source > hole:
                moved = self.running[source]
                moves.append(Move(source, hole, moved.num_cached_tokens))
                self.running[hole] = moved
                hole = source
        self.running.pop()
        return moves

    def _num_ready(self) -> int:
        """Rows that have read their prompt."""
        return len(self.running) - bool(self.running and not self.running[-1].is_read)

    def _reader_row(self, num_ready: int, prefills: list[Prefill]) -> int | None:
        """The row of who reads next: the half-read prompt, or whoever waits if a slot is free."""
        if not prefills and num_ready < len(self.running):
            return num_ready
        return len(self.running) if self.waiting and len(self.running) < self.num_slots else None

    def _admit_siblings(self, reader: Sequence) -> list[Sequence]:
        """The request's other takes, as far as there are slots: they copy what the first has read."""
        siblings: list[Sequence] = []
        while self.waiting and self.waiting[0].prompt_ids is reader.prompt_ids and len(self.running) < self.num_slots:
            siblings.append(self.waiting.popleft())
            self.running.append(siblings[-1])
        return siblings
