"""The words that lines are written with, and which of them rhyme."""

from __future__ import annotations

import numpy as np
import pytest

from lyrics.arpabet import parse
from lyrics.explicit import is_explicit
from lyrics.phones import Lexicon
from lyrics.rhyme import RhymeKind, num_shared_vowels, rhyme
from lyrics.syllables import words_of
from lyrics.vocabulary import MAX_SIGNATURES, Sound, Vocabulary, are_kin, surfaces

EAR = Vocabulary.shipped()
LEXICON = Lexicon()
HEARD = {
    "perfect": {RhymeKind.PERFECT},
    "near": {RhymeKind.PERFECT, RhymeKind.FAMILY},
    "assonance": {RhymeKind.PERFECT, RhymeKind.FAMILY, RhymeKind.ASSONANCE, RhymeKind.MULTI},
}


def rhymes(word: str, strictness: str) -> set[str]:
    return {EAR.words[number] for number in EAR.rhymes(EAR.sounds[EAR.number[word]], strictness)}


def test_it_works() -> None:
    assert {"delight", "bright", "tight"} <= rhymes("night", "perfect")
    assert not {"night", "knight", "ride"} & rhymes("night", "perfect")
    assert "ride" in rhymes("night", "near")
    assert "mind" in rhymes("night", "assonance")
    assert EAR.words == tuple(sorted(EAR.words))


def test_every_word_is_heard_as_itself() -> None:
    for word in EAR.words:
        assert words_of(word) == (word,)
        for surface in surfaces(word):
            assert words_of(surface) == (word,)


def test_a_word_that_opens_a_rhyme_is_never_one_that_leans_on_the_next() -> None:
    for word in ("the", "and", "of", "i'm", "because"):
        assert not EAR.may_end[EAR.number[word]]
        assert not EAR.can_rhyme[EAR.number[word]]
    assert EAR.may_end[EAR.number["moon"]]


def test_explicit_words_are_known_for_what_they_are() -> None:
    clean = [word for word, is_clean in zip(EAR.words, EAR.is_clean, strict=True) if is_clean]
    assert not any(map(is_explicit, clean[::17]))
    assert all(is_explicit(word) for word, is_clean in zip(EAR.words, EAR.is_clean, strict=True) if not is_clean)


def test_a_sound_is_its_stresses_and_its_end() -> None:
    sound = Sound.of(parse("R IH0 M EH1 M B ER0"))
    assert (sound.stresses, sound.tail, sound.before) == ((0, 1, 0), ("EH", "M", "B", "ER"), "M")
    assert Sound.of(parse("AY1")).before == ""
    assert Sound.of(parse("DH AH0")).tail == ("AH",)


def test_kin_have_the_same_vowels_and_consonants_of_one_family() -> None:
    assert are_kin(("AY", "M"), ("AY", "N"))
    assert not are_kin(("AY", "M"), ("AW", "N"))
    assert are_kin(("EH", "N", "D"), ("EH", "N"))
    assert not are_kin(("AY",), ("AY", "T"))


@pytest.mark.parametrize("strictness", ["perfect", "near", "assonance"])
def test_the_judge_hears_every_rhyme_too(strictness: str) -> None:
    """Of a sample of all pairs, in the way of saying that the vocabulary knows."""
    for word in [word for number, word in enumerate(EAR.words) if EAR.can_rhyme[number]][::401]:
        phones = LEXICON.pronunciations(word)[0].phones
        for other in sorted(rhymes(word, strictness))[:60]:
            kinds = {
                rhyme(one, way.phones).kind
                for one in [way.phones for way in LEXICON.pronunciations(word)]
                for way in LEXICON.pronunciations(other)
            }
            assert kinds & HEARD[strictness], (word, phones, other, kinds)


def test_rhymes_of_several_syllables_share_as_many_vowels() -> None:
    for word in ("elevator", "celebration", "independent"):
        found = rhymes(word, "multi:3")
        assert found
        for other in found:
            shared = [
                num_shared_vowels(one.phones, way.phones)
                for one in LEXICON.pronunciations(word)
                for way in LEXICON.pronunciations(other)
            ]
            assert max(shared) >= 3, (word, other)


def test_rhymes_are_mutual() -> None:
    for strictness in ("perfect", "near", "assonance", "multi:2"):
        for word in ("moon", "river", "nation", "remember"):
            assert all(word in rhymes(other, strictness) for other in sorted(rhymes(word, strictness))[:25])


@pytest.mark.parametrize("strictness", ["perfect", "near", "assonance", "multi:2"])
def test_words_of_one_group_rhyme_unless_they_sound_the_same(strictness: str) -> None:
    groups = EAR.groups(strictness)
    for group in np.unique(groups[EAR.can_rhyme])[1:400:23]:
        members = np.flatnonzero((groups == group) & EAR.can_rhyme)
        found = EAR.rhymes(EAR.sounds[members[0]], strictness)
        others = members[EAR.kind[members] != EAR.kind[members[0]]]
        assert np.isin(others, found).all()


def test_rare_patterns_of_stress_are_never_written() -> None:
    assert len(EAR.signatures) <= MAX_SIGNATURES
    for number, word in enumerate(EAR.words):
        if EAR.signature[number] >= 0:
            assert EAR.signatures[EAR.signature[number]] == EAR.sounds[number].stresses, word


def test_words_that_differ_by_an_apostrophe_are_compared_as_one() -> None:
    assert {EAR.words[number] for number in EAR.named("its")} == {"its", "it's"}
    assert EAR.named("zorbly") == []
