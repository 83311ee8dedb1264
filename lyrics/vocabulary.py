"""The words that a line may be written with, and what matters of their sound: stresses, rhyme and plainness.

The decoder's own ear: it hears a word once, as the dictionaries agree on it, and shares nothing with the judge
(`lyrics.verify`), who tries every way of saying it. What is perfect here is perfect there; the reverse need not hold.

Two words rhyme perfectly when they sound alike from the last stressed vowel on and the sounds before it differ. They
are near when consonants after equal vowels are of one family, and assonant when those vowels agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from lyrics.arpabet import Phones, bare, is_vowel, stresses
from lyrics.clean import normalised_words
from lyrics.explicit import is_explicit
from lyrics.phones import Lexicon
from lyrics.syllables import words_of

MAX_SIGNATURES = 64  # a set of them is one machine word
_WEAK = {"IH0": "AH", "UH0": "AH"}
_FAMILIES = [frozenset(kin.split()) for kin in "B D G|P T K|V DH Z ZH JH|F TH S SH CH|M N NG".split("|")]
_VOICED = [frozenset(pair.split()) for pair in "B P|D T|G K|V F|DH TH|Z S|ZH SH|JH CH".split("|")]
_MAY_BE_ADDED = frozenset("T D S Z".split())
_VOWEL_LETTERS = frozenset("aeiouy")
_LONE_LETTERS = frozenset(("a", "i", "o"))
# Words that lean on what follows: nobody ends a line with them by choice.
_LEANING = frozenset(
    """a an the my your his our their its of and or nor but if than as at by for from in into to with that this these
    those i'm you're we're they're he's she's it's i'll you'll we'll they'll i've you've we've they've is are was were
    am be been has have had do does did can could will would shall should may might must who whom whose which while
    because 'cause when where though although until unless upon every each i he she we they""".split()
)

_HEADINGS = frozenset("chorus prechorus verse bridge hook intro outro refrain".split())
# Every pronouncer gives them one syllable, but not one vowel.
_FUNCTION_WORDS: dict[str, Phones] = {"a": ("AH0",), "than": ("DH", "AE1", "N")}

Words = NDArray[np.int32]
_NONE = np.empty(0, np.int32)


class Sound(NamedTuple):
    """What matters of how a word sounds. `tail` runs from the last stressed vowel; `before` is the sound before it,
    "" for none; `vowels` are those of the whole word, the last first, weak ones as one."""

    stresses: tuple[int, ...]
    tail: Phones
    before: str
    vowels: Phones

    @classmethod
    def of(cls, phones: Phones) -> Self:
        """The sound of a word with at least one vowel.

        >>> sound = Sound.of(tuple("D IH0 L AY1 T".split()))
        >>> sound.tail, sound.before, sound.stresses
        (('AY', 'T'), 'L', (0, 1))
        """
        vowels = [place for place, phone in enumerate(phones) if is_vowel(phone)]
        start = next((place for place in reversed(vowels) if phones[place][-1] != "0"), vowels[-1])
        before = phones[start - 1] if start and not is_vowel(phones[start - 1]) and phones[start - 1] != "NG" else ""
        tail = (bare(phones[start]), *map(_plain, phones[start + 1 :]))
        return cls(stresses(phones), tail, before, tuple(_plain(phones[place]) for place in reversed(vowels)))


def _plain(phone: str) -> str:
    return _WEAK.get(phone, bare(phone))


def _sings(phone: str) -> bool:
    return phone[0] in "AEIOU"


