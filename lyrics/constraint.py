"""A form while a stanza is being written: line by line, which words may stand and which may end.

`Stanza` is a form made ready for one request. `begin_line` says what the next line must keep, given the lines so far;
by what it says a line can always be finished, and so can those that rhyme with it. Knows words and sounds, not tokens.
The judge (`lyrics.verify`) shares none of this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import NamedTuple

import numpy as np

from lyrics.clean import is_heading, normalised_words
from lyrics.ends import Ends, Foreign, Impossible, Span, WordBook, WordSet, Written, numbers_of, without
from lyrics.explicit import explicit_pairs, find_explicit, is_explicit
from lyrics.form import Form, LineForm
from lyrics.originality import OriginalityIndex
from lyrics.phones import Lexicon, Phones
from lyrics.slots import LinePlan, Required, plan, stands
from lyrics.syllables import readings, words_of
from lyrics.vocabulary import Sound, Words, surfaces

SMALL = 2_000  # words; a smaller set is gone through word by word
MAX_DUES = 4  # words that a line owes; a plan looks at all subsets of them
MAX_WAYS = 64  # to rhyme within a line that are tried
_NONE = np.empty(0, np.int32)


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
    """A form, made ready."""

    def __init__(
        self,
        form: Form,
        book: WordBook,
        lexicon: Lexicon,
        *,
        personal: Iterable[str] = (),
        index: OriginalityIndex | None = None,
        begun: str = "",
    ) -> None:
        """Raises:
        Impossible: no text can keep the form, as far as can be told before it is written.
        """
        self.form = form
        self.vocabulary = book.vocabulary
        self.index = index
        self.lines = form.line_forms()
        self._lexicon = lexicon
        self._book = book
        self._personal = tuple(dict.fromkeys(personal))
        excluded = [normalised_words(word) for word in form.exclude]
        self.phrases = tuple(words for words in excluded if len(words) > 1)
        self.phrases += () if form.explicit else tuple(explicit_pairs())
        self._excluded = frozenset(words[0] for words in excluded if len(words) == 1)
        self.foreign = [self._foreign(word, may_rhyme=True) for word in self._personal if self._may_stand(word)]
        self._include = [self._included(word) for word in form.include]
        self.foreign += [due.foreign for due in self._include if due.foreign and due.foreign not in self.foreign]
        self._banned = numbers_of([*self._excluded, *self._personal], self.vocabulary)
        self._spans = [_spans_of(line) for line in self.lines]
        self._ends = Ends(form, book, lexicon, spans=self._spans, foreign=self.foreign, banned=self._banned)
        self._middle = book.large_set(("middle", form.explicit), lambda: self._ends.is_clean)
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
        banned_ends = self._ends.banned(number, written)
        ends, foreign = self._ends.of_line(number, written, banned_ends)
        grids = random.sample(self._spans[number], len(self._spans[number]))
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
            ends = WordSet(without(ends.numbers, banned_ends, self._banned))
        required = tuple(self._required(due, ends, foreign_ends, banned_ends) for due in dues)
        line_plan = plan(
            self.vocabulary.signatures,
            *span,
            self._book.patterns(self._middle),
            self._book.patterns(ends),
            frozenset(word.sound.stresses for word in foreign_ends),
            required,
        )
        return Line(line_plan, self._middle, ends, self._banned, banned_ends, tuple(dues), foreign_ends)

    def _with_internal_rhymes(self, line: Line, span: Span, random: Random) -> Iterator[Line]:
        """The line with one rhyme chosen for its end and for a word within it: in all ways, in any order."""
        words = self.vocabulary
        ends = without(line.ends.numbers, line.banned_ends, self._banned)
        ends = ends[words.can_rhyme[ends]]
        tails, counts = np.unique(words.tail[ends], return_counts=True)
        choices = dict(zip(tails.tolist(), counts.tolist(), strict=True))
        wanted = [self._include.index(due) for due in line.dues]
        kin = np.flatnonzero(np.isin(words.tail, tails) & words.can_rhyme & self._ends.is_clean).astype(np.int32)
        loosest = self._line(span, WordSet(ends), frozenset(), line.banned_ends, wanted, kin)
        if not loosest.plan.can_finish(0, loosest.plan.all_owed):
            return
        while choices:
            tail = random.choices([*choices], [*choices.values()])[0]
            del choices[tail]
            same = words.of_tail(tail)
            same = without(same[words.can_rhyme[same] & self._ends.is_clean[same]], self._banned)
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
            pattern, may_stand = self.vocabulary.sounds[word].stresses, bool(self._ends.is_clean[word])
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
        for span in self._spans[number]:
            line = self._line(span, self._ends.free, foreign, _NONE, wanted)
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
                span for span in self._spans[0] if reading.num_syllables < span[1] and _stand(reading.words, span[2])
            ]
            if spans:
                self._spans[0] = spans
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

    # -- refusals -------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        """Begin every line as if the others of its group were the best there are."""
        self._ends.check_given()
        missing = frozenset(range(len(self._include)))
        random = Random(0)  # noqa: S311  (no secret: it picks among forms)
        for number in range(len(self.lines)):
            if self._ends.opens(number) or self.form.internal_rhyme:
                self.begin_line(number, (), missing if len(self.lines) == 1 else frozenset(), random)

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


def _spans_of(line: LineForm) -> list[Span]:
    """The lengths and grids to choose from; a metre that depends on the length makes each length a choice."""
    if line.metre is None:
        return [(line.min_syllables, line.max_syllables, None)]
    lengths = range(line.min_syllables, line.max_syllables + 1)
    if line.metre != "anapaestic":
        return [(lengths[0], lengths[-1], line.grid(lengths[-1]))]
    return [(length, length, line.grid(length)) for length in lengths]


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
