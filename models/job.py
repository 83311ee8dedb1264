"""One piece of queued work, from being asked for to its end, and who may write on it.

A job is worked on in *attempts*: each start takes a fresh `attempt` in one conditional UPDATE, and whoever writes names
the one it was given. A worker that slept while another took its job over finds that its own is no longer the job's, and
changes nothing. Knows nothing of the queue (`models.queue`), nor of what the work is.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import (
    Boolean,
    DateTime,
    Enum,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    Uuid,
    case,
    false,
    func,
    null,
    or_,
    select,
    update,
)
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, CreatedAt, Id, Json, OwnerId

MAX_STARTS = 10
"""A job that was started so often and got no further takes its worker down each time: it is given up."""
STUCK = (
    f"This job was started {MAX_STARTS} times, and each time it broke off before it got any further. What was done "
    "is kept. Try again with less at once, and tell us if that does not help."
)
LOG_KEPT = 200
"""Lines of a job's log; the oldest go first."""
SILENT_FOR = timedelta(seconds=6)
"""A job whose worker has been silent for so long is worked on by another; a worker says each second that it lives."""


class JobState(enum.StrEnum):
    """Where a job stands. `WAITING` holds no worker: it goes on at `run_after`."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be done."""
        return self not in OPEN_STATES


OPEN_STATES = (JobState.QUEUED, JobState.RUNNING, JobState.WAITING)


