"""A form while a stanza is being written: line by line, which words may stand and which may end.

`Stanza` is a form made ready for one request. `begin_line` says what the next line must keep, given the lines so far;
by what it says a line can always be finished, and so can those that rhyme with it. Knows words and sounds, not tokens.
The judge (`lyrics.verify`) shares none of this.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lyrics.clean import is_heading, normalised_words
from lyrics.explicit import find_explicit, is_explicit
from lyrics.form import FREE_LINE, Form, LineForm
from lyrics.originality import OriginalityIndex
from lyrics.phones import Lexicon, Phones
from lyrics.slots import LinePlan, Pattern, PatternSet, Required, plan, stands
from lyrics.syllables import readings, words_of
from lyrics.vocabulary import Sound, Vocabulary, Words, surfaces

SPARE_RHYMES = 3  # words beyond those needed that a rhyme must have before a line may open with it
ENOUGH = 8  # of common words at a line's end: then rarer ones are left out
MANY_OPENERS = 3_000  # words: then rarer ones do not open a rhyme
SMALL = 2_000  # words; a smaller set is gone through word by word
MAX_DUES = 4  # words that a line owes; a plan looks at all subsets of them
MAX_WAYS = 64  # to rhyme within a line that are tried
MANY = 40  # words of one stress pattern in a large set, so that no ban can empty it
_NONE = np.empty(0, np.int32)

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


class Due(NamedTuple):
    """A word that a line owes: any of these."""

    words: frozenset[int]
    foreign: Foreign | None = None
    may_end: bool = True


@dataclass(frozen=True)
class Line:
    """What one line must keep. `banned` may stand nowhere, `banned_ends` not at the end."""

    plan: LinePlan
    middle: WordSet
    ends: WordSet
    banned: Words
    banned_ends: Words
    dues: tuple[Due, ...]
    foreign_ends: frozenset[Foreign]

    def paid(self, owed: int, word: int | Foreign) -> int:
        """What is owed after this word."""
        for place, due in enumerate(self.dues):
            if owed >> place & 1 and (word == due.foreign if isinstance(word, Foreign) else word in due.words):
                return owed & ~(1 << place)
        return owed

    def may_end(self, word: int | Foreign) -> bool:
        """Whether it may be the last word, as far as words go."""
        if isinstance(word, Foreign):
            return word in self.foreign_ends
        return _has(self.ends.numbers, word) and not _has(self.banned_ends, word) and not _has(self.banned, word)


@dataclass(frozen=True)
class Opening:
    """Where the writer left off: the words begun of the first line, how many syllables they have, and the letters of a
    word that is only half typed, with the words that begin so."""

    num_syllables: int = 0
    words: tuple[str, ...] = ()
    fragment: str = ""
    starts: tuple[int | Foreign, ...] = ()


class Stanza:
    """A form, made ready. `rarity` says of each word how rare it is, 1 for common ones."""

    def __init__(
        self,
        form: Form,
        vocabulary: Vocabulary,
        lexicon: Lexicon,
        *,
        rarity: NDArray[np.integer],
        personal: Iterable[str] = (),
        index: OriginalityIndex | None = None,
        begun: str = "",
    ) -> None:
        """Raises:
        Impossible: no text can keep the form, as far as can be told before it is written.
        """
        self.form = form
        self.vocabulary = vocabulary
        self.index = index
        self.lines = form.line_forms()
        self._lexicon = lexicon
        self._rarity = rarity
        self._personal = tuple(dict.fromkeys(personal))
        excluded = [normalised_words(word) for word in form.exclude]
        self.phrases = tuple(words for words in excluded if len(words) > 1)
        self._excluded = frozenset(words[0] for words in excluded if len(words) == 1)
        self.foreign = [self._foreign(word, may_rhyme=True) for word in self._personal if self._may_stand(word)]
        self._include = [self._included(word) for word in form.include]
        self.foreign += [due.foreign for due in self._include if due.foreign and due.foreign not in self.foreign]
        self._banned = self._numbers([*self._excluded, *self._personal])
        is_clean = np.ones(len(vocabulary.words), bool) if form.explicit else vocabulary.is_clean
        self._is_clean = is_clean
        self._middle = WordSet(_sorted(is_clean), ("middle", form.explicit))
        self._free = WordSet(_sorted(is_clean & vocabulary.may_end), ("free", form.explicit))
        self._opening_words: dict[str, WordSet] = {}
        self._grids = [self._grids_of(line) for line in self.lines]
        self._fitting: dict[int, Mask] = {}
        self._known_patterns: dict[Hashable, PatternSet] = {}
        self._given = {letter: self._given_sounds(words) for letter, words in form.rhymes.items() if words}
        self.opening = self._opening(*self._parted(begun))
        self._shares = self._share_out()
        self._check()

    # -- what is asked while writing ------------------------------------------------------------------------------

    def begin_line(self, number: int, written: Sequence[Written], missing: frozenset[int], random: Random) -> Line:
        """What line `number`, from 0, must keep after these; `missing` are the form's words that have not come yet.

        Raises:
            Impossible: the lines so far leave no word to end it with.
        """
        wanted = [place for place in self._shares[number] if place in missing]
        is_last = number == len(self.lines) - 1
        if is_last:
            wanted += sorted(missing - set(wanted))
        if len(wanted) > 2 * MAX_DUES:
            raise Impossible(self._why_not(number, wanted, has_ends=True))
        banned_ends = self._banned_ends(number, written)
        ends, foreign = self._ends(number, written, banned_ends)
        grids = random.sample(self._grids[number], len(self._grids[number]))
        for num_wanted in range(len(wanted), len(wanted) - 1 if is_last else -1, -1):
            for span in grids:
                line = self._line(span, ends, foreign, banned_ends, wanted[:num_wanted])
                ways: Iterable[Line] = [line]
                if self.form.internal_rhyme:
                    ways = islice(self._with_internal_rhymes(line, span, random), MAX_WAYS)
                for way in ways:
                    if self._can_begin(way, number):
                        return way
        raise Impossible(self._why_not(number, wanted, bool(len(ends.numbers) or foreign)))

    def missing(self, words: Sequence[str]) -> frozenset[int]:
        """The form's words that are not among these, which are normalised."""
        text = f" {' '.join(words)} "
        phrases = enumerate(self.form.include)
        return frozenset(place for place, phrase in phrases if f" {' '.join(normalised_words(phrase))} " not in text)

    def forbidden_next(self, words: Sequence[str]) -> list[int]:
        """The words that may not follow these, normalised: they would end a known run or an excluded phrase."""
        return [number for word in self._forbidden(words) for number in self.vocabulary.named(word)]

    def may_follow(self, words: Sequence[str], text: str) -> bool:
        """Whether a text of several words may follow these without a known run or an excluded word or phrase."""
        said = normalised_words(text)
        return not any(
            word in self._excluded or word in self._forbidden([*words, *said[:place]])
            for place, word in enumerate(said)
        )

    def _forbidden(self, words: Sequence[str]) -> list[str]:
        found: list[str] = []
        if self.index is not None and self.form.originality:
            found += self.index.completions(words, self.form.originality.n)
        return found + [phrase[-1] for phrase in self.phrases if tuple(words[1 - len(phrase) :]) == phrase[:-1]]

    def written(self, number: int, word: int | Foreign) -> Written:
        """The end of a line that has just been written."""
        if isinstance(word, Foreign):
            return Written(self.form.scheme[number], normalised_words(word.text)[-1], word.sound)
        spelling, sound = self.vocabulary.words[word], self.vocabulary.sounds[word]
        return Written(self.form.scheme[number], normalised_words(spelling)[-1], sound)

    # -- ends -----------------------------------------------------------------------------------------------------

    def _ends(self, number: int, written: Sequence[Written], banned_ends: Words) -> tuple[WordSet, frozenset[Foreign]]:
        letter = self.lines[number].rhyme
        if letter is None:
            return self._free, frozenset(self.foreign)
        partners = [end.sound for end in written if end.letter == letter] + self._given.get(letter, [])
        if not partners:
            return self._openers(letter), frozenset()
        found = self._rhyming_with(partners)
        found = _without(found[self._fits_end(number)[found]], banned_ends, self._banned)
        used = {end.word for end in written}
        foreign = frozenset(
            word
            for word in self.foreign
            if word.may_rhyme
            and normalised_words(word.text)[-1] not in used
            and all(_do_rhyme(word.sound, partner, self.form.strictness) for partner in partners)
        )
        return WordSet(self._common(found)), foreign

    def _rhyming_with(self, partners: Sequence[Sound]) -> Words:
        found = self.vocabulary.rhymes(partners[0], self.form.strictness)
        for partner in partners[1:]:
            found = np.intersect1d(found, self.vocabulary.rhymes(partner, self.form.strictness), assume_unique=True)
        clean: Words = found[self._is_clean[found]]
        return clean

    def _openers(self, letter: str) -> WordSet:
        """The words that may end the first line of a group: enough others rhyme with each, in every line of it."""
        if letter not in self._opening_words:
            places = [place for place, line in enumerate(self.lines) if line.rhyme == letter]
            words = self.vocabulary
            groups = words.groups(self.form.strictness)
            usable = words.can_rhyme & self._is_clean & (groups >= 0)
            usable[self._banned] = False
            usable &= self._rarity <= self._plain(usable)
            needed = len(places) + SPARE_RHYMES
            num_groups = int(groups.max(initial=0)) + 1
            kinds = np.unique(words.kind[usable] * num_groups + groups[usable])  # which sounds each group has
            is_rich = np.bincount(kinds % num_groups, minlength=num_groups) >= needed
            for place in places:
                fitting = usable & self._fits_end(place)
                is_rich &= np.bincount(groups[fitting], minlength=len(is_rich)) >= needed
            numbers = _sorted(usable & self._fits_end(places[0]) & is_rich[np.maximum(groups, 0)])
            spans = tuple(tuple(self._grids[place]) for place in places)
            key = ("openers", self.form.strictness, self.form.explicit, spans, self._banned.tobytes())
            self._opening_words[letter] = WordSet(numbers, key)
        return self._opening_words[letter]

    def _banned_ends(self, number: int, written: Sequence[Written]) -> Words:
        """Words used at an end already, and those that would rhyme with a line that this one must be apart from."""
        letter = self.form.scheme[number]
        given = normalised_words(" ".join(self.form.rhymes.get(letter, ())))
        used = self._numbers([end.word for end in written] + [*given])
        if letter == FREE_LINE or self.form.strictness.startswith("multi:"):
            return used
        apart = [end.sound for end in written if end.letter not in (FREE_LINE, letter)]
        return np.unique(np.concatenate([used, *map(self.vocabulary.with_tail_of, apart)]))

    def _common(self, found: Words) -> Words:
        """The common ones of these words, when they are enough; else also rarer ones."""
        for rarity in range(1, 4):
            kept = found[self._rarity[found] <= rarity]
            if len(kept) >= ENOUGH:
                return kept
        return found

    def _plain(self, usable: Mask) -> int:
        """How rare a word may be to open a rhyme: no rarer than leaves thousands to choose from."""
        rarities = np.sort(self._rarity[usable])
        return int(rarities[: MANY_OPENERS + 1][-1]) if len(rarities) else 0

    def _fits_end(self, number: int) -> Mask:
        """Whether each word may end line `number`, by its stresses alone."""
        if number not in self._fitting:
            spans = self._grids[number]
            fits = [any(_may_end(pattern, span) for span in spans) for pattern in self.vocabulary.signatures]
            self._fitting[number] = np.array([*fits, False])[self.vocabulary.signature]
        return self._fitting[number]

    # -- lines ----------------------------------------------------------------------------------------------------

    def _line(
        self,
        span: Span,
        ends: WordSet,
        foreign_ends: frozenset[Foreign],
        banned_ends: Words,
        wanted: Sequence[int],
        internal: Words | None = None,
    ) -> Line:
        dues = [self._include[place] for place in wanted]
        if internal is not None:
            dues.append(Due(frozenset(internal.tolist()), may_end=False))
        if ends.key is not None and len(ends.numbers) < SMALL:
            ends = WordSet(_without(ends.numbers, banned_ends, self._banned))
        required = tuple(self._required(due, ends, foreign_ends, banned_ends) for due in dues)
        line_plan = plan(
            self.vocabulary.signatures,
            *span,
            self._patterns(self._middle),
            self._patterns(ends),
            frozenset(word.sound.stresses for word in foreign_ends),
            required,
        )
        return Line(line_plan, self._middle, ends, self._banned, banned_ends, tuple(dues), foreign_ends)

    def _with_internal_rhymes(self, line: Line, span: Span, random: Random) -> Iterator[Line]:
        """The line with one rhyme chosen for its end and for a word within it: in all ways, in any order."""
        words = self.vocabulary
        ends = _without(line.ends.numbers, line.banned_ends, self._banned)
        ends = ends[words.can_rhyme[ends]]
        tails, counts = np.unique(words.tail[ends], return_counts=True)
        choices = dict(zip(tails.tolist(), counts.tolist(), strict=True))
        wanted = [self._include.index(due) for due in line.dues]
        kin = _sorted(np.isin(words.tail, tails) & words.can_rhyme & self._is_clean)
        loosest = self._line(span, WordSet(ends), frozenset(), line.banned_ends, wanted, kin)
        if not loosest.plan.can_finish(0, loosest.plan.all_owed):
            return
        while choices:
            tail = random.choices([*choices], [*choices.values()])[0]
            del choices[tail]
            same = words.of_tail(tail)
            same = _without(same[words.can_rhyme[same] & self._is_clean[same]], self._banned)
            own = ends[words.tail[ends] == tail]
            befores = np.unique(words.before[same]).tolist()
            random.shuffle(befores)
            for last in (
                befores[len(befores) // 2 :],
                *([before] for before in befores),
            ):  # so that none sound the same
                is_last = np.isin(words.before, last)
                own_ends, inside = own[is_last[own]], same[~is_last[same]]
                if len(own_ends) and len(inside):
                    yield self._line(span, WordSet(own_ends), frozenset(), line.banned_ends, wanted, inside)

    def _can_begin(self, line: Line, number: int) -> bool:
        """Whether the line can be finished, and from what the writer has half typed."""
        opening = self.opening if number == 0 else Opening()
        if not opening.fragment:
            return line.plan.can_finish(opening.num_syllables, line.plan.all_owed)
        banned = {*self.forbidden_next(opening.words), *line.banned.tolist()}
        return any(self._can_start(line, word) for word in opening.starts if word not in banned)

    def _can_start(self, line: Line, word: int | Foreign) -> bool:
        at, owed = self.opening.num_syllables, line.paid(line.plan.all_owed, word)
        if isinstance(word, Foreign):
            pattern, may_stand = word.sound.stresses, self.may_follow(self.opening.words, word.text)
        else:
            pattern, may_stand = self.vocabulary.sounds[word].stresses, bool(self._is_clean[word])
        if not may_stand:
            return False
        if line.plan.may_go_on_after(pattern, at, owed):
            return True
        return not owed and line.plan.may_end_with(pattern, at) and line.may_end(word)

    def _required(self, due: Due, ends: WordSet, foreign_ends: frozenset[Foreign], banned_ends: Words) -> Required:
        sounds = [self.vocabulary.sounds[word] for word in due.words] + ([due.foreign.sound] if due.foreign else [])
        able = due.words.intersection(ends.numbers.tolist()).difference(banned_ends.tolist()) if due.words else ()
        can_end = due.may_end and bool(able or due.foreign in foreign_ends)
        return Required(frozenset(sound.stresses for sound in sounds), can_end)

    def _patterns(self, words: WordSet) -> PatternSet:
        """The patterns of these words; of a large set only those of many words are sure."""
        if words.key is None:
            some = self._bits(np.bincount(self.vocabulary.signature[words.numbers] + 1)[1:], 1)
            return PatternSet(some, some)
        if words.key not in self._known_patterns:
            counts = np.bincount(self.vocabulary.signature[words.numbers] + 1)[1:]
            self._known_patterns[words.key] = PatternSet(self._bits(counts, 1), self._bits(counts, MANY))
        return self._known_patterns[words.key]

    @staticmethod
    def _bits(counts: NDArray[np.intp], least: int) -> int:
        return sum(1 << place for place, count in enumerate(counts.tolist()) if count >= least)

    def _grids_of(self, line: LineForm) -> list[Span]:
        """The lengths and grids to choose from; a metre that depends on the length makes each length a choice."""
        if line.metre is None:
            return [(line.min_syllables, line.max_syllables, None)]
        lengths = range(line.min_syllables, line.max_syllables + 1)
        if line.metre != "anapaestic":
            return [(lengths[0], lengths[-1], line.grid(lengths[-1]))]
        return [(length, length, line.grid(length)) for length in lengths]

    def _share_out(self) -> list[list[int]]:
        """Which of the form's words each line owes: one a line as far as that goes, where their stresses fit."""
        shares: list[list[int]] = [[] for _ in self.lines]
        for place, word in enumerate(self.form.include):
            order = sorted(
                range(len(self.lines)), key=lambda number: (len(shares[number]), (number - place) % len(shares))
            )
            able = (number for number in order if self._could_hold(number, [*shares[number], place]))
            number = next(able, None)
            if number is None:
                beside = " beside the others that must be in it" if place else ""
                raise Impossible(f"no line of this form has room for {word!r}{beside}")
            shares[number].append(place)
        return shares

    def _could_hold(self, number: int, wanted: Sequence[int]) -> bool:
        if len(wanted) > MAX_DUES:
            return False
        at = self.opening.num_syllables if number == 0 else 0
        foreign = frozenset(self.foreign if self.lines[number].rhyme is None else ())
        for span in self._grids[number]:
            line = self._line(span, self._free, foreign, _NONE, wanted)
            if line.plan.can_finish(at, line.plan.all_owed):
                return True
        return False

    # -- the writer's own words -----------------------------------------------------------------------------------

    def _included(self, text: str) -> Due:
        words = words_of(text)
        if not words:
            raise Impossible(f"{text!r} has nothing to sing: take it off the words that must stand in the text")
        if not self.form.explicit and is_explicit(text):
            raise Impossible(f"{text!r} is an explicit word: allow explicit words, or take it off the list")
        if not self.may_follow((), text):
            raise Impossible(f"{text!r} must be in it and must not be: take it off one of the lists")
        number = self.vocabulary.number.get(words[0]) if len(words) == 1 else None
        if number is not None and self.vocabulary.signature[number] >= 0 and words[0] not in self._personal:
            return Due(frozenset(self.vocabulary.named("".join(normalised_words(text)))) | {number})
        own = next((word for word in self.foreign if word.text == words[0]), None) if len(words) == 1 else None
        return Due(frozenset(), own or self._foreign(text.strip(), may_rhyme=False))

    def _foreign(self, text: str, *, may_rhyme: bool) -> Foreign:
        phones: list[str] = []
        for word in words_of(text):
            ways = self._lexicon.pronunciations(word)
            if not ways:
                raise Impossible(f"nobody knows how {word!r} is said: add a pronunciation, or take it off the list")
            phones += ways[0].phones
        return Foreign(text, Sound.of(tuple(phones)), may_rhyme)

    def _may_stand(self, word: str) -> bool:
        return bool(words_of(word)) and self.may_follow((), word) and (self.form.explicit or not is_explicit(word))

    def _given_sounds(self, words: Sequence[str]) -> list[Sound]:
        sounds = []
        for text in words:
            heard = words_of(text)
            ways = self._lexicon.pronunciations(heard[-1]) if heard else ()
            if not ways:
                raise Impossible(f"nobody knows how {text!r} is said: add a pronunciation, and it can be rhymed with")
            sounds.append(Sound.of(ways[0].phones))
        return sounds

    def _parted(self, begun: str) -> tuple[str, str, tuple[int | Foreign, ...]]:
        """The whole words of a line that was begun, the letters of one that may be half typed, since no space follows
        them, and the words that begin so. What no word begins with is whole."""
        head, space, last = begun.rpartition(" ")
        if last.replace("'", "").isalpha():
            words = [number for number, word in enumerate(self.vocabulary.words) if _begins(word, last)]
            foreign = [word for word in self.foreign if word.text.startswith(last)]
            if words or foreign:
                return head + space, last, (*words, *foreign)
        return begun, "", ()

    def _opening(self, begun: str, fragment: str, starts: tuple[int | Foreign, ...]) -> Opening:
        """What was begun, said in the first way that leaves a length and a grid to finish the line in."""
        self._check_begun(begun)
        if not words_of(begun):
            return Opening(fragment=fragment, starts=starts)
        for reading in readings(begun, self._lexicon):
            spans = [
                span for span in self._grids[0] if reading.num_syllables < span[1] and _stand(reading.words, span[2])
            ]
            if spans:
                self._grids[0] = spans
                return Opening(reading.num_syllables, normalised_words(begun), fragment, starts)
        raise Impossible(self._why_not_begun(begun))

    def _why_not_begun(self, begun: str) -> str:
        low, high = self.lines[0].min_syllables, self.lines[0].max_syllables
        asked = f"{low}" if low == high else f"{low} to {high}"
        metre = f" of {self.form.metre} metre" if self.form.metre else ""
        return f"the line begun with {begun.strip()!r} cannot be finished in {asked} syllables{metre}: change either"

    def _check_begun(self, begun: str) -> None:
        if is_heading(f"{begun} la"):
            raise Impossible(f"a line that begins with {begun.strip()!r} is taken for a heading: change its beginning")
        text = f" {' '.join(normalised_words(begun))} "
        for word in self.form.exclude:
            if f" {' '.join(normalised_words(word))} " in text:
                raise Impossible(f"the line begun has {word!r} in it, which must not be: change the line, or the list")
        for found in () if self.form.explicit else find_explicit(begun):
            raise Impossible(f"the line begun has {found.word!r} in it: allow explicit words, or change the line")

    def _numbers(self, normalised: Iterable[str]) -> Words:
        return np.array(sorted({n for word in normalised for n in self.vocabulary.named(word)}), np.int32)

    # -- refusals -------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        """Begin every line as if the others of its group were the best there are."""
        for letter, given in self._given.items():
            num_lines = sum(line.rhyme == letter for line in self.lines)
            words = [*self.form.rhymes[letter]]
            self._check_rhymes(letter, words, given, num_lines)
        missing = frozenset(range(len(self._include)))
        random = Random(0)  # noqa: S311  (no secret: it picks among forms)
        for number, line in enumerate(self.lines):
            opens = (
                line.rhyme is None
                or line.rhyme in self._given
                or self.form.internal_rhyme
                or line.rhyme not in [earlier.rhyme for earlier in self.lines[:number]]
            )
            if opens:
                self.begin_line(number, (), missing if len(self.lines) == 1 else frozenset(), random)

    def _check_rhymes(self, letter: str, words: Sequence[str], given: Sequence[Sound], num_lines: int) -> None:
        named = " and ".join(repr(word) for word in words)
        found = _without(self._rhyming_with(given), self._numbers(normalised_words(" ".join(words))), self._banned)
        kind = {"perfect": "strictly", "near": "nearly", "assonance": "by its vowels"}.get(
            self.form.strictness, f"over {self.form.num_rhyming_syllables} syllables"
        )
        foreign = [
            word
            for word in self.foreign
            if word.may_rhyme and all(_do_rhyme(word.sound, sound, self.form.strictness) for sound in given)
        ]
        if not len(found) and not foreign:
            raise Impossible(f"no word that two dictionaries agree on rhymes {kind} with {named}")
        if len(found) + len(foreign) < num_lines:
            raise Impossible(f"only {len(found)} words rhyme {kind} with {named}, and {num_lines} lines need one each")
        for number, line in enumerate(self.lines):
            if line.rhyme == letter and not foreign and not self._fits_end(number)[found].any():
                raise Impossible(
                    f"{len(found)} words rhyme {kind} with {named}, but none of them can end line {number + 1}: its "
                    "syllables and metre stand against them"
                )

    def _why_not(self, number: int, wanted: Sequence[int], has_ends: bool) -> str:
        if wanted:
            words = ", ".join(repr(self.form.include[place]) for place in wanted)
            return f"line {number + 1} has no room for {words} in its syllables and metre"
        if not has_ends:
            return f"no word is left that line {number + 1} could end with: ask for near rhymes, or for fewer lines"
        if number == 0 and self.opening.fragment:
            return f"no word that begins with {self.opening.fragment!r} can stand there: finish it, or change the form"
        if self.form.internal_rhyme:
            return (
                f"no word can both end line {number + 1} and rhyme inside it: take internal rhyme off, or a longer line"
            )
        return f"no line of English words has these syllables and this metre (line {number + 1})"


def _may_end(pattern: Pattern, span: Span) -> bool:
    low, high, grid = span
    starts = range(max(0, low - len(pattern)), high - len(pattern) + 1)
    return any(stands(pattern, grid, at) for at in starts)


def _stand(words: Sequence[Phones], grid: str | None) -> bool:
    at = 0
    for phones in words:
        pattern = Sound.of(phones).stresses
        if not stands(pattern, grid, at):
            return False
        at += len(pattern)
    return True


def _begins(word: str, letters: str) -> bool:
    return word.startswith(letters.lower()) and any(surface.startswith(letters) for surface in surfaces(word))


def _has(words: Words, one: int) -> bool:
    place = int(words.searchsorted(one))
    return place < len(words) and int(words[place]) == one


def _sorted(mask: Mask) -> Words:
    return np.flatnonzero(mask).astype(np.int32)


def _without(words: Words, *bans: Words) -> Words:
    for ban in bans:
        if len(ban):
            words = words[~np.isin(words, ban, assume_unique=True)]
    return words


def _do_rhyme(one: Sound, other: Sound, strictness: str) -> bool:
    """Perfect rhyme, or vowels that agree over as many syllables as `multi:` asks: for words of no dictionary."""
    if one.tail == other.tail:
        return one.before != other.before
    num = strictness.removeprefix("multi:")
    return num.isdigit() and len(one.vowels) >= int(num) and one.vowels[: int(num)] == other.vowels[: int(num)]
