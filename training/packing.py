"""Songs as rows of tokens, and which of them are read together: whole, without padding, and never seeing each other.

A `Piece` is a song, a part of one that was too long, a kept line or a task. A `Plan` deals them out to the updates of a
training, by the seed alone, so that a position in the data is the number of a step. A `MicroBatch` is what a network
reads at once: pieces one behind the other, with the bounds that its attention keeps to. Knows no network.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

import torch
from torch import Tensor

from inference.tokenizer import Tokenizer
from training.songs import TrainSong


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens that belong together; the network learns those from `first` on, and reads the ones before.

    `num_bytes` counts the text of what is learned, without the mark at a song's end.
    """

    ids: tuple[int, ...]
    first: int = 1
    num_bytes: int = 0
    ends: bool = False

    @property
    def num_tokens(self) -> int:
        """What reading it costs: the last token is only ever predicted."""
        return len(self.ids) - 1

    @property
    def num_labels(self) -> int:
        """The tokens that it teaches."""
        return len(self.ids) - self.first


@dataclass(frozen=True)
class MicroBatch:
    """Pieces that are read at once, one behind the other."""

    ids: Tensor  # [num_tokens]
    positions: Tensor  # [num_tokens], from 0 in each piece
    bounds: tuple[int, ...]  # where pieces begin, and at last num_tokens
    where: Tensor  # [num_labels], the positions in `ids` whose next token is learned
    labels: Tensor  # [num_labels], those next tokens

    @classmethod
    def of(cls, pieces: Sequence[Piece], device: torch.device) -> MicroBatch:
        lengths = [piece.num_tokens for piece in pieces]
        bounds = (0, *accumulate(lengths))
        wheres = [
            range(start + piece.first - 1, start + piece.num_tokens)
            for start, piece in zip(bounds, pieces, strict=False)
        ]
        return cls(
            ids=torch.tensor(list(chain.from_iterable(piece.ids[:-1] for piece in pieces)), device=device),
            positions=torch.cat([torch.arange(length) for length in lengths]).to(device),
            bounds=bounds,
            where=torch.tensor(list(chain.from_iterable(wheres)), device=device),
            labels=torch.tensor(list(chain.from_iterable(piece.ids[piece.first :] for piece in pieces)), device=device),
        )


class Spelling:
    """How a checkpoint's tokenizer writes songs, kept lines and tasks."""

    def __init__(self, tokenizer: Tokenizer, end_id: int | None, max_len: int) -> None:
        """`end_id` is put at a song's end; None where the tokenizer has no such mark. No piece is above `max_len`."""
        self.tokenizer = tokenizer
        self._end = () if end_id is None else (end_id,)
        self._max_len = max_len

    def song(self, song: TrainSong) -> list[Piece]:
        """A song as pieces: one where it fits, else several that are cut at line ends."""
        if song.is_kept:
            return self.answer(song.prompt, song.text)
        text = song.text.strip("\n") + "\n"
        ids = self.tokenizer.encode(text)
        if len(ids) + len(self._end) <= self._max_len:
            return self._whole(ids, ends=True)
        parts = self._cut(text)
        return [piece for i, part in enumerate(parts) for piece in self._whole(part, ends=i == len(parts) - 1)]

    def answer(self, prompt: str, answer: str) -> list[Piece]:
        """What is learned is the answer alone; of a long prompt its end is read."""
        before, after = self.tokenizer.encode(prompt) if prompt else [], self.tokenizer.spell([answer])[0]
        after = after[: self._max_len - 1]
        before = before[max(0, len(before) + len(after) - self._max_len) :]
        if not after or len(before) + len(after) < 2:
            return []
        first = max(1, len(before))
        return [Piece((*before, *after), first, self._num_bytes((*before, *after)[first:]))]

    def _whole(self, ids: Sequence[int], *, ends: bool) -> list[Piece]:
        ids = (*ids, *(self._end if ends else ()))
        ends = ends and bool(self._end)
        if len(ids) < 2 + ends:
            return []
        return [Piece(ids, 1, self._num_bytes(ids[1 : len(ids) - ends]), ends)]

    def _cut(self, text: str) -> list[list[int]]:
        room = self._max_len - len(self._end)
        parts: list[list[int]] = []
        held = ""
        for line in text.splitlines(keepends=True):
            if held and len(self.tokenizer.encode(held + line)) > room:
                parts.append(self.tokenizer.encode(held))
                held = ""
            held += line
        if held:
            parts.append(self.tokenizer.encode(held))
        # A single line may be longer than what is read at once.
        return [part[i : i + room] for part in parts for i in range(0, len(part), room)]

    def _num_bytes(self, ids: Iterable[int]) -> int:
        return sum(len(self.tokenizer.bytes_of[i]) for i in ids)