class Job(Base):
    """Queued work and its progress.

    `request` is what was asked, as the kind's body reads it. `num_total` is None while nobody knows; `counts` are
    numbers by name (`found`, `check`); `log` is a list of `{at, words}`. `error` is a sentence for the owner.
    `num_starts` counts the starts since the last progress, not those that ended orderly.
    """

    __tablename__ = "job"
    __table_args__ = (
        Index("ix_job_user_id_created_at", "user_id", "created_at"),
        Index("ix_job_dataset_id_created_at", "dataset_id", "created_at"),
        Index("ix_job_open", "created_at", postgresql_where=sql("state in ('queued', 'running', 'waiting')")),
    )

    id: Mapped[Id]
    user_id: Mapped[OwnerId]
    dataset_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("dataset.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(32))
    request: Mapped[Json]
    state: Mapped[JobState] = mapped_column(
        Enum(JobState, native_enum=False, length=16, values_callable=lambda kinds: [k.value for k in kinds]),
        default=JobState.QUEUED,
        server_default=JobState.QUEUED.value,
    )
    attempt: Mapped[UUID | None] = mapped_column(Uuid, unique=True)  # unique: see `hold`
    num_starts: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    stage: Mapped[str] = mapped_column(Text, default="", server_default="")
    num_done: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    num_total: Mapped[int | None] = mapped_column(Integer)
    counts: Mapped[Json] = mapped_column(default=dict, server_default=sql("'{}'"))
    log: Mapped[list[Json]] = mapped_column(default=list, server_default=sql("'[]'"))
    error: Mapped[str | None] = mapped_column(Text)
    cancel_asked: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    run_after: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[CreatedAt]
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    beat_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Started(NamedTuple):
    """A job that is ours to work on, as it was when we took it."""

    job_id: UUID
    user_id: UUID
    dataset_id: UUID | None
    kind: str
    attempt: UUID
    request: dict[str, Any]
    stage: str
    num_done: int
    num_total: int | None
    counts: dict[str, Any]
    log: list[dict[str, Any]]


class Signs(NamedTuple):
    """What a heartbeat tells: the attempts that are to be cancelled, and those that are no longer their job's."""

    cancelled: set[UUID]
    superseded: set[UUID]


def start(session: Session, job_id: UUID) -> Started | None:
    """Take a job that is due, also from a worker that has it already; None when there is nothing to do.

    A job that was to be cancelled, or was started `MAX_STARTS` times without getting any further, ends here.
    """
    gives_up = Job.num_starts >= MAX_STARTS
    ends = or_(Job.cancel_asked, gives_up)
    attempt = uuid4()
    row = session.execute(
        update(Job)
        .where(
            Job.id == job_id,
            Job.state.in_(OPEN_STATES),
            or_(Job.run_after.is_(None), Job.run_after <= func.now(), Job.cancel_asked),
        )
        .values(
            state=case(
                (Job.cancel_asked, JobState.CANCELLED.value),
                (gives_up, JobState.FAILED.value),
                else_=JobState.RUNNING.value,
            ),
            attempt=case((ends, null()), else_=attempt),
            num_starts=Job.num_starts + 1,
            started_at=func.coalesce(Job.started_at, func.now()),
            beat_at=func.now(),
            run_after=None,
            finished_at=case((ends, func.now()), else_=null()),
            error=case(
                (Job.cancel_asked, null()),
                (gives_up, STUCK),
                else_=null(),
            ),
        )
        .returning(Job)
    ).scalar_one_or_none()
    if row is None or row.attempt is None:
        return None
    return Started(
        row.id,
        row.user_id,
        row.dataset_id,
        row.kind,
        attempt,
        row.request,
        row.stage,
        row.num_done,
        row.num_total,
        row.counts,
        row.log,
    )


def hold(session: Session, job_id: UUID, attempt: UUID) -> bool:
    """Whether the job is still this attempt's, and then it stays so until the transaction ends.

    `attempt` is unique, so whoever changes it needs Postgres's strongest row lock, and waits for this weakest one.
    Heartbeats and progress change no key and wait for nobody.
    Source: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS
    """
    held = select(Job.id).where(Job.id == job_id, Job.attempt == attempt).with_for_update(read=True, key_share=True)
    return session.scalar(held) is not None


def beat(session: Session, attempts: Iterable[UUID]) -> Signs:
    """Say that these attempts are alive."""
    ids = set(attempts)
    if not ids:
        return Signs(set(), set())
    alive = session.execute(
        update(Job).where(Job.attempt.in_(ids)).values(beat_at=func.now()).returning(Job.attempt, Job.cancel_asked)
    ).all()
    return Signs({row.attempt for row in alive if row.cancel_asked}, ids - {row.attempt for row in alive})


def write_progress(
    session: Session,
    job_id: UUID,
    attempt: UUID,
    *,
    stage: str,
    num_done: int,
    num_total: int | None,
    counts: dict[str, Any],
    log: list[dict[str, Any]],
) -> bool:
    """Put down how far the attempt is; False when the job is no longer its own."""
    written = session.execute(
        update(Job)
        .where(Job.id == job_id, Job.attempt == attempt)
        .values(
            stage=stage,
            num_done=num_done,
            num_total=num_total,
            counts=counts,
            log=log[-LOG_KEPT:],
            beat_at=func.now(),
            num_starts=case((Job.num_done < num_done, 0), else_=Job.num_starts),
        )
        .returning(Job.id)
    )
    return written.first() is not None


def finish(session: Session, job_id: UUID, attempt: UUID, state: JobState, error: str | None = None) -> bool:
    """End the job; False when it is no longer this attempt's."""
    return _let_go(session, job_id, attempt, state=state, error=error, finished_at=func.now())


def give_back(session: Session, job_id: UUID, attempt: UUID) -> bool:
    """Let another worker go on; this start does not count."""
    return _let_go(session, job_id, attempt, state=JobState.QUEUED, num_starts=func.greatest(Job.num_starts - 1, 0))


def postpone(session: Session, job_id: UUID, attempt: UUID, after: timedelta) -> datetime | None:
    """Go on no sooner than `after` from now, and hold no worker until then; None when the job is not ours any more."""
    due = case((Job.cancel_asked, func.now()), else_=func.now() + after)  # `start` cancels it
    row = session.execute(
        update(Job)
        .where(Job.id == job_id, Job.attempt == attempt)
        .values(state=JobState.WAITING, attempt=None, run_after=due, num_starts=0)
        .returning(Job.run_after)
    ).first()
    return row.run_after if row else None


def request_cancel(session: Session, job_id: UUID) -> bool:
    """Cancel a job: at once when nobody works on it, else its worker does within seconds; False when it is over."""
    nobody = or_(Job.state != JobState.RUNNING, Job.beat_at.is_(None), Job.beat_at < func.now() - SILENT_FOR)
    ended = session.execute(
        update(Job)
        .where(Job.id == job_id, Job.state.in_(OPEN_STATES), nobody)
        .values(state=JobState.CANCELLED, cancel_asked=True, attempt=None, run_after=None, finished_at=func.now())
        .returning(Job.id)
    ).first()
    if ended:
        return True
    asked = session.execute(
        update(Job).where(Job.id == job_id, Job.state == JobState.RUNNING).values(cancel_asked=True).returning(Job.id)
    ).first()
    return asked is not None


def end_at_once(session: Session, job_id: UUID) -> None:
    """Cancel a job although a worker may be at it: from here on that worker can write nothing, and soon hears of it."""
    session.execute(
        update(Job)
        .where(Job.id == job_id, Job.state.in_(OPEN_STATES))
        .values(state=JobState.CANCELLED, cancel_asked=True, attempt=None, run_after=None, finished_at=func.now())
    )


def again(session: Session, job_id: UUID) -> Job | None:
    """Make a job that failed or was cancelled one that is to be done, from where it was; None when it is neither.

    Whoever asks queues it anew.
    """
    return session.execute(
        update(Job)
        .where(Job.id == job_id, Job.state.in_((JobState.FAILED, JobState.CANCELLED)))
        .values(
            state=JobState.QUEUED,
            attempt=None,
            num_starts=0,
            error=None,
            cancel_asked=False,
            run_after=None,
            finished_at=None,
        )
        .returning(Job),
        execution_options={"populate_existing": True},
    ).scalar_one_or_none()


def counts(session: Session) -> dict[tuple[str, JobState], int]:
    """How many jobs there are of each kind in each state."""
    rows = session.execute(select(Job.kind, Job.state, func.count()).group_by(Job.kind, Job.state)).all()
    return {(kind, state): number for kind, state, number in rows}


def _let_go(session: Session, job_id: UUID, attempt: UUID, **values: Any) -> bool:
    freed = session.execute(
        update(Job).where(Job.id == job_id, Job.attempt == attempt).values(attempt=None, **values).returning(Job.id)
    )
    return freed.first() is not None