class Vocabulary:
    """Words by number. Arrays are `[num_words]`; sets of words are sorted arrays of numbers."""

    def __init__(self, entries: dict[str, Phones], rhyming: Iterable[str]) -> None:
        self.words = tuple(sorted(entries))
        self.number = {word: number for number, word in enumerate(self.words)}
        self.sounds = [Sound.of(entries[word]) for word in self.words]
        self.signatures, self.signature = _signatures(self.sounds)
        self.num_syllables = np.array([len(sound.stresses) for sound in self.sounds], np.int32)
        self.is_clean = np.array([not is_explicit(word) for word in self.words])
        self.may_end = np.array([word not in _LEANING for word in self.words])
        rhymes = frozenset(rhyming)
        self.can_rhyme = np.array([word in rhymes for word in self.words]) & self.may_end
        tails = {tail: place for place, tail in enumerate(dict.fromkeys(sound.tail for sound in self.sounds))}
        befores = {before: place for place, before in enumerate(dict.fromkeys(sound.before for sound in self.sounds))}
        self.tails = tuple(tails)
        self.tail = np.array([tails[sound.tail] for sound in self.sounds], np.int32)
        self.before = np.array([befores[sound.before] for sound in self.sounds], np.int32)
        self.kind = self.tail.astype(np.int64) * len(befores) + self.before  # words of one kind sound the same
        self._tail_number = tails
        self._before_number = befores
        self._by_tail = _grouped(self.tail)
        self._by_tail_vowels = _tails_by_vowels(self.tails)
        self._normal: dict[str, list[int]] = {}
        for number, word in enumerate(self.words):
            self._normal.setdefault("".join(normalised_words(word)), []).append(number)

    @classmethod
    @cache
    def shipped(cls) -> Self:
        """The words that the dictionaries agree on."""
        lexicon = Lexicon()
        known = {**_FUNCTION_WORDS, **lexicon.slang(), **lexicon.steady()}
        entries = {word: phones for word, phones in known.items() if _is_writable(word)}
        return cls(entries, lexicon.consensus())

    def named(self, normalised: str) -> list[int]:
        """The words that are compared as this one is: `its` are it's and its.

        >>> [Vocabulary.shipped().words[number] for number in Vocabulary.shipped().named("its")]
        ["it's", 'its']
        """
        return self._normal.get(normalised, [])

    def with_tail_of(self, sound: Sound) -> Words:
        """The words whose tail is this one's, identical ones too."""
        return self.of_tail(self._tail_number.get(sound.tail, -1))

    def of_tail(self, tail: int) -> Words:
        """The words of the tail of that number."""
        return self._by_tail.get(tail, _NONE)

    def groups(self, strictness: str) -> NDArray[np.int32]:
        """For each word the number of a group whose words all rhyme so, but for those that sound the same, or -1.

        Groups of near rhymes are those of perfect ones, since what is near to one may not be near to another.
        """
        return _groups(self, strictness)

    def rhymes(self, sound: Sound, strictness: str) -> Words:
        """The words of rhyme position that rhyme with this sound; strictness as `lyrics.form` has it.

        >>> ear = Vocabulary.shipped()
        >>> night = ear.sounds[ear.number["night"]]
        >>> strict, near = (set(ear.rhymes(night, kind)) for kind in ("perfect", "near"))
        >>> [ear.number[word] in strict for word in ("delight", "ride", "knight", "night")], ear.number["ride"] in near
        ([True, False, False, False], True)
        """
        tails = self._tails_near(sound.tail, strictness)
        if strictness.startswith("multi:"):
            found = self._sharing(sound.vowels, int(strictness.removeprefix("multi:")))
        else:
            found = np.concatenate([self.of_tail(tail) for tail in tails] or [_NONE])
        same_tail = self.tail[found] == self._tail_number.get(sound.tail, -1)
        same_before = self.before[found] == self._before_number.get(sound.before, -1)
        kept: Words = np.sort(found[self.can_rhyme[found] & ~(same_tail & same_before)])
        return kept

    def ending_alike(self, num: int) -> dict[Phones, Words]:
        """The words of rhyme position with at least `num` syllables, by their last `num` vowels."""
        return _by_last_vowels(self, num)

    def _sharing(self, vowels: Phones, num: int) -> Words:
        return self.ending_alike(num).get(vowels[:num], _NONE)

    def _tails_near(self, tail: Phones, strictness: str) -> list[int]:
        if strictness == "perfect":
            return [self._tail_number[tail]] if tail in self._tail_number else []
        others = self._by_tail_vowels.get(tuple(filter(_sings, tail)), [])
        if strictness == "near":
            return [other for other in others if are_kin(tail, self.tails[other])]
        return others


