"""Words that rhyme with a word: what a writer who is stuck for an end may choose from.

All offered words are common, both pronouncers agree on their sound, and none is explicit. Their kind is heard by the
same ear that judges lines (`lyrics.rhyme`).
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache, lru_cache
from typing import NamedTuple

from lyrics.arpabet import VOWELS, Phones, num_syllables
from lyrics.explicit import is_explicit
from lyrics.phones import DICTIONARY, Lexicon
from lyrics.rhyme import RhymeKind, rhyme_kind, rhyming_part
from lyrics.syllables import words_of

MAX_OF_A_KIND = 40
RARER = 99
_WEAK = {"IH": "AH", "UH": "AH"}  # after the stressed vowel one weak vowel is as good as another


class Suggestion(NamedTuple):
    """A word that rhymes."""

    word: str
    num_syllables: int


class Suggestions(NamedTuple):
    """What rhymes with `word`, by kind, the commonest words first."""

    word: str
    perfect: tuple[Suggestion, ...]
    near: tuple[Suggestion, ...]
    assonance: tuple[Suggestion, ...]


def suggest(text: str, lexicon: Lexicon) -> Suggestions:
    """Rhymes for the last word of a text, as this lexicon's writer says it.

    >>> found = suggest("the neon's running low", Lexicon())
    >>> found.word, Suggestion("show", 1) in found.perfect, Suggestion("low", 1) in found.perfect
    ('low', True, False)
    >>> suggest("orange", Lexicon()).perfect
    ()

    Raises:
        ValueError: there is no word in it.
    """
    words = words_of(text)
    ways = lexicon.pronunciations(words[-1]) if words else ()
    if not ways:
        raise ValueError(f"{text!r} holds no word to rhyme with: send one, such as 'low'")
    return _rhymes(words[-1], tuple(dict.fromkeys(way.phones for way in ways)))


@lru_cache(maxsize=1_024)
def _rhymes(word: str, ways: tuple[Phones, ...]) -> Suggestions:
    found: dict[RhymeKind, list[Suggestion]] = {}
    taken = {word}
    for kind in (RhymeKind.PERFECT, RhymeKind.FAMILY, RhymeKind.ASSONANCE):
        fitting = [
            Suggestion(other, num_syllables(phones))
            for way in ways
            for other, phones in _by_vowels().get(_vowels(way), ())
            if other not in taken and rhyme_kind(way, phones) is kind
        ]
        found[kind] = sorted(set(fitting), key=_rank)[:MAX_OF_A_KIND]
        taken |= {suggestion.word for suggestion in fitting}
    return Suggestions(word, *map(tuple, found.values()))


def _rank(suggestion: Suggestion) -> tuple[bool, int, int, int, str]:
    """The commonest words first, short ones before long ones; possessives last."""
    word, num_heard = suggestion
    return "'" in word, _levels().get(word, RARER), num_heard, len(word), word


@cache
def _levels() -> dict[str, int]:
    """How common the commonest words are; a smaller number is commoner."""
    levels = (line.split() for line in (DICTIONARY / "commonest.txt").read_text(encoding="ascii").splitlines())
    return {word: int(level) for level, *words in reversed([*levels]) for word in words}


@cache
def _by_vowels() -> dict[Phones, list[tuple[str, Phones]]]:
    """All words that may be offered, by the vowels of their rhyming parts."""
    found: dict[Phones, list[tuple[str, Phones]]] = defaultdict(list)
    for word, phones in Lexicon().consensus().items():
        if not is_explicit(word):
            found[_vowels(phones)].append((word, phones))
    return dict(found)


def _vowels(phones: Phones) -> Phones:
    first, *after = (phone for phone in rhyming_part(phones) if phone in VOWELS)
    return (first, *(_WEAK.get(vowel, vowel) for vowel in after))
