"""A line as a row of syllable slots: which words may begin at which slot, so that the line can always be finished.

A plan is worked out backwards from the line's end, once a line. It speaks of stress patterns, by number, and not of
words: a set of patterns is one machine word, so the decoder can ask a whole trie at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

Pattern = tuple[int, ...]
"""The stresses of a word: 0 none, 1 main, 2 second."""


class Required(NamedTuple):
    """A word that the line must hold: the patterns that it, or any of several words, has; whether it may come last."""

    patterns: frozenset[Pattern]
    may_end: bool


def stands(pattern: Pattern, grid: str | None, at: int) -> bool:
    """Whether a word may begin at a slot of the grid: strong slots want a stress, weak ones no main stress but that of
    a word of one syllable.

    >>> stands((1, 0), "x/x/", 1), stands((1, 0), "x/x/", 0), stands((1,), "x/", 0), stands((0,), "x/", 1)
    (True, False, True, False)
    """
    if grid is None:
        return True
    if at + len(pattern) > len(grid):
        return False
    slots = grid[at : at + len(pattern)]
    return all(
        stress != 0 if slot == "/" else not (stress == 1 and len(pattern) > 1)
        for stress, slot in zip(pattern, slots, strict=True)
    )


class PatternSet(NamedTuple):
    """The patterns, as bits, that the words of a set come in, and those that so many have that no ban can empty them.

    A line is planned on the sure ones alone.
    """

    all: int
    sure: int


class LinePlan:
    """What may stand where in one line of `low` to `high` syllables.

    `middle` and `ends` are the patterns of words within and at the end of the line; `more_ends` are those of words
    outside the vocabulary that may end it. A place in the line is `(at, owed)`: syllables so far, and a bit for each
    required word that has not come.

    >>> iamb = plan(((1,), (1, 0), (0, 1)), 4, 4, "x/x/", PatternSet(0b111, 0b111), PatternSet(0b101, 0b101))
    >>> iamb.can_finish(0, 0), f"{iamb.middle_at(0, 0):03b}", f"{iamb.middle_at(2, 0):03b}", f"{iamb.ends_at(2):03b}"
    (True, '101', '001', '100')
    """

    def __init__(
        self,
        patterns: tuple[Pattern, ...],
        low: int,
        high: int,
        grid: str | None,
        middle: PatternSet,
        ends: PatternSet,
        more_ends: frozenset[Pattern] = frozenset(),
        required: tuple[Required, ...] = (),
    ) -> None:
        self.low, self.high = low, high
        self.required = required
        self.all_owed = (1 << len(required)) - 1
        self._patterns = patterns
        self._grid = grid
        self._middle, self._ends, self._more_ends = middle, ends, more_ends
        self._can_finish: dict[tuple[int, int], bool] = {}
        self._middle_at: dict[tuple[int, int], int] = {}
        self._ends_at: dict[int, int] = {}
        self._fitting_at: dict[int, int] = {}

    def can_finish(self, at: int, owed: int) -> bool:
        """Whether the line can be finished by words that exist."""
        key = (at, owed)
        if key not in self._can_finish:
            self._can_finish[key] = self._finishes(at, owed)
        return self._can_finish[key]

    def middle_at(self, at: int, owed: int) -> int:
        """The patterns of words that may come next and not be the last."""
        key = (at, owed)
        if key not in self._middle_at:
            self._middle_at[key] = self._bits(
                number
                for number in _numbers(self._fitting(at) & self._middle.all)
                if self.can_finish(at + len(self._patterns[number]), owed)
            )
        return self._middle_at[key]

    def ends_at(self, at: int) -> int:
        """The patterns of words that may come next and be the last; they may be so only when nothing is owed."""
        if at not in self._ends_at:
            self._ends_at[at] = self._bits(
                number
                for number in _numbers(self._fitting(at) & self._ends.all)
                if self.low <= at + len(self._patterns[number]) <= self.high
            )
        return self._ends_at[at]

    def due_at(self, at: int, owed: int) -> tuple[int, ...]:
        """The required words that may come next, by their places in `required`, and not be the last."""
        return tuple(
            place
            for place, word in enumerate(self.required)
            if owed >> place & 1 and any(self._leads_on(pattern, at, owed & ~(1 << place)) for pattern in word.patterns)
        )

    def may_pay_last(self, at: int, owed: int) -> bool:
        """Whether the one word that is owed may come next as the last."""
        if owed.bit_count() != 1:
            return False
        word = self.required[owed.bit_length() - 1]
        return word.may_end and any(self.may_end_with(pattern, at) for pattern in word.patterns)

    def may_end_with(self, pattern: Pattern, at: int) -> bool:
        """Whether a word of this pattern may be the last one here, were it among the ends."""
        return self.low <= at + len(pattern) <= self.high and stands(pattern, self._grid, at)

    def may_go_on_after(self, pattern: Pattern, at: int, owed: int) -> bool:
        """Whether a word of this pattern may stand here and others follow; `owed` is what is left after it."""
        return self._leads_on(pattern, at, owed)

    def _leads_on(self, pattern: Pattern, at: int, owed: int) -> bool:
        end = at + len(pattern)
        return end < self.high and stands(pattern, self._grid, at) and self.can_finish(end, owed)

    def _finishes(self, at: int, owed: int) -> bool:
        if at >= self.high:
            return False
        if not owed and (
            self.ends_at(at) & self._ends.sure or any(self.may_end_with(pattern, at) for pattern in self._more_ends)
        ):
            return True
        return (
            self.may_pay_last(at, owed)
            or bool(self.due_at(at, owed))
            or bool(self.middle_at(at, owed) & self._middle.sure)
        )

    def _fitting(self, at: int) -> int:
        if at not in self._fitting_at:
            self._fitting_at[at] = self._bits(
                number
                for number, pattern in enumerate(self._patterns)
                if at + len(pattern) <= self.high and stands(pattern, self._grid, at)
            )
        return self._fitting_at[at]

    @staticmethod
    def _bits(numbers: Iterable[int]) -> int:
        return sum(1 << number for number in numbers)


plan = lru_cache(maxsize=4096)(LinePlan)
"""The plan of a line; lines that are alike share one."""


def _numbers(bits: int) -> Iterable[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest
