"""Jobs by real workers: picked up, killed, stopped, told to end, cancelled; and what is in the database then."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from models import Dataset, Job, JobState, Song
from models.job import MAX_STARTS, request_cancel
from models.queue import defer
from tests.worker.workers import SOON, Worker, ask, look, new_user, wait_until

Start = Callable[[], Worker]


def is_over(job: Job) -> bool:
    return job.state.is_over


@pytest.fixture
def start(database_url: str, tmp_path: Path) -> Iterator[Start]:
    workers: list[Worker] = []

    def start_one() -> Worker:
        workers.append(Worker(database_url, tmp_path))
        return workers[-1]

    yield start_one
    for worker in workers:
        worker.kill()


@pytest.fixture
def alice(engine: Engine) -> UUID:
    return new_user(engine, "alice")


def positions(engine: Engine, job_id: UUID) -> list[int]:
    """Of the songs of this job's dataset, in order; one that came twice is in it twice."""
    with Session(engine) as session:
        dataset_id = session.get_one(Job, job_id).dataset_id
        return list(session.scalars(select(Song.position).where(Song.dataset_id == dataset_id).order_by(Song.position)))


def num_entries(engine: Engine) -> int:
    """How many jobs are in the queue or being worked on, as the queue has it."""
    with engine.connect() as connection:
        return int(connection.scalar(text("select count(*) from procrastinate_jobs")) or 0)


def was_overtaken(worker: Worker) -> bool:
    """Whether it found that its job is another's; in a transaction, by finding that this was broken off."""
    return "job.superseded" in worker.words() or "job.database_away" in worker.words()


def test_it_works(engine: Engine, alice: UUID, start: Start) -> None:
    start()
    job_id = ask(engine, alice, "songs", num_songs=20, pace_s=0)
    job = wait_until(engine, job_id, is_over)
    assert (job.state, job.num_done, job.num_total, job.counts) == (JobState.DONE, 20, 20, {"found": 20})
    assert (job.attempt, job.error, job.stage) == (None, None, "making")
    assert [line["words"] for line in job.log] == ["begun with 0 of 20"]
    assert positions(engine, job_id) == list(range(20))
    wait_until(engine, job_id, lambda _: num_entries(engine) == 0)


def test_what_is_rolled_back_was_never_asked_for(engine: Engine, alice: UUID, start: Start) -> None:
    with Session(engine) as session:
        dataset = Dataset(user_id=alice, name="dropped")
        session.add(dataset)
        session.flush()
        job = Job(user_id=alice, dataset_id=dataset.id, kind="songs", request={"num_songs": 1, "pace_s": 0})
        session.add(job)
        defer(session, job)
        session.rollback()
    assert num_entries(engine) == 0
    start()
    wait_until(engine, ask(engine, alice, "songs", num_songs=1, pace_s=0), is_over)
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(Job)) == 1


def test_killed_at_random_songs_it_makes_each_once(engine: Engine, alice: UUID, start: Start) -> None:
    dice = random.Random(4)  # noqa: S311
    job_id = ask(engine, alice, "songs", num_songs=60, pace_s=0.04)
    for kill_at in sorted(dice.sample(range(2, 55), 3)):
        worker, spare = start(), start()
        wait_until(engine, job_id, lambda _, at=kill_at: len(positions(engine, job_id)) >= at)
        for victim in (worker, spare):  # whichever has it
            victim.kill()
    start()
    job = wait_until(engine, job_id, is_over)
    assert (job.state, job.num_done, job.counts["found"]) == (JobState.DONE, 60, 60)
    assert positions(engine, job_id) == list(range(60))
    begun_with = [int(line["words"].split()[2]) for line in job.log]
    assert len(begun_with) >= 4  # on a busy machine a living worker may be taken for dead, and loses nothing by it
    assert begun_with == sorted(begun_with)
    with Session(engine) as session:
        assert (session.scalar(select(func.count(Song.attempt.distinct()))) or 0) >= 4


def test_a_living_worker_goes_on_where_a_killed_one_ended(engine: Engine, alice: UUID, start: Start) -> None:
    first = start()
    job_id = ask(engine, alice, "songs", num_songs=30, pace_s=0.02)
    wait_until(engine, job_id, lambda job: job.num_done > 3)
    start()
    first.kill()
    job = wait_until(engine, job_id, is_over)
    assert job.state is JobState.DONE
    assert positions(engine, job_id) == list(range(30))


def test_a_stopped_worker_that_wakes_late_changes_nothing(engine: Engine, alice: UUID, start: Start) -> None:
    sleeper = start()
    job_id = ask(engine, alice, "songs", num_songs=40, pace_s=0.02)
    wait_until(engine, job_id, lambda job: job.num_done > 3)
    sleeper.send(signal.SIGSTOP)
    first_attempt = look(engine, job_id).attempt
    start()
    wait_until(engine, job_id, lambda job: job.attempt not in (None, first_attempt) and job.num_done > 10)
    sleeper.send(signal.SIGCONT)  # while the other is at it
    job = wait_until(engine, job_id, is_over)
    assert (job.state, job.num_done) == (JobState.DONE, 40)
    assert positions(engine, job_id) == list(range(40))
    assert len(job.log) >= 2
    wait_until(engine, job_id, lambda _: was_overtaken(sleeper))
    wait_until(engine, job_id, lambda _: num_entries(engine) == 0)


def test_a_stopped_worker_cannot_hold_others_up_by_a_transaction(engine: Engine, alice: UUID, start: Start) -> None:
    sleeper = start()
    job_id = ask(engine, alice, "hold", seconds=0.3)
    wait_until(engine, job_id, lambda job: job.stage == "holding")
    sleeper.send(signal.SIGSTOP)
    start()
    assert wait_until(engine, job_id, is_over).state is JobState.DONE
    finished_at = look(engine, job_id).finished_at
    sleeper.send(signal.SIGCONT)
    wait_until(engine, job_id, lambda _: was_overtaken(sleeper))
    assert wait_until(engine, job_id, lambda _: num_entries(engine) == 0).finished_at == finished_at


def test_told_to_end_it_gives_its_job_back(engine: Engine, alice: UUID, start: Start) -> None:
    first = start()
    job_id = ask(engine, alice, "songs", num_songs=40, pace_s=0.05)
    wait_until(engine, job_id, lambda job: job.num_done > 3)
    assert first.terminate() < 2.0
    given_back = look(engine, job_id)
    assert (given_back.state, given_back.attempt, given_back.num_starts) == (JobState.QUEUED, None, 0)
    assert positions(engine, job_id) == list(range(given_back.num_done))
    start()
    assert wait_until(engine, job_id, is_over).state is JobState.DONE
    assert positions(engine, job_id) == list(range(40))


def test_a_job_is_cancelled_wherever_it_stands(engine: Engine, alice: UUID, start: Start) -> None:
    def cancel(job_id: UUID) -> None:
        with Session(engine) as session, session.begin():
            assert request_cancel(session, job_id)

    start()
    running = ask(engine, alice, "songs", num_songs=10_000, pace_s=0.01)
    wait_until(engine, running, lambda job: job.num_done > 3)
    queued = ask(engine, alice, "songs", num_songs=1, pace_s=0)
    cancel(queued)
    assert look(engine, queued).state is JobState.CANCELLED
    cancel(running)
    stopped = wait_until(engine, running, is_over, within_s=3)
    assert (stopped.state, stopped.error, stopped.attempt) == (JobState.CANCELLED, None, None)
    waiting = ask(engine, alice, "limited", seconds=3600)
    wait_until(engine, waiting, lambda job: job.state is JobState.WAITING)
    cancel(waiting)
    assert look(engine, waiting).state is JobState.CANCELLED
    with Session(engine) as session:
        assert not request_cancel(session, running)
    assert positions(engine, queued) == []


def test_one_job_of_a_user_runs_at_a_time(engine: Engine, alice: UUID, start: Start) -> None:
    bob = new_user(engine, "bob")
    start()
    first = ask(engine, alice, "songs", num_songs=10_000, pace_s=0.01)
    second = ask(engine, alice, "songs", num_songs=1, pace_s=0)
    wait_until(engine, first, lambda job: job.num_done > 3)
    wait_until(engine, ask(engine, bob, "songs", num_songs=3, pace_s=0), is_over)
    assert look(engine, second).state is JobState.QUEUED
    with Session(engine) as session, session.begin():
        request_cancel(session, first)
    assert wait_until(engine, second, is_over).state is JobState.DONE


def test_a_limit_holds_neither_a_worker_nor_the_users_other_jobs(engine: Engine, alice: UUID, start: Start) -> None:
    start()
    far = ask(engine, alice, "limited", seconds=3600)
    wait_until(engine, far, lambda job: job.state is JobState.WAITING)
    near = ask(engine, alice, "limited", seconds=0.5)
    assert wait_until(engine, near, is_over).state is JobState.DONE
    assert [line["words"] for line in look(engine, near).log] == ["The source asks us to wait."] * 2 + ["let in"]
    assert look(engine, far).state is JobState.WAITING


def test_a_failure_says_what_is_wrong(engine: Engine, alice: UUID, start: Start) -> None:
    worker = start()
    designed, bug, unknown = (
        wait_until(engine, job_id, is_over)
        for job_id in [
            ask(engine, alice, "fail", how="designed"),
            ask(engine, alice, "fail", how="bug"),
            ask(engine, alice, "unheard of"),
        ]
    )
    assert {job.state for job in (designed, bug, unknown)} == {JobState.FAILED}
    assert designed.error == "The playlist is empty: choose another one."
    assert "ZeroDivisionError" in (bug.error or "")
    assert "'unheard of'" in (unknown.error or "")
    assert worker.words().count("Traceback") == 1


def test_a_job_that_takes_its_worker_down_each_time_is_given_up(engine: Engine, alice: UUID, start: Start) -> None:
    job_id = ask(engine, alice, "fail", how="deadly")
    with Session(engine) as session, session.begin():
        session.get_one(Job, job_id).num_starts = MAX_STARTS - 1
    start().process.join(20)
    assert look(engine, job_id).state is JobState.RUNNING
    start()
    job = wait_until(engine, job_id, is_over)
    assert job.state is JobState.FAILED
    assert f"started {MAX_STARTS} times" in (job.error or "")


def test_the_times_of_the_tests_keep_their_order() -> None:
    assert SOON.silent_s >= 5 * SOON.beat_s
