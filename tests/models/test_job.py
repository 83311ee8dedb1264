"""One job's life in the database: who may write on it, what is queued with it, and in which order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.orm import Session

from models import Dataset, Job, JobState, User
from models import job as life
from models.queue import CPU, defer, requeue_lost

SILENT_FOR = timedelta(seconds=6)
Ask = Callable[..., Job]


@pytest.fixture
def alice(session: Session) -> UUID:
    user = User(email="alice@example.org")
    session.add(user)
    session.commit()
    return user.id


@pytest.fixture
def ask(session: Session, alice: UUID) -> Ask:
    now = session.scalar(select(func.now()))
    assert now

    def ask_for_one(owner: UUID = alice, kind: str = "import", age_s: float = 0) -> Job:
        job = Job(user_id=owner, kind=kind, request={"link": "x"}, created_at=now - timedelta(seconds=age_s))
        session.add(job)
        defer(session, job)
        session.commit()
        return job

    return ask_for_one


def begin(session: Session, job: Job) -> life.Started:
    started = life.start(session, job.id)
    assert started
    session.commit()
    return started


def report(session: Session, started: life.Started, num_done: int) -> bool:
    return life.write_progress(
        session, started.job_id, started.attempt, stage="", num_done=num_done, num_total=None, counts={}, log=[]
    )


def fetch(session: Session) -> UUID | None:
    """What a worker is given next."""
    worker_id = session.scalar(text("select * from procrastinate_register_worker_v1()"))
    entry = session.scalar(
        text("select queueing_lock from procrastinate_fetch_job_v2(array[:queue]::varchar[], :worker_id)"),
        {"queue": CPU, "worker_id": worker_id},
    )
    session.commit()
    return UUID(entry) if entry else None


def test_it_works(session: Session, ask: Ask) -> None:
    job = ask()
    started = begin(session, job)
    assert (started.request, started.num_done, job.state, job.attempt) == ({"link": "x"}, 0, "running", started.attempt)
    assert report(session, started, 3)
    assert life.finish(session, job.id, started.attempt, JobState.DONE)
    session.commit()
    session.refresh(job)
    assert (job.state, job.num_done, job.attempt, job.state.is_over) == (JobState.DONE, 3, None, True)
    assert life.start(session, job.id) is None
    assert life.counts(session) == {("import", JobState.DONE): 1}


def test_who_was_overtaken_writes_nothing(session: Session, ask: Ask) -> None:
    job = ask()
    old = begin(session, job)
    assert report(session, old, 5)
    new = begin(session, job)
    assert (new.num_done, new.attempt != old.attempt) == (5, True)
    assert not report(session, old, 9)
    assert not life.hold(session, job.id, old.attempt)
    assert not life.finish(session, job.id, old.attempt, JobState.FAILED, "late")
    assert not life.give_back(session, job.id, old.attempt)
    assert life.postpone(session, job.id, old.attempt, timedelta(hours=1)) is None
    session.commit()
    assert life.beat(session, [old.attempt, new.attempt]) == life.Signs(cancelled=set(), superseded={old.attempt})
    session.refresh(job)
    assert (job.state, job.num_done, job.error, job.attempt) == (JobState.RUNNING, 5, None, new.attempt)


def test_a_held_job_lets_beats_and_progress_pass_and_nobody_else(engine: Engine, session: Session, ask: Ask) -> None:
    job = ask()
    started = begin(session, job)
    assert life.hold(session, job.id, started.attempt)
    overtaken = threading.Event()

    def overtake() -> None:
        with Session(engine) as other, other.begin():
            assert life.start(other, job.id)
        overtaken.set()

    with Session(engine) as other, other.begin():
        other.execute(text("set local lock_timeout = '2s'"))
        assert life.beat(other, [started.attempt]).superseded == set()
        assert report(other, started, 1)
    taker = threading.Thread(target=overtake)
    taker.start()
    with engine.connect() as watching:
        while not watching.scalar(text("select count(*) from pg_locks where not granted")):
            assert not overtaken.is_set()
    session.commit()  # the holder's transaction ends
    taker.join(10)
    assert overtaken.is_set()


def test_a_cancelled_job_is_never_started_again(session: Session, ask: Ask) -> None:
    queued, running = ask(), ask()
    started = begin(session, running)
    assert life.request_cancel(session, queued.id)
    assert life.request_cancel(session, running.id)
    session.commit()
    assert life.start(session, queued.id) is None
    assert life.beat(session, [started.attempt]).cancelled == {started.attempt}
    assert life.give_back(session, running.id, started.attempt)  # its worker ended before it heard
    assert life.start(session, running.id) is None
    session.commit()
    for job in (queued, running):
        session.refresh(job)
        assert (job.state, job.error) == (JobState.CANCELLED, None)
        assert job.finished_at
        assert not life.request_cancel(session, job.id)


def test_a_job_of_a_dead_worker_is_cancelled_at_once(session: Session, ask: Ask) -> None:
    job = ask()
    begin(session, job)
    job.beat_at = func.now() - timedelta(minutes=1)
    session.commit()
    assert life.request_cancel(session, job.id)
    session.refresh(job)
    assert (job.state, job.attempt) == (JobState.CANCELLED, None)


def test_a_postponed_job_that_is_to_be_cancelled_does_not_wait(session: Session, ask: Ask) -> None:
    job = ask()
    started = begin(session, job)
    life.request_cancel(session, job.id)
    life.postpone(session, job.id, started.attempt, timedelta(hours=1))
    session.commit()
    assert life.start(session, job.id) is None
    session.commit()
    session.refresh(job)
    assert job.state is JobState.CANCELLED


def test_a_job_does_not_start_before_its_time(session: Session, ask: Ask) -> None:
    job = ask()
    started = begin(session, job)
    due = life.postpone(session, job.id, started.attempt, timedelta(hours=1))
    session.commit()
    session.refresh(job)
    assert (job.state, job.run_after, job.attempt) == (JobState.WAITING, due, None)
    assert life.start(session, job.id) is None
    session.execute(update(Job).values(run_after=func.now()))
    session.commit()
    assert begin(session, job).job_id == job.id


def test_starts_without_progress_are_counted(session: Session, ask: Ask) -> None:
    job = ask()
    for _ in range(life.MAX_STARTS - 1):
        begin(session, job)
    assert report(session, begin(session, job), 1)
    session.commit()
    session.refresh(job)
    assert job.num_starts == 0
    for _ in range(life.MAX_STARTS):
        begin(session, job)
    assert life.start(session, job.id) is None
    session.commit()
    session.refresh(job)
    assert (job.state, job.error, job.attempt) == (JobState.FAILED, life.STUCK, None)


def test_a_rollback_leaves_neither_job_nor_entry_and_a_commit_leaves_one(session: Session, alice: UUID) -> None:
    for keep in (False, True):
        job = Job(user_id=alice, kind="import", request={})
        session.add(job)
        defer(session, job)
        defer(session, job)
        session.commit() if keep else session.rollback()
        assert session.scalar(select(func.count()).select_from(Job)) == int(keep)
        assert session.scalar(text("select count(*) from procrastinate_jobs")) == int(keep)


def test_the_queue_gives_each_user_one_job_at_a_time(session: Session, ask: Ask) -> None:
    bob = User(email="bob@example.org")
    session.add(bob)
    session.commit()
    first, second, bobs = ask(), ask(), ask(bob.id)
    assert [fetch(session) for _ in range(3)] == [first.id, bobs.id, None]
    session.execute(text("delete from procrastinate_jobs where status = 'doing'"))
    assert fetch(session) == second.id


def test_one_that_waits_holds_none_up_that_could_run(session: Session, ask: Ask, alice: UUID) -> None:
    waiting = Job(user_id=alice, kind="import", request={}, state=JobState.WAITING)
    waiting.run_after = session.scalar(select(func.now() + timedelta(hours=1)))
    session.add(waiting)
    defer(session, waiting)
    session.commit()
    later = ask()
    assert [fetch(session), fetch(session)] == [later.id, None]


def test_only_a_dead_workers_jobs_are_queued_again(session: Session, ask: Ask, alice: UUID) -> None:
    bob = User(email="bob@example.org")
    session.add(bob)
    session.commit()
    dead, queued, living = ask(age_s=9), ask(), ask(bob.id)
    assert [fetch(session), fetch(session)] == [dead.id, living.id]
    lost_attempt = begin(session, dead).attempt
    begin(session, living)
    assert requeue_lost(session, SILENT_FOR) == []
    session.execute(
        text(
            "update procrastinate_workers set last_heartbeat = now() - interval '7 seconds'"
            " where id = (select worker_id from procrastinate_jobs where queueing_lock = :id)"
        ),
        {"id": str(dead.id)},
    )
    assert requeue_lost(session, SILENT_FOR) == [dead.id]
    session.commit()
    assert not report(session, life.Started(dead.id, alice, None, "", lost_attempt, {}, "", 0, None, {}, []), 1)
    session.refresh(dead)
    assert dead.state is JobState.QUEUED
    assert requeue_lost(session, SILENT_FOR) == []
    assert fetch(session) == dead.id
    assert {row.id: row.state for row in session.scalars(select(Job))} == {
        dead.id: JobState.QUEUED,
        queued.id: JobState.QUEUED,
        living.id: JobState.RUNNING,
    }


def test_a_job_that_ended_before_its_worker_died_holds_no_other_up(session: Session, ask: Ask) -> None:
    ended, next_one = ask(age_s=9), ask()
    assert [fetch(session), fetch(session)] == [ended.id, None]
    assert life.finish(session, ended.id, begin(session, ended).attempt, JobState.DONE)
    session.commit()
    assert requeue_lost(session, SILENT_FOR) == []
    assert fetch(session) is None  # its worker lives, and is about to say so
    session.execute(text("update procrastinate_workers set last_heartbeat = now() - interval '7 seconds'"))
    assert requeue_lost(session, SILENT_FOR) == []
    session.commit()
    assert fetch(session) == next_one.id


def test_a_job_whose_place_in_the_queue_has_vanished_gets_another(session: Session, ask: Ask) -> None:
    job, over = ask(), ask()
    life.request_cancel(session, over.id)
    session.execute(text("delete from procrastinate_jobs"))
    session.commit()
    assert requeue_lost(session, SILENT_FOR) == [job.id]
    session.commit()
    assert fetch(session) == job.id
    assert not life.hold(session, job.id, uuid4())


def test_a_users_jobs_go_with_the_user(session: Session, ask: Ask, alice: UUID) -> None:
    dataset = Dataset(user_id=alice, name="mine")
    session.add(dataset)
    job = ask()
    session.delete(session.get_one(User, alice))
    session.commit()
    assert life.start(session, job.id) is None