class Plan:
    """Which pieces each update of a training reads. Steps count from 1, as in the events."""

    def __init__(self, steps: Sequence[Sequence[Piece]]) -> None:
        self._steps = steps

    @classmethod
    def dealt(
        cls,
        songs: Sequence[Piece],
        tasks: Sequence[Piece],
        *,
        num_steps: int,
        num_tokens: float,
        task_share: float,
        seed: int,
    ) -> Plan:
        """`num_tokens` of songs, epoch after epoch, each epoch in another order; tasks have the share `task_share` of
        every update's tokens, if there are any. The same arguments give the same plan."""
        share = task_share if tasks else 0.0
        of_songs = _deal(songs, num_tokens * (1 - share), num_steps, f"songs {seed}")
        of_tasks = _deal(tasks, num_tokens * share, num_steps, f"tasks {seed}")
        return cls([[*some, *others] for some, others in zip(of_songs, of_tasks, strict=True)])

    @property
    def num_steps(self) -> int:
        """How many updates there are."""
        return len(self._steps)

    def pieces(self, step: int) -> Sequence[Piece]:
        """What the update `step` reads."""
        return self._steps[step - 1]


def share_out(pieces: Sequence[Piece], num_shares: int) -> list[list[Piece]]:
    """As many lists, of about as many tokens each; some may be empty. Every process finds the same."""
    shares: list[list[Piece]] = [[] for _ in range(num_shares)]
    sizes = [0] * num_shares
    for piece in sorted(pieces, key=lambda piece: (-piece.num_tokens, piece.ids)):
        least = sizes.index(min(sizes))
        shares[least].append(piece)
        sizes[least] += piece.num_tokens
    return shares


def micro_batches(pieces: Sequence[Piece], max_tokens: int) -> list[list[Piece]]:
    """The pieces in as few, and as even, lists of at most `max_tokens` as a greedy hand finds.

    A piece that is longer by itself stays alone.
    """
    total = sum(piece.num_tokens for piece in pieces)
    for num_shares in range(max(1, math.ceil(total / max_tokens)), len(pieces) + 1):
        shares = share_out(pieces, num_shares)
        if all(len(share) <= 1 or _size(share) <= max_tokens for share in shares):
            return [share for share in shares if share]
    return [[piece] for piece in pieces]


def _deal(pieces: Sequence[Piece], num_tokens: float, num_steps: int, seed: str) -> list[list[Piece]]:
    """The pieces, epoch after epoch, until `num_tokens` are dealt; each goes to the step in whose share it begins."""
    steps: list[list[Piece]] = [[] for _ in range(num_steps)]
    at, epoch = 0, 0
    while pieces and at < num_tokens:
        order = list(pieces)
        random.Random(f"{seed} {epoch}").shuffle(order)  # noqa: S311 - an order, not a secret
        for piece in order:
            if at >= num_tokens:
                break
            steps[min(int(at / num_tokens * num_steps), num_steps - 1)].append(piece)
            at += piece.num_tokens
        epoch += 1
    return steps


def _size(pieces: Sequence[Piece]) -> int:
    return sum(piece.num_tokens for piece in pieces)
