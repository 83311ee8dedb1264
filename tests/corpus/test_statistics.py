"""Figures of a dataset count what they say they count."""

from __future__ import annotations

from typing import Any

import pytest

from corpus import statistics as module
from corpus.statistics import Statistics, shape_of, statistics

COUPLETS = "[Verse 1]\nThe boats are late, the tide is low\nThe lamps are lit for them to go\n"
CROSSED = """\
[Chorus]
Nine lamps are burning in the night
And no one knows the way
I keep a little lantern bright
To burn until the day
"""


def test_it_works() -> None:
    found = statistics([COUPLETS + CROSSED, CROSSED])
    assert (found.songs, found.lines) == (2, 10)
    assert (found.couplets, found.abab_pairs) == (1, 2)
    assert found.section_shapes == {"VC": 1, "C": 1}
    assert found.languages == {"en": 1.0}
    assert found.syllables[8] == 6
    assert sum(found.syllables.values()) == found.lines
    assert found.metre["iambic"] >= 0.8
    assert found.explicit_share == 0.0
    assert found.rhyme_factor > 0


def test_words_and_vocabulary_are_counted_whatever_the_case() -> None:
    found = statistics(["[Verse 1]\nLow tide, LOW tide\nlow\n", "Don't\ngo low"])
    assert (found.words, found.vocabulary) == (8, 4)


def test_a_song_is_explicit_or_not() -> None:
    assert statistics(["oh shit, shit\nlow tide", "low tide\nhigh tide", "a\nb", "c\nd"]).explicit_share == 0.25


def test_no_songs_have_figures_too() -> None:
    assert statistics([]) == Statistics()
    assert statistics(["", "[Instrumental]"]).lines == 0


def test_lines_that_rhyme_with_themselves_are_no_couplets() -> None:
    assert statistics(["low tide\nlow tide\nlow tide"]).couplets == 0


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("[Intro]\n[Verse 1]\na\n[Pre-Chorus]\nb\n[Chorus]\nc\n[Bridge]\nd\n[Outro]", "IVPCBO"),
        ("a\nb\n\nc\nd\ne", "2-3"),
        ("[Something]\na\nb", "2"),
    ],
)
def test_shapes_are_sections_or_stanzas(text: str, shape: str) -> None:
    assert shape_of(text) == shape


def test_the_order_of_songs_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAMPLED_SONGS", 6)
    monkeypatch.setattr(module, "HEARD_SONGS", 3)
    songs = [f"{COUPLETS}The number of this song is {n}\nAnd {'shit ' * (n % 2)}the tide is low" for n in range(20)]
    found = statistics(songs)
    assert (found.songs, found.sampled_songs, found.heard_songs) == (20, 6, 3)
    assert statistics(reversed(songs)) == found


def test_figures_survive_being_stored() -> None:
    found = statistics([COUPLETS])
    stored: dict[str, Any] = found.model_dump(mode="json")
    assert Statistics.model_validate(stored) == found
    assert Statistics.model_validate_json(found.model_dump_json()) == found
