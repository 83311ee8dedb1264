"""How lines stand on a grid."""

from __future__ import annotations

import pytest

from lyrics.metre import against, fits, scan
from lyrics.phones import Lexicon

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
