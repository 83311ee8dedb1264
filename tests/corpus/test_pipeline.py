"""Tracks are settled by the first source that is sure, many at a time, at no more calls a second than is known to be
welcome, and a source that wants rest holds up nobody else."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from uuid import UUID, uuid4

import pytest

from corpus.pace import Pace
from corpus.pipeline import MAX_BATCH, NUM_THREADS, Step, Wanted, settle
from corpus.song import Track
from corpus.sources import Finding, Limited, LyricSource, State


class Shelf:
    """A source that answers from a list: a state, a limit or an error for each title; `found` for the others."""

    def __init__(self, name: str, says: Mapping[str, State | Exception] | None = None, seconds: float = 0.0) -> None:
        self.name = name
        self.says = dict(says or {})
        self.asked: Counter[str] = Counter()
        self.busiest = 0
        self._seconds = seconds
        self._busy = 0
        self._lock = threading.Lock()

    def find(self, track: Track) -> Finding:
        with self._lock:
            self.asked[track.title] += 1
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
        time.sleep(self._seconds)
        with self._lock:
            self._busy -= 1
        said = self.says.get(track.title, "found")
        if isinstance(said, Exception):
            raise said
        words = f"{track.title} by {self.name}" if said in ("found", "check") else ""
        return Finding(said, words, track.artist, track.title, why=self.name, score={"found": 1.0}.get(said, 0.8))


def wanted(*titles: str, known: Mapping[str, Finding] | None = None) -> list[Wanted]:
    return [Wanted(uuid4(), Track("The Invented", title), known or {}) for title in titles]


def run(items: list[Wanted], *sources: LyricSource, gives_up: bool = False) -> dict[str, Step]:
    """The last step of each track, by title."""
    titles = {item.id: item.track.title for item in items}
    steps = [step for batch in settle(items, sources, gives_up=gives_up) for step in batch]
    assert len({step.id for step in steps}) == len(steps), "a track comes back once"
    return {titles[step.id]: step for step in steps}


def outcome(step: Step) -> tuple[str, str]:
    assert step.settled
    return step.settled.source, step.settled.finding.state


def test_it_works() -> None:
    first, second = Shelf("first", {"b": "not_found"}), Shelf("second")
    steps = run(wanted("a", "b"), first, second)
    assert outcome(steps["a"]) == ("first", "found")
    assert outcome(steps["b"]) == ("second", "found")
    assert [answer.source for answer in steps["b"].answers] == ["first", "second"]
    assert second.asked == {"b": 1}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("check", "found", ("second", "found")),
        ("check", "not_found", ("first", "check")),
        ("check", "check", ("first", "check")),
        ("blocked", "found", ("second", "found")),
        ("blocked", "not_found", ("first", "blocked")),
        ("not_found", "blocked", ("second", "blocked")),
        ("not_found", "instrumental", ("second", "instrumental")),
        ("not_found", "not_found", ("first", "not_found")),
    ],
)
def test_the_surest_answer_settles(one: State, other: State, expected: tuple[str, str]) -> None:
    steps = run(wanted("a"), Shelf("first", {"a": one}), Shelf("second", {"a": other}))
    assert outcome(steps["a"]) == expected


def test_what_is_sure_asks_no_further() -> None:
    second = Shelf("second")
    run(wanted("a", "b"), Shelf("first", {"b": "instrumental"}), second)
    assert not second.asked


def test_what_is_known_is_not_asked_for() -> None:
    first, second = Shelf("first"), Shelf("second")
    known = {"first": Finding("not_found")}
    steps = run(wanted("a", known=known), first, second)
    assert (first.asked, second.asked) == ({}, {"a": 1})
    assert [answer.source for answer in steps["a"].answers] == ["second"]
    steps = run(wanted("a", known=known | {"second": Finding("not_found", why="no")}), first, second)
    assert outcome(steps["a"]) == ("first", "not_found")
    assert steps["a"].answers == ()


def test_ones_own_words_come_first() -> None:
    first = Shelf("first")
    steps = run(wanted("a", known={"yours": Finding("found", "my words"), "first": Finding("found", "theirs")}), first)
    assert steps["a"].settled
    assert steps["a"].settled.finding.text == "my words"
    assert not first.asked


def test_without_any_source_nothing_is_found_and_it_says_what_to_do() -> None:
    step = run(wanted("a"))["a"]
    assert step.settled
    assert step.settled.finding.state == "not_found"
    assert "upload" in step.settled.finding.why


def test_many_are_asked_for_at_a_time() -> None:
    shelf = Shelf("first", seconds=0.05)
    titles = [str(number) for number in range(3 * NUM_THREADS)]
    began = time.monotonic()
    assert len(run(wanted(*titles), shelf)) == len(titles)
    assert shelf.busiest == NUM_THREADS
    assert time.monotonic() - began < 0.05 * len(titles) / 2


def test_the_list_is_read_no_faster_than_it_is_settled() -> None:
    num_read = 0

    def coming() -> object:
        nonlocal num_read
        for item in wanted(*map(str, range(500))):
            num_read += 1
            yield item

    settling = settle(coming(), [Shelf("first", seconds=0.02)])  # type: ignore[arg-type]
    next(settling)
    settling.close()
    assert num_read <= MAX_BATCH


def test_one_broken_page_blocks_one_song() -> None:
    steps = run(wanted("a", "b"), Shelf("first", {"a": KeyError("lyrics")}))
    assert outcome(steps["a"]) == ("first", "blocked")
    assert steps["a"].settled
    assert "KeyError" in steps["a"].settled.finding.why
    assert outcome(steps["b"]) == ("first", "found")


def test_a_short_rest_is_waited_for() -> None:
    class Tired(Shelf):
        def find(self, track: Track) -> Finding:
            if not self.asked:
                self.asked[track.title] += 1
                raise Limited("first", "asks us to go slower", 0.2)
            return super().find(track)

    began = time.monotonic()
    steps = run(wanted("a", "b"), Tired("first"))
    assert {outcome(step) for step in steps.values()} == {("first", "found")}
    assert time.monotonic() - began >= 0.19


def test_a_long_rest_holds_up_only_those_who_need_the_source() -> None:
    limit = Limited("second", "asks us to go slower", 60.0)
    titles = [f"known {n}" for n in range(40)] + [f"rare {n}" for n in range(5)]
    first = Shelf("first", {title: "not_found" for title in titles if "rare" in title})
    second = Shelf("second", dict.fromkeys(titles, limit))
    steps: list[Step] = []
    began = time.monotonic()
    settling = settle(wanted(*titles), [first, second])
    with pytest.raises(Limited) as caught:
        steps.extend(step for batch in settling for step in batch)
    assert time.monotonic() - began < 2, "nobody slept it off"
    assert 55 < caught.value.retry_after_s <= 60
    assert Counter(step.settled is None for step in steps) == {False: 40, True: 5}
    assert all(step.answers[0].finding.state == "not_found" for step in steps if step.settled is None)
    assert sum(second.asked.values()) <= 5


def test_giving_up_settles_as_blocked_what_cannot_be_asked_for() -> None:
    away = Limited("first", "does not answer", 300.0)
    steps = run(
        wanted("a", "b"), Shelf("first", {"a": away, "b": away}), Shelf("second", {"b": "not_found"}), gives_up=True
    )
    assert outcome(steps["a"]) == ("second", "found")
    assert outcome(steps["b"]) == ("first", "blocked")


def test_who_stops_listening_leaves_no_one_asking() -> None:
    shelf = Shelf("first", seconds=0.01)
    settling = settle(wanted(*map(str, range(200))), [shelf])
    next(settling)
    settling.close()
    deadline = time.monotonic() + 5
    while any(thread.name.startswith("settle") for thread in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.005)
    assert sum(shelf.asked.values()) < 5 * NUM_THREADS


class Clock:
    """Time that passes only by waiting."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def test_a_pace_uses_nearly_all_of_a_limit_and_never_more() -> None:
    clock = Clock()
    pace = Pace(10, clock=clock, wait=clock.wait)
    moments = []
    for _ in range(200):
        pace.take()
        moments.append(clock.now)
    assert 9.5 < 199 / (moments[-1] - moments[0]) < 10
    assert max(sum(1 for at in moments if start <= at < start + 1) for start in moments) <= 10


def test_turns_that_nobody_took_are_not_made_up_for() -> None:
    clock = Clock()
    pace = Pace(10, clock=clock, wait=clock.wait)
    pace.take()
    clock.now += 60
    moments = []
    for _ in range(11):
        pace.take()
        moments.append(clock.now)
    assert moments[-1] - moments[0] > 1


def test_threads_share_a_pace() -> None:
    pace, moments = Pace(100), list[float]()

    def work() -> None:
        for _ in range(10):
            pace.take()
            moments.append(time.monotonic())

    threads = [threading.Thread(target=work) for _ in range(5)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began > 49 / 100
    assert len(moments) == 50


def test_no_limit_is_no_wait() -> None:
    pace = Pace(0, wait=lambda _: pytest.fail("it waited"))
    for _ in range(1000):
        pace.take()


def test_steps_name_the_tracks_they_are_of() -> None:
    item = Wanted(UUID(int=5), Track("A", "b"))
    assert [step.id for batch in settle([item], [Shelf("first")]) for step in batch] == [UUID(int=5)]