def are_kin(one: Phones, other: Phones) -> bool:
    """Whether two tails have the same vowels and, after each, consonants of one family or one sound more at the end.

    >>> are_kin(("AY", "T"), ("AY", "D")), are_kin(("AY", "T"), ("AY", "N")), are_kin(("AE", "S"), ("AE", "S", "T"))
    (True, False, True)
    """
    mine, theirs = _clusters(one), _clusters(other)
    return [vowel for vowel, _ in mine] == [vowel for vowel, _ in theirs] and all(
        _are_kin_clusters(a, b) for (_, a), (_, b) in zip(mine, theirs, strict=True)
    )


def _are_kin_clusters(one: Phones, other: Phones) -> bool:
    short, long = sorted((one, other), key=len)
    if len(short) < len(long):
        return len(long) == len(short) + 1 > 1 and long[:-1] == short and long[-1] in _MAY_BE_ADDED
    return all(
        a == b or {a, b} in _VOICED or any(a in kin and b in kin for kin in _FAMILIES)
        for a, b in zip(one, other, strict=True)
    )


def _clusters(tail: Phones) -> list[tuple[str, Phones]]:
    """Each vowel and the consonants after it."""
    starts = [place for place, phone in enumerate(tail) if _sings(phone)]
    return [(tail[at], tail[at + 1 : end]) for at, end in zip(starts, [*starts[1:], len(tail)], strict=True)]


def _tails_by_vowels(tails: Iterable[Phones]) -> dict[Phones, list[int]]:
    found: dict[Phones, list[int]] = {}
    for place, tail in enumerate(tails):
        found.setdefault(tuple(filter(_sings, tail)), []).append(place)
    return found


@cache
def _groups(vocabulary: Vocabulary, strictness: str) -> NDArray[np.int32]:
    if strictness in ("perfect", "near"):
        return vocabulary.tail
    if strictness == "assonance":
        keys = [tuple(filter(_sings, sound.tail)) for sound in vocabulary.sounds]
    else:
        num = int(strictness.removeprefix("multi:"))
        keys = [sound.vowels[:num] if len(sound.vowels) >= num else () for sound in vocabulary.sounds]
    place: dict[Phones, int] = {(): -1}
    return np.array([place.setdefault(key, len(place) - 1) for key in keys], np.int32)


@cache
def _by_last_vowels(vocabulary: Vocabulary, num: int) -> dict[Phones, Words]:
    found: dict[Phones, list[int]] = {}
    for number in np.flatnonzero(vocabulary.can_rhyme & (vocabulary.num_syllables >= num)):
        found.setdefault(vocabulary.sounds[number].vowels[:num], []).append(int(number))
    return {vowels: np.array(numbers, np.int32) for vowels, numbers in found.items()}


def _signatures(sounds: list[Sound]) -> tuple[tuple[tuple[int, ...], ...], NDArray[np.int32]]:
    """The commonest patterns of stress, and each word's; -1 where it is too rare to be written."""
    counts: dict[tuple[int, ...], int] = {}
    for sound in sounds:
        counts[sound.stresses] = counts.get(sound.stresses, 0) + 1
    common = sorted(counts, key=lambda pattern: (-counts[pattern], pattern))[:MAX_SIGNATURES]
    place = {pattern: index for index, pattern in enumerate(common)}
    return tuple(common), np.array([place.get(sound.stresses, -1) for sound in sounds], np.int32)


def _grouped(values: NDArray[np.int32]) -> dict[int, Words]:
    order = np.argsort(values, kind="stable").astype(np.int32)
    edges = np.flatnonzero(np.diff(values[order])) + 1
    return {int(values[group[0]]): group for group in np.split(order, edges) if len(group)}


def surfaces(word: str) -> Iterable[str]:
    """How a word may be written: `i` and its kin are always capital, and what heads a section never is.

    >>> [*surfaces("night"), *surfaces("i'm"), *surfaces("'cause")]
    ['night', 'Night', "I'm", "'cause"]
    """
    if word != "i" and not word.startswith("i'"):
        yield word
    if word[0] != "'" and word not in _HEADINGS:
        yield word[0].upper() + word[1:]


def _is_writable(word: str) -> bool:
    """Whether a word can be written and heard as itself: no lone letters, no vowelless pieces, no stray marks."""
    if len(word) == 1:
        return word in _LONE_LETTERS
    has_vowel = not _VOWEL_LETTERS.isdisjoint(word)
    return has_vowel and word.replace("'", "").isalpha() and words_of(word) == (word,)
