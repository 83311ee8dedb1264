"""How lines stand on a grid."""

from __future__ import annotations

import pytest

from lyrics.metre import FEET, against, fits, grid_of, scan
from lyrics.phones import Lexicon
from lyrics.syllables import readings

LEXICON = Lexicon()


def test_it_works() -> None:
    assert scan("I wandered lonely as a cloud", LEXICON).name == "iambic tetrameter"
    assert fits("I wandered lonely as a cloud", "x/x/x/x/", LEXICON)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("The ploughman homeward plods his weary way", "iambic pentameter"),
        ("Shall I compare thee to a summer's day", "iambic pentameter"),
        ("Because I could not stop for death", "iambic tetrameter"),
        ("Tiger tiger burning bright", "trochaic tetrameter"),
        ("In the forests of the night", "trochaic tetrameter"),
        ("Twinkle twinkle little star", "trochaic tetrameter"),
        ("And his cohorts were gleaming in purple and gold", "anapaestic tetrameter"),
        ("There was an old man with a beard", "anapaestic trimeter"),
        ("Just for a handful of silver he left us", "dactylic tetrameter"),
        ("Cannon to right of them cannon to left of them", "dactylic tetrameter"),
    ],
)
def test_famous_lines_scan_as_they_are_famous_for(line: str, name: str) -> None:
    assert scan(line, LEXICON).name == name


def test_a_polysyllable_keeps_its_stress() -> None:
    assert not fits("Guitar is on the river now", "/x/x/x/x", LEXICON)
    assert fits("Guitar is on the river now", "iambic", LEXICON)


def test_a_word_that_is_only_weak_is_no_beat() -> None:
    assert against((("DH", "AH0"), ("M", "UW1", "N")), "/x") == 1
    assert against((("DH", "AH0"), ("M", "UW1", "N")), "x/") == 0


def test_a_line_of_another_length_does_not_fit_a_grid() -> None:
    assert not fits("The moon is on the river", "x/x/x/x/", LEXICON)


def test_a_line_without_words_scans_as_nothing() -> None:
    assert scan("...", LEXICON).name == "free"


def nearest_of_all_readings(line: str) -> float:
    """The slow twin of `scan`, for lines of words of several syllables: each reading on each foot."""
    distances = [
        against(reading.words, grid_of(metre, reading.num_syllables)) / reading.num_syllables
        for metre in FEET
        for reading in readings(line, LEXICON)
    ]
    return min(distances)


@pytest.mark.parametrize(
    "line",
    [
        "Tiger tiger burning",
        "Every hour entire",
        "Record desert present object",
        "Violet family fire, quiet memory",
        "Guitar hotel permit tomorrow",
    ],
)
def test_it_is_as_near_as_the_nearest_of_all_readings(line: str) -> None:
    assert len(readings(line, LEXICON)) < 256
    assert scan(line, LEXICON).distance == pytest.approx(nearest_of_all_readings(line))


def test_of_equal_readings_it_takes_the_likeliest() -> None:
    line = "I will never let you in the desert"
    assert scan(line, LEXICON).stresses in [reading.stresses for reading in readings(line, LEXICON)]
    assert scan("fire", Lexicon({"fire": ("F", "AY1", "R")})).stresses == (1,)


def test_it_finds_the_metre_of_a_line_with_more_readings_than_are_listed() -> None:
    line = "the fire of every desire and hour, the fire of every desire and hour"
    assert len(readings(line, LEXICON)) == 256
    assert scan(line, LEXICON).metre


def test_what_nobody_sings_in_one_breath_is_free() -> None:
    assert scan("fire and " * 4_000, LEXICON).name == "free"
