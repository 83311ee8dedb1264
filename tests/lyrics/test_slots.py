"""The plan of a line agrees with trying every row of words."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from lyrics.slots import LinePlan, Pattern, PatternSet, Required, stands

PATTERNS: tuple[Pattern, ...] = ((1,), (0,), (1, 0), (0, 1), (0, 1, 0), (2, 0, 1))
ALL = (1 << len(PATTERNS)) - 1
GRIDS = (None, "x/x/x/", "/x/x/", "xx/xx/", "////", "xxxx", "x/")


def bits(*patterns: Pattern) -> int:
    return sum(1 << PATTERNS.index(pattern) for pattern in patterns)


def rows(plan: LinePlan, at: int, owed: int, middle: set[Pattern], ends: set[Pattern]) -> Iterator[list[str]]:
    """Every way to finish the line, each word named by what it is: a slow twin of the plan."""
    grid = plan._grid
    for pattern in sorted(middle | ends | {p for word in plan.required for p in word.patterns} | plan._more_ends):
        if not stands(pattern, grid, at):
            continue
        end = at + len(pattern)
        kinds = [
            (f"due{n}", owed & ~(1 << n))
            for n, w in enumerate(plan.required)
            if owed >> n & 1 and pattern in w.patterns
        ]
        if pattern in middle:
            kinds.append(("middle", owed))
        for kind, left in kinds:
            if end < plan.high:
                for rest in rows(plan, end, left, middle, ends):
                    yield [kind, *rest]
        if not plan.low <= end <= plan.high:
            continue
        if not owed and (pattern in ends or pattern in plan._more_ends):
            yield ["end"]
        for n, word in enumerate(plan.required):
            if owed == 1 << n and pattern in word.patterns and word.may_end:
                yield [f"due{n}"]


def some_plan(random: Random) -> tuple[LinePlan, set[Pattern], set[Pattern]]:
    grid = random.choice(GRIDS)
    low = len(grid) if grid else random.randint(1, 5)
    high = low if grid else random.randint(low, 5)
    middle = {pattern for pattern in PATTERNS if random.random() < 0.5}
    ends = {pattern for pattern in PATTERNS if random.random() < 0.3}
    more = frozenset(pattern for pattern in PATTERNS if random.random() < 0.1)
    required = tuple(
        Required(frozenset(random.sample(PATTERNS, random.randint(1, 2))), random.random() < 0.5)
        for _ in range(random.choice([0, 0, 1, 2]))
    )
    sets = [PatternSet(bits(*kept), bits(*kept)) for kept in (middle, ends)]
    return LinePlan(PATTERNS, low, high, grid, sets[0], sets[1], more, required), middle, ends


def test_it_works() -> None:
    plan = LinePlan(PATTERNS, 4, 4, "x/x/", PatternSet(ALL, ALL), PatternSet(bits((0, 1)), bits((0, 1))))
    assert plan.can_finish(0, 0)
    assert plan.can_finish(2, 0)
    assert not plan.can_finish(3, 0)
    assert plan.ends_at(2) == bits((0, 1))
    assert plan.ends_at(0) == 0


@pytest.mark.parametrize("seed", range(150))
def test_it_agrees_with_trying_every_row(seed: int) -> None:
    plan, middle, ends = some_plan(Random(seed))  # noqa: S311  (it varies plans)
    for at in range(plan.high + 1):
        for owed in range(plan.all_owed + 1):
            found = [*rows(plan, at, owed, middle, ends)] if at < plan.high else []
            assert plan.can_finish(at, owed) == bool(found), (at, owed)
            firsts = {row[0] for row in found if len(row) > 1}
            assert {f"due{n}" for n in plan.due_at(at, owed)} == {first for first in firsts if first != "middle"}
            assert bool(plan.middle_at(at, owed)) == ("middle" in firsts)
            last = {row[0] for row in found if len(row) == 1}
            assert plan.may_pay_last(at, owed) == any(kind.startswith("due") for kind in last)


def test_a_line_is_never_planned_on_words_that_a_ban_could_take() -> None:
    unsure = PatternSet(ALL, bits((1, 0)))
    plan = LinePlan(PATTERNS, 3, 3, None, unsure, unsure)
    assert not plan.can_finish(0, 0)  # words of two syllables alone do not make three
    assert LinePlan(PATTERNS, 4, 4, None, unsure, unsure).can_finish(0, 0)


def test_strong_places_want_stress_and_weak_ones_shun_the_main_one() -> None:
    assert stands((1, 0), "/x", 0)
    assert not stands((1, 0), "x/", 0)
    assert stands((2, 0, 1), "xx/", 0)
    assert stands((1,), "x", 0)
    assert not stands((0,), "/", 0)
    assert not stands((1, 0), "/", 0)
