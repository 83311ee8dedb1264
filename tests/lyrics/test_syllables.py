"""Lines as they are heard: words, numbers, syllables, and all plausible readings."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lyrics.arpabet import parse
from lyrics.phones import Lexicon
from lyrics.syllables import MAX_READINGS, readings, syllabify, words_of


def test_it_works() -> None:
    reading = readings("Midnight on the corner", Lexicon())[0]
    assert reading.num_syllables == 6
    assert reading.stresses[:2] == (1, 2)
    assert reading.phones == tuple(phone for word in reading.words for phone in word)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Don’t stop — 'til the mornin'!", "don't stop 'til the mornin'"),
        ("she said 'Hello' and 'bye'", "she said hello and bye"),
        ("Ridin' 24/7, low-key", "ridin' twenty four seven low key"),
        ("back in '99 with the 808s", "back in ninety nine with the eight oh eights"),
        ("in 1984 & 2005", "in nineteen eighty four and two thousand five"),
        ("$100 for the 1st, 22nd and 30th", "one hundred dollars for the first twenty second and thirtieth"),
        ("R.I.P. to the G.O.A.T.", "r i p to the g o a t"),
        ("Beyoncé à la carte", "beyonce a la carte"),
        ("o'er the boys' heads", "o'er the boys heads"),
        ("", ""),
        ("*** ???", ""),
    ],
)
def test_words_are_those_that_are_heard(line: str, words: str) -> None:
    assert words_of(line) == tuple(words.split())


@pytest.mark.parametrize(
    ("line", "num_syllables"),
    [
        ("Shall I compare thee to a summer's day", 10),
        ("I'm finna get this money, bruh", 8),
        ("Trappin' out the bando with the homies", 10),
        ("Twinkle twinkle little star", 7),
        ("In 1999 we partied", 9),
        ("'Twas brillig, and the slithy toves", 8),
    ],
)
def test_lines_have_the_syllables_that_people_count(line: str, num_syllables: int) -> None:
    assert readings(line, Lexicon())[0].num_syllables == num_syllables


def test_a_line_may_be_said_in_more_than_one_way() -> None:
    counts = {reading.num_syllables for reading in readings("every hour on fire", Lexicon())}
    assert counts == {5, 6, 7, 8}


def test_readings_are_bounded_and_the_likeliest_is_first() -> None:
    line = "every family remembers different memories " * 6
    found = readings(line, Lexicon())
    assert len(found) == MAX_READINGS
    ear = Lexicon()
    assert found[0].words == tuple(ear.pronunciations(word)[0].phones for word in words_of(line))
    assert len({reading.words for reading in found}) == MAX_READINGS


def test_a_line_without_words_has_one_reading_of_nothing() -> None:
    assert [reading.num_syllables for reading in readings("...", Lexicon())] == [0]


@pytest.mark.parametrize(
    ("phones", "onsets"),
    [
        ("M IH0 S T EY1 K", "M|S T"),
        ("EH1 K S T R AH0", "|S T R"),
        ("S IH1 NG IH0 NG", "S|"),
        ("AE1 TH L IY2 T", "|L"),
    ],
)
def test_consonants_go_to_the_next_syllable_as_far_as_english_lets_them(phones: str, onsets: str) -> None:
    assert "|".join(" ".join(syllable.onset) for syllable in syllabify(parse(phones))) == onsets


@given(st.sampled_from(sorted(Lexicon().steady())))
def test_syllables_lose_no_phone(word: str) -> None:
    phones = Lexicon().steady()[word]
    syllables = syllabify(phones)
    rebuilt = [
        phone
        for syllable in syllables
        for phone in (*syllable.onset, f"{syllable.nucleus}{syllable.stress}", *syllable.coda)
    ]
    assert tuple(rebuilt) == phones


@settings(deadline=None)  # the first call reads the dictionary
@given(st.text(max_size=80))
def test_any_line_has_a_reading(line: str) -> None:
    assert readings(line, Lexicon())
