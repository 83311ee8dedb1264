"""Schemes of texts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lyrics.likeness import Likeness, modern_spellings
from lyrics.phones import Lexicon
from lyrics.scheme import canonical, distances_of, known_forms, scheme_of, schemes_of

LEXICON = Lexicon()
ROOT = Path(__file__).parents[2]


def stanza(ends: str) -> list[str]:
    """Lines that end in these words."""
    return [f"and so we come to {end}" for end in ends.split()]


def test_it_works() -> None:
    text = ["Shall I compare thee to a summer's day?", "Thou art more lovely and more temperate:"]
    text += ["Rough winds do shake the darling buds of May,", "And summer's lease hath all too short a date."]
    assert scheme_of(text, LEXICON) == "ABAB"


@pytest.mark.parametrize(
    ("ends", "scheme"),
    [
        ("night light rain pain", "AABB"),
        ("night rain light pain", "ABAB"),
        ("night rain pain light", "ABBA"),
        ("moon street table feet", "ABCB"),
        ("beard feared hen wren beard", "AABBA"),
        ("budget window elephant purple", "ABCD"),
        ("night light bright sight", "AAAA"),
        ("love cold prove old", "ABAB"),
        ("oer despaird shore prepared", "ABAB"),
        ("day see may be way three", "ABABAB"),
    ],
)
def test_a_stanza_alone(ends: str, scheme: str) -> None:
    assert schemes_of([stanza(ends)], LEXICON) == (scheme,)


def test_stanzas_of_one_text_help_each_other() -> None:
    clear = ["night rain light pain", "day cold way old", "fire street wire feet", "mind song find long"]
    doubtful = "eyes down harmony town"
    alone = schemes_of([stanza(doubtful)], LEXICON)[0]
    together = schemes_of([stanza(ends) for ends in (*clear, doubtful)], LEXICON)[-1]
    assert together == "ABAB"
    assert alone[1] == alone[3]


def test_a_text_without_rhymes_has_a_letter_a_line() -> None:
    prose = ["The committee met on Tuesday afternoon", "to discuss the allocation of the budget"]
    prose += ["several members raised objections", "and the chairman closed the meeting early"]
    assert scheme_of(prose, LEXICON) == "ABCD"


def test_letters_never_run_out() -> None:
    letters = scheme_of([f"word{'x' * number} zq{number}" for number in range(80)], LEXICON)
    assert len(letters) == 80


def test_odd_lines_have_letters_too() -> None:
    assert len(scheme_of(["...", "!!!", "12", "🎵", "a"], LEXICON)) == 5
    assert scheme_of([], LEXICON) == ""
    assert scheme_of(["", "  "], LEXICON) == ""


def test_old_spellings_are_read() -> None:
    like = Likeness(LEXICON)
    assert "kissed" in modern_spellings("kiss'd")
    assert like("despaird", "prepared") > 2
    assert like("tost", "lost") > 2


def test_schemes_are_numbered_by_first_appearance() -> None:
    assert canonical("XBXC") == (0, 1, 0, 2)
    assert distances_of((0, 1, 0, 1)) == (0, 0, 2, 2)
    assert abs(sum(known_forms(8).values()) - 1) < 1e-9


def test_the_command_prints_a_letter_a_line() -> None:
    text = "a cat\na dog\na hat\na log\n\na star\na car\n"
    done = subprocess.run(
        [sys.executable, "-m", "ghost", "rhymes", "scheme"],
        input=text, capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert done.stdout == "A\nB\nA\nB\n\nA\nA\n"
