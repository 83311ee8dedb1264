"""Texts written through the masks alone, without a network: any token that is allowed may come."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from contracts.wire import CompletionRequest, LineEvidence
from inference.constrained import FormState
from inference.forms import Prepared, prepare
from inference.speller import Packed, Speller

MAX_TOKENS = 5_000


@dataclass
class Walk:
    """A text that came of a form, as it goes on from the prompt, and the judge's word on its lines."""

    prompt: str
    text: str
    lines: list[LineEvidence]

    @property
    def flags(self) -> list[tuple[str, str, str]]:
        """What the judge found wrong: line, rule and reason."""
        return [(line.text, failure.rule, failure.reason) for line in self.lines for failure in line.failures]


def tokens_of(mask: Packed) -> list[int]:
    """The tokens that a mask allows."""
    tokens: list[int] = np.flatnonzero(np.unpackbits(mask, bitorder="little")).tolist()
    return tokens


def ready(speller: Speller, *, indexes: Path = Path("nowhere"), prompt: str = "", **asked: Any) -> Prepared:
    """A form ready to be written; `asked` are its fields, and `pronunciations`."""
    pronunciations = asked.pop("pronunciations", {})
    wanted = CompletionRequest(model="any", prompt=prompt, form=asked, pronunciations=pronunciations)
    return prepare(wanted, speller, indexes)


def finish(speller: Speller, state: FormState, random: Random) -> bytes:
    """Go on at random to the end; line breaks as often as all else together."""
    written = b""
    for _ in range(MAX_TOKENS):
        tokens = tokens_of(state.mask())
        assert tokens, f"a dead end after {written!r}"
        token = speller.newline if speller.newline in tokens and random.random() < 0.5 else random.choice(tokens)
        state.advance(token)
        written += speller.tokenizer.bytes_of[token]
        if state.is_done:
            assert not state.is_lost, f"no line can follow {written!r}"
            return written
    raise AssertionError(f"no end after {written!r}")


def walk(speller: Speller, seed: int, *, prompt: str = "", **asked: Any) -> Walk:
    """One text at random."""
    prepared = ready(speller, prompt=prompt, **asked)
    written = finish(speller, prepared.begin(seed), Random(seed))  # noqa: S311  (it varies texts)
    assert written.startswith(prepared.typed.encode())
    text = written[len(prepared.typed.encode()) :].decode().removesuffix("\n")
    return Walk(prompt, text, prepared.judge(text, is_whole=True))
