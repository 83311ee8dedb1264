"""Kinds of rhyme, the judge of the command line, and what a second pronouncer thinks of our rhymes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.referee import Referee, random_rhymes, same_sound
from lyrics.judge import do_rhyme
from lyrics.phones import Lexicon
from lyrics.rhyme import RhymeKind, internal_rhymes, num_shared_vowels, rhyme_kind, rhyme_of_ends

ROOT = Path(__file__).resolve().parents[2]
EAR = Lexicon()


def hear(text: str) -> list[tuple[str, ...]]:
    return [EAR.pronunciations(word)[0].phones for word in text.split()]


def test_it_works() -> None:
    assert rhyme_kind(*hear("night delight")) is RhymeKind.PERFECT


@pytest.mark.parametrize(
    ("pair", "kind"),
    [
        ("cat hat", RhymeKind.PERFECT),
        ("motion ocean", RhymeKind.PERFECT),
        ("trappin' rappin'", RhymeKind.PERFECT),
        ("lay play", RhymeKind.PERFECT),
        ("time mine", RhymeKind.FAMILY),
        ("night ride", RhymeKind.FAMILY),
        ("melody free", RhymeKind.FAMILY),
        ("night mind", RhymeKind.ASSONANCE),
        ("motion lotus", RhymeKind.MULTI),
        ("love move", RhymeKind.NONE),
        ("cat dog", RhymeKind.NONE),
        ("two too", RhymeKind.IDENTITY),
        ("leave believe", RhymeKind.IDENTITY),
        ("night night", RhymeKind.IDENTITY),
    ],
)
def test_two_words_are_of_one_kind(pair: str, kind: RhymeKind) -> None:
    assert rhyme_kind(*hear(pair)) is kind


@given(st.data())
def test_the_order_of_two_words_does_not_matter(data: st.DataObject) -> None:
    words = st.sampled_from(sorted(EAR.steady()))
    a, b = EAR.steady()[data.draw(words)], EAR.steady()[data.draw(words)]
    assert rhyme_kind(a, b) is rhyme_kind(b, a)
    assert rhyme_kind(a, a) is RhymeKind.IDENTITY


def test_rhymes_reach_over_words() -> None:
    rhyme = rhyme_of_ends(hear("he's a poet"), hear("and you know it"))
    assert (rhyme.kind, rhyme.num_syllables) == (RhymeKind.MOSAIC, 2)
    assert rhyme_of_ends(hear("stellar vision"), hear("hella missin'")).kind is RhymeKind.MULTI


def test_shared_vowels_are_counted_from_the_end() -> None:
    assert num_shared_vowels(*hear("elevator celebrator")) == 4
    assert num_shared_vowels(*hear("cat dog")) == 0


def test_rhymes_inside_a_line_are_found() -> None:
    line = "the bass in your face made the place shake"
    assert internal_rhymes(hear(line)) == ((1, 4), (1, 7), (4, 7))


@pytest.mark.parametrize(
    ("a", "b", "do"),
    [
        ("night", "delight", True),
        ("light", "delight", True),
        ("read", "bed", True),
        ("read", "need", True),
        ("finna", "winner", False),
        ("hustla", "muscle", False),
        ("playa", "slaya", True),
        ("caught", "hot", True),
        ("two", "too", False),
        ("same", "Same", False),
        ("cough", "though", False),
        ("", "cat", False),
        ("orange", "door hinge", False),
    ],
)
def test_the_judge_hears_what_listeners_hear(a: str, b: str, do: bool) -> None:
    assert do_rhyme(a, b, EAR) is do


def judge(pairs: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ghost", "rhymes", "judge", *options]
    return subprocess.run(command, cwd=ROOT, input=pairs, capture_output=True, text=True, check=False)


def test_the_command_prints_a_digit_a_pair() -> None:
    pairs = "cat\that\ncat\tdog\ntwo\ttoo\npoet\tit\the was a poet\tand you know it\ntime\tmine\n"
    assert judge(pairs).stdout.split() == ["1", "0", "0", "1", "0"]
    assert judge(pairs, "--near").stdout.split() == ["1", "0", "0", "1", "1"]


def test_the_command_names_a_line_that_is_no_pair() -> None:
    ran = judge("cat\that\ncat hat\n")
    assert ran.returncode == 1
    assert ran.stderr == "ghost: line 2 is not `word TAB word`, with or without two lines of context\n"


def test_the_referee_hears_the_same_rhymes() -> None:
    pairs = random_rhymes(EAR.consensus(), 5_000, seed=1)
    heard = Referee().hear([word for pair in pairs for word in pair])
    parts = [one.rhyming_part for one in heard]
    agreed = sum(same_sound(a, b) for a, b in zip(parts[::2], parts[1::2], strict=True))
    assert agreed / len(pairs) >= 0.95
