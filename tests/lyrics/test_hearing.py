"""How a lyric sounds while it is typed: syllables, places of words, groups of rhymes."""

from __future__ import annotations

import time

import pytest

from lyrics.hearing import HeardLine, hear
from lyrics.phones import Lexicon
from lyrics.syllables import words_of

EAR = Lexicon()
TYPED = [
    "Midnight on the corner — and the “neon's” low-key 24/7,",
    "She said ‘don’t’ & left… rock-'n'-roll, R.I.P.",
    "trappin' all day, 'cause I'm $1,000 up @ 9:30",
    "Café à la 😀 Beyoncé’s",
]


def groups(text: str) -> list[str | None]:
    return [line.rhyme and f"{line.rhyme.group} {line.rhyme.strength}" for line in hear(text, EAR)]


def test_it_works() -> None:
    first, second = hear("Midnight on the corner and the neon's running low\nNo place to go", EAR)
    assert (first.num_syllables, len(first.stresses)) == (13, 13)
    assert first.rhyme
    assert second.rhyme
    assert (first.rhyme.group, first.rhyme.strength) == (second.rhyme.group, second.rhyme.strength) == ("A", "perfect")


@pytest.mark.parametrize("line", TYPED)
def test_words_stand_where_they_are_in_the_line(line: str) -> None:
    heard = hear(line, EAR)[0].words
    assert tuple(" ".join(word.word for word in heard).split()) == words_of(line)
    units = line.encode("utf-16-le")
    shown = [units[2 * word.start : 2 * word.end].decode("utf-16-le") for word in heard]
    assert all(piece and piece == piece.strip(" ,.…“”‘—") for piece in shown), shown


def test_blank_lines_and_headings_are_silent_and_part_stanzas() -> None:
    lines = hear("[Verse]\na cat\n\na hat\n \nso far", EAR)
    assert [line.num_syllables for line in lines] == [0, 2, 0, 2, 0, 2]
    assert [line.number for line in lines] == [1, 2, 3, 4, 5, 6]
    assert all(line.rhyme is None for line in lines)


def test_two_perfect_rhymes_of_one_vowel_are_two_groups() -> None:
    assert groups("the night\nmy mind\na light\nso kind") == ["A perfect", "B perfect", "A perfect", "B perfect"]


def test_what_is_less_than_perfect_says_so() -> None:
    assert groups("all night\na ride") == ["A near", "A near"]
    assert groups("all night\nmy mind") == ["A assonance", "A assonance"]
    assert groups("all night\nthe moon") == [None, None]


def test_a_repeated_word_is_no_rhyme_but_stays_in_its_group() -> None:
    assert groups("so low\nso low") == [None, None]
    assert groups("so low\nso low\nthe show") == ["A perfect", "A perfect", "A perfect"]


def test_a_writer_s_own_pronunciation_is_heard_for_that_writer_alone() -> None:
    text = "sit in the chair\nnothing to fear"
    own = EAR.with_personal({"chair": ("CH", "IH1", "R")})

    def strengths(lines: tuple[HeardLine, ...]) -> list[str | None]:
        return [line.rhyme and line.rhyme.strength for line in lines]

    assert strengths(hear(text, EAR)) != ["perfect", "perfect"]
    assert strengths(hear(text, own)) == ["perfect", "perfect"]
    assert strengths(hear(text, EAR)) != ["perfect", "perfect"]


def test_after_a_key_in_a_long_lyric_only_that_line_is_heard_anew() -> None:
    ends = ("low", "show", "night", "light", "motion", "ocean", "hat")
    lines = [f"the moon is on the river and I will never {ends[i % 7]} number {i} {ends[i % 5]}" for i in range(200)]
    hear("\n".join(lines), EAR)
    lines[100] = "and now another word than before is low"
    start = time.perf_counter()
    hear("\n".join(lines), EAR)
    assert time.perf_counter() - start < 0.05
