"""Which words may end a line of a stanza, given the ends of the lines before it.

A first line may end only in a word with enough rhymes, in every line of its group; those that follow rhyme with all
before them, and with no line that the scheme parts from theirs. Knows words and sounds, and nothing of what stands
before the end.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lyrics.clean import normalised_words
from lyrics.form import FREE_LINE, Form
from lyrics.phones import Lexicon
from lyrics.slots import Pattern, PatternSet, stands
from lyrics.syllables import words_of
from lyrics.vocabulary import Sound, Vocabulary, Words

SPARE_RHYMES = 3  # words beyond those needed that a rhyme must have before a line may open with it
ENOUGH = 8  # of common words at a line's end: then rarer ones are left out
MANY_OPENERS = 3_000  # words: then rarer ones do not open a rhyme
MANY = 40  # words of one stress pattern in a large set, so that no ban can empty it
MAX_REMEMBERED = 512  # of each kind; the largest takes 40 kB

Mask = NDArray[np.bool_]
Span = tuple[int, int, str | None]
"""The fewest and most syllables of a line, and its grid."""


class Impossible(ValueError):
    """No line can keep the form; the message names the reason and what would help."""


class Foreign(NamedTuple):
    """A word, or several, that the vocabulary lacks or this writer says otherwise, as it is to be written."""

    text: str
    sound: Sound
    may_rhyme: bool


class WordSet(NamedTuple):
    """Words, sorted. A large set has a name to remember it under, and its bans are looked after while writing; a small
    one has none and holds no banned word."""

    numbers: Words
    key: Hashable = None


class Written(NamedTuple):
    """The end of a line that stands: its letter, its last word and how that sounds."""

    letter: str
    word: str
    sound: Sound


class WordBook:
    """A vocabulary as one tokenizer has it: `rarity` says how rare each word is, 1 for common ones. Remembers what was
    worked out for one stanza, since the next is like it."""

    def __init__(self, vocabulary: Vocabulary, rarity: NDArray[np.integer]) -> None:
        self.vocabulary = vocabulary
        self.rarity = rarity
        self._sets: dict[Hashable, WordSet] = {}
        self._fitting: dict[Hashable, Mask] = {}
        self._rhymes: dict[Hashable, Words] = {}
        self._patterns: dict[Hashable, PatternSet] = {}

    def large_set(self, key: Hashable, is_in: Callable[[], Mask]) -> WordSet:
        """A set by its name; `is_in` says which words it has, when it is not remembered."""
        if key not in self._sets:
            self._forget_some(self._sets)
            self._sets[key] = WordSet(_sorted(is_in()), key)
        return self._sets[key]

    def fits_end(self, spans: tuple[Span, ...]) -> Mask:
        """Whether each word may end a line of one of these lengths and grids, by its stresses alone."""
        if spans not in self._fitting:
            self._forget_some(self._fitting)
            fits = [any(_may_end(pattern, span) for span in spans) for pattern in self.vocabulary.signatures]
            self._fitting[spans] = np.array([*fits, False])[self.vocabulary.signature]
        return self._fitting[spans]

    def rhymes(self, sound: Sound, strictness: str) -> Words:
        """The words that rhyme with a sound, see `Vocabulary.rhymes`."""
        key = (sound, strictness)
        if key not in self._rhymes:
            self._forget_some(self._rhymes)
            self._rhymes[key] = self.vocabulary.rhymes(sound, strictness)
        return self._rhymes[key]

    def patterns(self, words: WordSet) -> PatternSet:
        """The patterns of these words; of a large set only those of many words are sure."""
        if words.key is None:
            some = self._bits(words, 1)
            return PatternSet(some, some)
        if words.key not in self._patterns:
            self._forget_some(self._patterns)
            self._patterns[words.key] = PatternSet(self._bits(words, 1), self._bits(words, MANY))
        return self._patterns[words.key]

    def _bits(self, words: WordSet, least: int) -> int:
        counts = np.bincount(self.vocabulary.signature[words.numbers] + 1)[1:]
        return sum(1 << place for place, count in enumerate(counts.tolist()) if count >= least)

    def _forget_some(self, remembered: dict[Hashable, Any]) -> None:
        if len(remembered) >= MAX_REMEMBERED:
            remembered.clear()


class Ends:
    """The ends of one stanza's lines. `spans` are, line by line, the lengths and grids that it may have; `foreign` the
    words that the vocabulary lacks, and `banned` those of the vocabulary that may stand nowhere."""

    def __init__(
        self,
        form: Form,
        book: WordBook,
        lexicon: Lexicon,
        *,
        spans: Sequence[Sequence[Span]],
        foreign: Sequence[Foreign],
        banned: Words,
    ) -> None:
        """Raises:
        Impossible: nobody knows how a given rhyme is said.
        """
        words = book.vocabulary
        self.is_clean = np.ones(len(words.words), bool) if form.explicit else words.is_clean
        self.free = book.large_set(("free", form.explicit), lambda: self.is_clean & words.may_end)
        self._form = form
        self._lines = form.line_forms()
        self._book = book
        self._words = words
        self._spans = spans
        self._foreign = foreign
        self._banned = banned
        self._given = {letter: _sounds_of(given, lexicon) for letter, given in form.rhymes.items() if given}

    def of_line(
        self, number: int, written: Sequence[Written], banned_ends: Words
    ) -> tuple[WordSet, frozenset[Foreign]]:
        """The words that may end a line, counted from 0, after these; `banned_ends` are what `banned` says of it."""
        letter = self._lines[number].rhyme
        if letter is None:
            return self.free, frozenset(self._foreign)
        partners = [end.sound for end in written if end.letter == letter] + self._given.get(letter, [])
        if not partners:
            return self._openers(letter), frozenset()
        found = self._rhyming_with(partners)
        found = without(found[self._fits_end(number)[found]], banned_ends, self._banned)
        used = {end.word for end in written}
        foreign = (word for word in self._foreign_rhymes(partners) if normalised_words(word.text)[-1] not in used)
        return WordSet(self._common(found)), frozenset(foreign)

    def banned(self, number: int, written: Sequence[Written]) -> Words:
        """Words used at an end already, and those that would rhyme with a line that this one must be apart from."""
        letter = self._form.scheme[number]
        given = normalised_words(" ".join(self._form.rhymes.get(letter, ())))
        used = numbers_of([*(end.word for end in written), *given], self._words)
        if letter == FREE_LINE or self._form.strictness.startswith("multi:"):
            return used
        apart = [end.sound for end in written if end.letter not in (FREE_LINE, letter)]
        return np.unique(np.concatenate([used, *map(self._words.with_tail_of, apart)]))

    def opens(self, number: int) -> bool:
        """Whether what a line ends in does not hang on the lines before it."""
        letter = self._lines[number].rhyme
        earlier = [line.rhyme for line in self._lines[:number]]
        return letter is None or letter in self._given or letter not in earlier

    def check_given(self) -> None:
        """Raises:
        Impossible: too few words rhyme with those that the form gives.
        """
        for letter, given in self._given.items():
            self._check_given(letter, given)

    def _check_given(self, letter: str, given: Sequence[Sound]) -> None:
        words, form = self._form.rhymes[letter], self._form
        named = " and ".join(repr(word) for word in words)
        own = numbers_of(normalised_words(" ".join(words)), self._words)
        found = without(self._rhyming_with(given), own, self._banned)
        kind = {"perfect": "strictly", "near": "nearly", "assonance": "by its vowels"}.get(
            form.strictness, f"over {form.num_rhyming_syllables} syllables"
        )
        foreign = self._foreign_rhymes(given)
        lines = [number for number, line in enumerate(self._lines) if line.rhyme == letter]
        if not len(found) and not foreign:
            raise Impossible(f"no common word rhymes {kind} with {named}")
        if len(found) + len(foreign) < len(lines):
            raise Impossible(f"only {len(found)} words rhyme {kind} with {named}, and {len(lines)} lines need one each")
        for number in lines:
            if not foreign and not self._fits_end(number)[found].any():
                raise Impossible(
                    f"{len(found)} words rhyme {kind} with {named}, but none of them can end line {number + 1}: its "
                    "syllables and metre stand against them"
                )

    def _foreign_rhymes(self, partners: Sequence[Sound]) -> list[Foreign]:
        strictness = self._form.strictness
        return [
            word
            for word in self._foreign
            if word.may_rhyme and all(_do_rhyme(word.sound, partner, strictness) for partner in partners)
        ]

    def _rhyming_with(self, partners: Sequence[Sound]) -> Words:
        found = self._book.rhymes(partners[0], self._form.strictness)
        for partner in partners[1:]:
            found = np.intersect1d(found, self._book.rhymes(partner, self._form.strictness), assume_unique=True)
        clean: Words = found[self.is_clean[found]]
        return clean

    def _openers(self, letter: str) -> WordSet:
        """The words that may end the first line of a group: enough others rhyme with each, in every line of it."""
        places = [place for place, line in enumerate(self._lines) if line.rhyme == letter]
        spans = tuple(tuple(self._spans[place]) for place in places)
        key = ("openers", self._form.strictness, self._form.explicit, spans, self._banned.tobytes())
        return self._book.large_set(key, lambda: self._opening_words(places))

    def _opening_words(self, places: Sequence[int]) -> Mask:
        words = self._words
        groups = words.groups(self._form.strictness)
        usable = words.can_rhyme & self.is_clean & (groups >= 0)
        usable[self._banned] = False
        usable &= self._book.rarity <= self._plain(usable)
        needed = len(places) + SPARE_RHYMES
        num_groups = int(groups.max(initial=0)) + 1
        kinds = np.unique(words.kind[usable] * num_groups + groups[usable])  # which sounds each group has
        is_rich = np.bincount(kinds % num_groups, minlength=num_groups) >= needed
        for place in places:
            fitting = usable & self._fits_end(place)
            is_rich &= np.bincount(groups[fitting], minlength=len(is_rich)) >= needed
        mask: Mask = usable & self._fits_end(places[0]) & is_rich[np.maximum(groups, 0)]
        return mask

    def _common(self, found: Words) -> Words:
        """The common ones of these words, when they are enough; else also rarer ones."""
        for rarity in range(1, 4):
            kept = found[self._book.rarity[found] <= rarity]
            if len(kept) >= ENOUGH:
                return kept
        return found

    def _plain(self, usable: Mask) -> int:
        """How rare a word may be to open a rhyme: no rarer than leaves thousands to choose from."""
        rarities = np.sort(self._book.rarity[usable])
        return int(rarities[: MANY_OPENERS + 1][-1]) if len(rarities) else 0

    def _fits_end(self, number: int) -> Mask:
        return self._book.fits_end(tuple(self._spans[number]))


def numbers_of(normalised: Iterable[str], vocabulary: Vocabulary) -> Words:
    """The words of a vocabulary that are compared as one of these, sorted."""
    return np.array(sorted({number for word in normalised for number in vocabulary.named(word)}), np.int32)


def without(words: Words, *bans: Words) -> Words:
    """The words that no ban names."""
    for ban in bans:
        if len(ban):
            words = words[~np.isin(words, ban, assume_unique=True)]
    return words


def _sounds_of(words: Sequence[str], lexicon: Lexicon) -> list[Sound]:
    sounds = []
    for text in words:
        heard = words_of(text)
        ways = lexicon.pronunciations(heard[-1]) if heard else ()
        if not ways:
            raise Impossible(f"nobody knows how {text!r} is said: add a pronunciation, and it can be rhymed with")
        sounds.append(Sound.of(ways[0].phones))
    return sounds


def _may_end(pattern: Pattern, span: Span) -> bool:
    low, high, grid = span
    starts = range(max(0, low - len(pattern)), high - len(pattern) + 1)
    return any(stands(pattern, grid, at) for at in starts)


def _sorted(mask: Mask) -> Words:
    return np.flatnonzero(mask).astype(np.int32)


def _do_rhyme(one: Sound, other: Sound, strictness: str) -> bool:
    """Perfect rhyme, or vowels that agree over as many syllables as `multi:` asks: for words of no dictionary."""
    if one.tail == other.tail:
        return one.before != other.before
    num = strictness.removeprefix("multi:")
    return num.isdigit() and len(one.vowels) >= int(num) and one.vowels[: int(num)] == other.vowels[: int(num)]
