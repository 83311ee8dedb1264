"""Rhymes for a word, by kind."""

from __future__ import annotations

import pytest

from lyrics.explicit import is_explicit
from lyrics.phones import Lexicon
from lyrics.rhyme import RhymeKind, rhyme_kind
from lyrics.suggest import MAX_OF_A_KIND, suggest

EAR = Lexicon()


def test_it_works() -> None:
    found = suggest("night", EAR)
    assert {"light", "fight"} <= {suggestion.word for suggestion in found.perfect}
    assert "ride" in {suggestion.word for suggestion in found.near}
    assert "my" in {suggestion.word for suggestion in found.assonance}


def test_common_words_come_first() -> None:
    found = [suggestion.word for suggestion in suggest("night", EAR).perfect]
    assert found.index("light") < found.index("blight")
    assert found.index("quite") < found.index("kite")


@pytest.mark.parametrize("word", ["low", "motion", "elevator", "trappin'", "orange", "24", "zorblyx", "wind"])
def test_each_word_rhymes_as_it_says_with_one_way_to_say_the_word(word: str) -> None:
    found = suggest(word, EAR)
    ways = [way.phones for way in EAR.pronunciations(found.word)]
    kinds = (RhymeKind.PERFECT, RhymeKind.FAMILY, RhymeKind.ASSONANCE)
    for kind, suggestions in zip(kinds, found[1:], strict=True):
        assert len(suggestions) <= MAX_OF_A_KIND
        for suggestion in suggestions:
            phones = EAR.consensus()[suggestion.word]
            assert any(rhyme_kind(way, phones) is kind for way in ways)


def test_a_word_stands_in_one_list_only_and_never_rhymes_with_itself() -> None:
    found = suggest("wind", EAR)
    words = [suggestion.word for suggestions in found[1:] for suggestion in suggestions]
    assert len(words) == len(set(words))
    assert "wind" not in words


def test_no_explicit_word_is_offered() -> None:
    for word in ("duck", "sit", "bunt", "class", "bigger"):
        assert not any(is_explicit(suggestion.word) for part in suggest(word, EAR)[1:] for suggestion in part)


def test_a_writer_s_own_pronunciation_counts() -> None:
    own = EAR.with_personal({"chair": ("CH", "IH1", "R")})
    assert "fear" in {suggestion.word for suggestion in suggest("chair", own).perfect}
    assert "fear" not in {suggestion.word for suggestion in suggest("chair", EAR).perfect}


@pytest.mark.parametrize("text", ["", "  ", "--", "?!", "日本"])
def test_nothing_to_rhyme_with_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="no word to rhyme with"):
        suggest(text, EAR)
