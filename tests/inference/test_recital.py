"""Free text of an adapter does not recite six words in a row of its songs, and is left alone otherwise."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from contracts.wire import SamplingParams
from inference.engine import Engine, Piece
from inference.recital import Restraint, TokenWords
from lyrics.clean import normalised_words
from lyrics.originality import OriginalityIndex
from tests.inference.engines import Oracle, serving

SONG = ["Don't let the lantern swing above the harbour,", "don't let the lantern go out; don't let the rope run"]
TOKENS = [
    b" harbour",
    b"harbour",
    b"har",
    b"bour",
    b"bourne",
    b" the",
    b"\n",
    b", ",
    b"'s",
    b" out",
    b"out",
    b" DON",
    b"'t",
    b"\xc3",
]


def tokens_of(mask: np.ndarray | None) -> set[bytes]:
    """The tokens that a mask bars."""
    if mask is None:
        return set()
    return {token for place, token in enumerate(TOKENS) if not mask[place // 8] >> (place % 8) & 1}


def barred(text: str, num_words: int = 6) -> set[bytes]:
    index = OriginalityIndex.build(SONG, "song")
    return tokens_of(Restraint(index, num_words, TokenWords(TOKENS, len(TOKENS)), text).mask())


def test_it_works() -> None:
    assert barred("the lantern swing above the") == {b" harbour"}
    assert barred("THE lantern, swing\nabove the ") == {b" harbour", b"harbour"}
    assert barred("lantern swing above the") == set()  # five words in a row may stand


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("the lantern swing above the har", {b"bour"}),  # "bourne" would make another word
        ("the lantern swing above the harb", set()),
        ("the lantern swing above the harbour", set()),  # it is typed, and may end
        ("let the lantern swing above my", set()),
        ("dont let the lantern go", {b" out"}),
        ("don't let the lantern go ", {b" out", b"out"}),
        ("let the lantern go out; don", {b"'t"}),
        ("", set()),
    ],
)
def test_only_what_would_complete_a_run_is_barred(text: str, tokens: set[bytes]) -> None:
    assert barred(text) == tokens


def test_nothing_that_is_let_through_completes_a_run() -> None:
    index = OriginalityIndex.build(SONG, "song")
    words = normalised_words("\n".join(SONG))
    random = np.random.default_rng(0)
    for _ in range(300):
        start = int(random.integers(0, len(words)))
        text = " ".join(words[start : start + int(random.integers(1, 9))]) + str(random.choice(["", " ", ", "]))
        out = barred(text)
        for token in TOKENS:
            after = text + token.decode(errors="replace")
            new = [run for run in index.runs(after, 6) if run.start + 6 > len(normalised_words(text))]
            assert not new or token in out, (text, token)


def test_a_text_does_not_repeat_what_was_indexed(oracle: Oracle) -> None:
    with serving(oracle.directory) as engine:
        free = write(engine, None)
        index = OriginalityIndex.build(free.splitlines(), "what it would write")
        held = write(engine, index)
    assert len(index.runs(free, 6)) > 10
    assert not index.runs(held, 6)
    assert held[:10] == free[:10]  # until a run would be complete, nothing is touched


def write(engine: Engine, index: OriginalityIndex | None) -> str:
    pieces: list[Piece] = []
    ended = threading.Event()

    def hear(new: list[Piece]) -> None:
        pieces.extend(new)
        if new[-1].finish_reason:
            ended.set()

    def restrain() -> Restraint | None:
        return Restraint(index, 6, engine.token_words(), "la ") if index is not None else None

    params = SamplingParams(max_tokens=150, temperature=0.7, seed=4)
    engine.add("text", engine.encode("la "), params, hear, restrain=restrain)
    assert ended.wait(60)
    return "".join(piece.text for piece in pieces)
