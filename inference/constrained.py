"""A take under a form: which tokens may come next, and what a token that came has made of the line.

Every prefix that is allowed can be finished, so no step is ever taken back.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import numpy as np

from inference.speller import NO_SPELLINGS, Choice, ForeignNode, Option, Packed, Speller, allow
from inference.trie import AFTER_SPACE, AT_LINE_START, Ints
from lyrics.clean import normalised_words
from lyrics.constraint import Line, Stanza
from lyrics.ends import Foreign, Impossible, Written

FEWEST_AFTER_COMMA = 3
"""Syllables. A mark just before the end is how a network flees from the last word; so is a full stop within a line."""
_AFTER_MARK = -2
_FOREIGN_ONLY = -1


class _Start(NamedTuple):
    """The beginning of a word: syllables so far, what is owed, and what may come."""

    at: int
    owed: int
    choice: Choice


class _End(NamedTuple):
    """A word that may be over: what may begin after it, what the line's end would be, and the words with it."""

    next: _Start | None
    last: Written | None
    words: tuple[str, ...]


class FormState:
    """One take. `mask` says what may come; `advance` takes in what came."""

    def __init__(
        self,
        speller: Speller,
        stanza: Stanza,
        *,
        seed: int,
        number: int = 0,
        until: int | None = None,
        written: Sequence[Written] = (),
        so_far: Sequence[str] = (),
        before: Sequence[str] = (),
        restrict: Ints | None = None,
        is_capital: bool = False,
    ) -> None:
        """`number` is the first line to write and `until` the last; `so_far` are the words of the stanza's lines before
        it, and `before` those before the stanza, normalised; `restrict` are the spellings that go on with what the
        writer has half typed; where lines begin with a capital, it `is_capital`.

        Raises:
            Impossible: the lines before leave no way to write this one.
        """
        self.number = number
        self.written = list(written)
        self.is_done = False
        self.is_lost = False
        """Whether no way was left: a dead end, which should never be."""
        self._speller, self._stanza = speller, stanza
        self._seed = seed
        self._until = len(stanza.lines) - 1 if until is None else until
        self._before = tuple(before)
        self._is_capital = is_capital
        self._words: tuple[str, ...] = stanza.opening.words if number == 0 else tuple(so_far)
        self._ending: _End | None = None
        self._is_ending_known = False
        self._is_fresh = True
        self._begin(restrict)

    def copy(self) -> FormState:
        """A twin that goes its own way."""
        twin = copy.copy(self)
        twin.written = list(self.written)
        return twin

    def mask(self) -> Packed:
        """The tokens that may come next; not to be written to."""
        if self._is_fresh:
            return self._first
        end = self._end()
        mask = end.next.choice.mask.copy() if end and end.next else self._speller.none()
        if end and end.last:
            allow(mask, np.array([self._speller.newline]))
        if self._node == _AFTER_MARK:
            return mask
        if end and end.last:
            allow(mask, np.array(self._speller.marks))
        elif end and end.next and self._line.plan.high - end.next.at >= FEWEST_AFTER_COMMA:
            allow(mask, np.array(self._speller.commas))
        if self._node >= 0:
            allow(mask, self._now.choice.inside(self._node))
        if self._foreign and self._foreign.below:
            allow(mask, np.array([*self._foreign.below]))
        return mask

    def advance(self, token: int) -> None:
        """Take in a token that the mask allowed."""
        if not self._is_fresh:
            if self._goes_on(token):
                return
            end = self._end()
            if end is None:
                raise ValueError(f"token {token} was not allowed")
            if token in self._speller.marks:
                self._node, self._foreign = _AFTER_MARK, None
                return
            self._words = end.words
            if token == self._speller.newline and end.last:
                self._finish_line(end.last)
                return
            if end.next is None:
                raise ValueError(f"token {token} was not allowed")
            self._now, self._node = end.next, AFTER_SPACE
            self._foreign = end.next.choice.foreign
        self._is_fresh = False
        if not self._goes_on(token):
            raise ValueError(f"token {token} was not allowed")

    # -- within a word --------------------------------------------------------------------------------------------

    def _goes_on(self, token: int) -> bool:
        """Step down the tries, as far as they have such a word; whether one of them has."""
        if self._node == _AFTER_MARK:
            return False
        node = self._speller.trie.child(self._node, token) if self._node >= 0 else _FOREIGN_ONLY
        foreign = self._foreign.below.get(token) if self._foreign else None
        if node < 0 and foreign is None:
            return False
        self._node, self._foreign, self._ending = node, foreign, None
        self._is_ending_known = False
        return True

    def _end(self) -> _End | None:
        """What follows if the word is over here; None when it cannot be."""
        if not self._is_ending_known:
            self._is_ending_known = True
            spelling = int(self._speller.trie.ending[self._node]) if self._node >= 0 else -1
            word: int | Foreign | None = self._foreign.word if self._foreign else None
            if spelling >= 0 and self._now.choice.allows(spelling):
                word = int(self._speller.trie.words[spelling])
            self._ending = None if word is None else self._end_with(word)
        return self._ending

    def _end_with(self, word: int | Foreign) -> _End | None:
        plan, now, vocabulary = self._line.plan, self._now, self._stanza.vocabulary
        text = word.text if isinstance(word, Foreign) else vocabulary.words[word]
        pattern = (word.sound if isinstance(word, Foreign) else vocabulary.sounds[word]).stresses
        words = (*self._words, *normalised_words(text))
        owed = self._line.paid(now.owed, word)
        last = None
        if not owed and plan.may_end_with(pattern, now.at) and self._line.may_end(word):
            last = self._stanza.written(self.number, word)
        follows = None
        if plan.may_go_on_after(pattern, now.at, owed):
            follows = self._start(now.at + len(pattern), owed, AFTER_SPACE, words)
        return _End(follows, last, words) if follows or last else None

    # -- the beginning of a word ----------------------------------------------------------------------------------

    def _start(self, at: int, owed: int, root: int, words: tuple[str, ...], restrict: Ints | None = None) -> _Start:
        line, plan, spell = self._line, self._line.plan, self._speller.trie.spellings_of
        lost = self._stanza.forbidden_next(self._before + words)
        forbidden = spell(np.array(lost)) if lost else NO_SPELLINGS
        options = [Option(line.middle, plan.middle_at(at, owed), _merged(self._banned, forbidden))]
        chosen: list[Ints] = []
        if not owed and line.ends.key is not None:
            options.append(Option(line.ends, plan.ends_at(at), _merged(self._banned_ends, forbidden)))
        elif not owed:
            chosen.append(self._spelled(line.ends.numbers, plan.ends_at(at)))
        for place, due in enumerate(line.dues):
            if place in plan.due_at(at, owed):
                able = [n for n in due.words if plan.may_go_on_after(self._pattern(n), at, owed & ~(1 << place))]
                chosen.append(spell(np.array(sorted(able), np.int32)))
        if plan.may_pay_last(at, owed):
            able = [
                n
                for n in line.dues[owed.bit_length() - 1].words
                if plan.may_end_with(self._pattern(n), at) and line.may_end(n)
            ]
            chosen.append(spell(np.array(sorted(able), np.int32)))
        picked = np.unique(np.concatenate(chosen)) if len(chosen) > 1 else [*chosen, NO_SPELLINGS][0]
        if len(forbidden):
            picked = np.setdiff1d(picked, forbidden, assume_unique=True)
        foreign = self._foreign_from(at, owed, root, words, "" if restrict is None else self._stanza.opening.fragment)
        options = [option for option in options if option.patterns]
        if restrict is not None:
            usual = self._speller.trie.usual
            whole = Choice(self._speller, root, options, picked, None)
            options, picked = [], np.array([one for one in restrict if whole.allows(int(usual[one]))], np.int32)
        return _Start(at, owed, self._speller.choice(root, options, picked, foreign))

    def _spelled(self, numbers: Ints, patterns: int) -> Ints:
        """The spellings of those of these words that have one of the patterns."""
        if not patterns:
            return NO_SPELLINGS
        signature = self._stanza.vocabulary.signature[numbers].astype(np.uint64)
        kept = numbers[np.left_shift(np.uint64(1), signature) & np.uint64(patterns) != 0]
        return self._speller.trie.spellings_of(kept)

    def _foreign_from(self, at: int, owed: int, root: int, words: tuple[str, ...], fragment: str) -> ForeignNode | None:
        """The foreign words that fit here, after these, and begin with the fragment."""
        plan, line = self._line.plan, self._line
        fitting = []
        for word in self._stanza.foreign:
            if not word.text.startswith(fragment) or not self._stanza.may_follow(self._before + words, word.text):
                continue
            pattern = word.sound.stresses
            left = owed
            for place, due in enumerate(line.dues):
                left &= ~(1 << place) if due.foreign == word else -1
            is_last = not left and word in line.foreign_ends and plan.may_end_with(pattern, at)
            if is_last or plan.may_go_on_after(pattern, at, left):
                opening = " " if root == AFTER_SPACE else ""
                fitting.append((word, self._speller.encode(opening + word.text)))
        return ForeignNode.of(fitting) if fitting else None

    def _pattern(self, number: int) -> tuple[int, ...]:
        return self._stanza.vocabulary.sounds[number].stresses

    # -- lines ----------------------------------------------------------------------------------------------------

    def _begin(self, restrict: Ints | None = None) -> None:
        stanza = self._stanza
        opening = stanza.opening if self.number == 0 else None
        random = Random(self._seed * 64 + self.number)  # noqa: S311  (it varies lines; it keeps no secret)
        self._line: Line = stanza.begin_line(self.number, self.written, stanza.missing(self._words), random)
        spell = self._speller.trie.spellings_of
        self._banned = spell(self._line.banned)
        self._banned_ends = (
            _merged(self._banned, spell(self._line.banned_ends)) if self._line.ends.key else NO_SPELLINGS
        )
        self._is_ending_known = False
        root = AFTER_SPACE if opening and opening.words else AT_LINE_START
        at = opening.num_syllables if opening else 0
        self._now = self._start(at, self._line.plan.all_owed, root, self._words, restrict)
        self._node = root
        self._foreign = self._now.choice.foreign
        self._is_fresh = True
        self._first = self._now.choice.mask
        if self._is_capital and root == AT_LINE_START and restrict is None:
            large = self._first & self._speller.capitals
            self._first = large if large.any() else self._first

    def _finish_line(self, last: Written) -> None:
        self.written.append(last)
        if self.number >= self._until:
            self.is_done = True
            return
        self.number += 1
        try:
            self._begin()
        except Impossible:
            self.is_done = self.is_lost = True


def _merged(banned: Ints, more: Ints) -> Ints:
    return np.union1d(banned, more).astype(np.int32) if len(more) else banned
