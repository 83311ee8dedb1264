"""Explicit words, plain and in disguise, and clean words that look like them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lyrics.explicit import find_explicit, is_explicit

LOOK_ALIKES = (Path(__file__).parent / "clean_look_alikes.txt").read_text(encoding="utf-8").split()


def test_it_works() -> None:
    text = "What the fuck, said Dickens in Scunthorpe"
    assert [(text[found.start : found.end], found.word) for found in find_explicit(text)] == [("fuck", "fuck")]


@pytest.mark.parametrize(
    "disguised",
    ["FUCK", "f*ck", "f**k", "f***", "fuuuuck", "f u c k", "f.u.c.k", "f-u-c-k", "f_u_c_k", "fu ck", "fu\nck", "fu-ck",
     "phuck", "fvck", "fück", "ｆｕｃｋ", "fuсk", "f\u200bu\u200bc\u200bk", "fuckin'", "muthafuckas", "m0therf*cker",
     "sh1t", "sh!t", "s h i t", "sh it", "a$$", "@ss", "@sshole", "b!tch", "bitchez", "biiiitch", "b i t c h", "n1gga",
     "pu$$y", "c0ck", "k*nt", "d1ck", "bullsh1t"],
)  # fmt: skip
def test_a_disguise_does_not_help(disguised: str) -> None:
    assert is_explicit(f"oh {disguised} my")


def test_a_thousand_clean_words_that_look_like_it_pass() -> None:
    assert len(set(LOOK_ALIKES)) >= 1000
    assert [word for word in LOOK_ALIKES if is_explicit(word)] == []
    assert [word for word in LOOK_ALIKES if is_explicit(word.capitalize() + "'s")] == []


def test_clean_words_side_by_side_make_no_explicit_one() -> None:
    lines = ["push it to the limit", "the pen is mine", "as sure as I am", "it's hit and miss", "pass the bass"]
    lines += ["who're you", "we used 455 of them", "****", "R&B class", "the rapist is left out of therapist"[19:]]
    assert [line for line in lines if is_explicit(line)] == []


def test_every_place_is_told() -> None:
    text = "sh1t… ﬁne, ＢＩＴＣＨ"
    assert [text[found.start : found.end] for found in find_explicit(text)] == ["sh1t", "ＢＩＴＣＨ"]
