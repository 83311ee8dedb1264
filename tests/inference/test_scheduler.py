"""Who runs when: in the order they came, densely, at every step."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.wire import SamplingParams
from inference.scheduler import CHUNK, Schedule, Scheduler
from inference.sequence import Sequence

NOBODY: Any = None


def sequence(name: str, size: int, prompt: list[int] | None = None) -> Sequence:
    ids = prompt if prompt is not None else [1] * size
    return Sequence(name, 0, ids, SamplingParams(), 0, 10_000, NOBODY, lambda _: None)


def run(schedule: Schedule) -> None:
    """What the runner does to sequences, without a network; each take then writes a token."""
    for take in schedule.decodes:
        take.num_cached_tokens = len(take.token_ids)
    for prefill in schedule.prefills:
        for reader in (prefill.sequence, *prefill.takes):
            reader.num_cached_tokens = prefill.stop
    for take in schedule.takes:
        take.token_ids.append(7)


def test_it_works() -> None:
    scheduler = Scheduler(num_slots=2, prefill_budget=CHUNK)
    one, two, three = (sequence(name, 10) for name in ("one", "two", "three"))
    scheduler.waiting += (one, two, three)
    first = scheduler.schedule()
    assert [prefill.sequence for prefill in first.prefills] == [one, two]
    assert first.takes == [one, two]
    run(first)
    second = scheduler.schedule()
    assert (second.decodes, second.prefills) == ((one, two), ())
    run(second)
    one.finish_reason = "stop"
    moves = scheduler.collect()
    assert [(move.source, move.target, move.length) for move in moves] == [(1, 0, 11)]
    third = scheduler.schedule()
    assert third.decodes == (two,)
    assert [(prefill.row, prefill.sequence) for prefill in third.prefills] == [(1, three)]


def test_a_step_reads_about_its_budget() -> None:
    scheduler = Scheduler(num_slots=8, prefill_budget=CHUNK)
    scheduler.waiting += (sequence(str(nth), 100) for nth in range(5))
    sizes = []
    while scheduler.waiting:
        schedule = scheduler.schedule()
        sizes.append(len(schedule.prefills))
        run(schedule)
    assert sizes == [2, 2, 1]


def test_a_long_prompt_is_read_in_pieces_while_others_go_on() -> None:
    scheduler = Scheduler(num_slots=4, prefill_budget=CHUNK)
    short, long, late = sequence("short", 5), sequence("long", 2 * CHUNK + 10), sequence("late", 5)
    scheduler.waiting += (short,)
    run(scheduler.schedule())
    scheduler.waiting += (long, late)
    pieces = []
    for _ in range(3):
        schedule = scheduler.schedule()
        assert schedule.decodes == (short,)
        pieces += [(p.sequence, p.start, p.stop, bool(p.takes)) for p in schedule.prefills]
        run(schedule)
    assert pieces == [
        (long, 0, CHUNK, False),
        (long, CHUNK, 2 * CHUNK, False),
        (long, 2 * CHUNK, 2 * CHUNK + 10, True),
        (late, 0, 5, True),
    ]


def test_the_pieces_of_a_prompt_do_not_depend_on_the_budget() -> None:
    for budget in (64, CHUNK, 10 * CHUNK):
        scheduler = Scheduler(num_slots=4, prefill_budget=budget)
        scheduler.waiting += (sequence("a", 100), sequence("long", 700))
        pieces = []
        while scheduler.waiting or not all(taking.is_read for taking in scheduler.running):
            schedule = scheduler.schedule()
            pieces += [(p.start, p.stop) for p in schedule.prefills if p.sequence.request_id == "long"]
            run(schedule)
        assert pieces == [(0, 256), (256, 512), (512, 700)]


def test_who_is_aborted_while_waiting_leaves_the_queue() -> None:
    scheduler = Scheduler(num_slots=1, prefill_budget=CHUNK)
    one, two, three = (sequence(name, 5) for name in ("one", "two", "three"))
    scheduler.waiting += (one, two, three)
    run(scheduler.schedule())
    two.finish_reason = "cancelled"
    assert scheduler.collect() == []
    assert list(scheduler.waiting) == [three]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_slots_always_hold_what_their_sequence_has_read(data: st.DataObject) -> None:
    """A cache is played out on paper: slot -> whose positions stand in it."""
    num_slots = data.draw(st.integers(1, 6))
    scheduler = Scheduler(num_slots=num_slots, prefill_budget=data.draw(st.sampled_from([64, 256, 1024])))
    paper: list[tuple[str, int]] = [("", 0)] * num_slots
    order: list[str] = []
    for step in range(40):
        for nth in range(data.draw(st.integers(0, 3)) if step < 20 else 0):
            prompt = [1] * data.draw(st.sampled_from([1, 40, 256, 300, 700]))
            num_takes = data.draw(st.integers(1, 3))
            scheduler.waiting += (sequence(f"{step}.{nth}.{i}", 0, prompt) for i in range(num_takes))
        schedule = scheduler.schedule()
        for row, decoding in enumerate(schedule.decodes):
            assert paper[row] == (decoding.request_id, len(decoding.token_ids) - 1)
            paper[row] = (decoding.request_id, len(decoding.token_ids))
        for prefill in schedule.prefills:
            order += [prefill.sequence.request_id] if prefill.start == 0 else []
            assert prefill.start == 0 or paper[prefill.row] == (prefill.sequence.request_id, prefill.start)
            for nth, take in enumerate(prefill.takes or (prefill.sequence,)):
                paper[prefill.row + nth] = (take.request_id, prefill.stop)
        run(schedule)
        assert len(scheduler.running) <= num_slots
        assert all(taking.is_read for taking in scheduler.running[:-1])
        for taking in list(scheduler.sequences()):
            if data.draw(st.integers(0, 5)) == 0:
                taking.finish_reason = "stop"
        for move in scheduler.collect():
            paper[move.target] = (paper[move.source][0], move.length)
        for row, taking in enumerate(scheduler.running):
            assert paper[row] == (taking.request_id, taking.num_cached_tokens)
    assert order == sorted(order, key=lambda name: [int(part) for part in name.split(".")])
