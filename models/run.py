"""A training, the adapter that comes of it, and what was told on the way.

A `Run` is worked on by a `Job` of the kind "train" (`models.job` fences its attempts); its curves, samples and log are
`RunEvent`s under the step they belong to, so a run that was killed and resumed tells each step once. What was reserved
of the owner's training minutes is settled once, by row count. An `Adapter` exists when its manifest is in the bucket.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    Boolean,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    func,
    or_,
    select,
    update,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.account import give_back_minutes
from models.base import Base, CreatedAt, Id, Json, OwnerId
from models.job import OPEN_STATES, Job, JobState

MAX_TITLE = 80
MAX_MANNER = 160


class Probed(Base):
    """What was measured for one dataset version and checkpoint, as `contracts.training.Probe`; quotes are made of it.

    `manner` is the request's: what was measured at rank 8 says nothing of rank 64.
    `job_id` is the job of the kind "probe" that measures; `probe` is None until it has.
    """

    __tablename__ = "probed"
    __table_args__ = (UniqueConstraint("version_id", "checkpoint", "phonemes", "manner"),)

    id: Mapped[Id]
    user_id: Mapped[OwnerId]
    version_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("dataset_version.id", ondelete="CASCADE"))
    checkpoint: Mapped[str] = mapped_column(String(128))
    phonemes: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    manner: Mapped[str] = mapped_column(String(MAX_MANNER), default="", server_default="")
    job_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("job.id", ondelete="SET NULL"))
    probe: Mapped[Json | None]
    created_at: Mapped[CreatedAt]


class Run(Base):
    """One training. Its state is its job's.

    `request` is a `contracts.training.TrainRequest`, `config` the `TrainConfig` that it resolved to and `quote` the
    `Quote` that was accepted. `title` and `number` name the adapter that it makes: "Cowboy", 2. `before_id` is the
    adapter that it is to be better than. `resume_key` is the folder in the bucket that it can go on from, `last_step`
    the last step that was told.
    """

    __tablename__ = "run"
    __table_args__ = (
        Index("ix_run_user_id_created_at", "user_id", "created_at"),
        UniqueConstraint("user_id", "title", "number"),
    )

    id: Mapped[Id]
    user_id: Mapped[OwnerId]
    dataset_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("dataset.id", ondelete="SET NULL"))
    version_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("dataset_version.id", ondelete="SET NULL"))
    job_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("job.id", ondelete="SET NULL"), unique=True)
    before_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("adapter.id", ondelete="SET NULL"))
    title: Mapped[str] = mapped_column(String(MAX_TITLE))
    number: Mapped[int] = mapped_column(Integer)
    request: Mapped[Json]
    config: Mapped[Json]
    quote: Mapped[Json]
    resume_key: Mapped[str] = mapped_column(Text, default="", server_default="")
    last_step: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    stop_early: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    minutes_reserved: Mapped[int] = mapped_column(Integer)
    minutes_charged: Mapped[int | None] = mapped_column(Integer)
    settled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[CreatedAt]
    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class RunEvent(Base):
    """What a training said: a `contracts.training.TrainEvent`. `nth` tells several of a kind at one step apart.

    The last word counts: a resumed run says the steps since its last state again, with the same figures.
    """

    __tablename__ = "run_event"

    run_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    step: Mapped[int] = mapped_column(Integer, primary_key=True)
    nth: Mapped[int] = mapped_column(Integer, primary_key=True, default=0, server_default="0")
    payload: Mapped[Json]
    at: Mapped[CreatedAt]


class Adapter(Base):
    """What a run made; its id is the run's, and in the bucket its name. `card` and `manifest` are copies.

    It is in its owner's voice menu while `published_at` is set and `deleted_at` is not; `reason` says why it was
    published although it is worse than what it replaces. `is_live` marks the one of a title that new lyrics use.
    """

    __tablename__ = "adapter"
    __table_args__ = (
        Index("ix_adapter_user_id_created_at", "user_id", "created_at"),
        Index("uq_adapter_live", "user_id", "title", unique=True, postgresql_where=sql("is_live")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[OwnerId]
    title: Mapped[str] = mapped_column(String(MAX_TITLE))
    number: Mapped[int] = mapped_column(Integer)
    base: Mapped[str] = mapped_column(String(128))
    bits_per_byte: Mapped[float] = mapped_column(Float)
    card: Mapped[Json]
    manifest: Mapped[Json]
    is_live: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    reason: Mapped[str] = mapped_column(Text, default="", server_default="")
    published_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[CreatedAt]
    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Told(NamedTuple):
    """One event as it is stored."""

    kind: str
    step: int
    nth: int
    payload: dict[str, Any]


def tell(session: Session, run_id: UUID, events: Iterable[Told]) -> None:
    """Store what a training said; said again, it is stored once."""
    rows = {(e.kind, e.step, e.nth): {"run_id": run_id, **e._asdict()} for e in events}  # one statement, each row once
    if not rows:
        return
    statement = insert(RunEvent).values(list(rows.values()))
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["run_id", "kind", "step", "nth"], set_={"payload": statement.excluded.payload}
        )
    )
    last = max(step for _, step, _ in rows)
    session.execute(update(Run).where(Run.id == run_id, Run.last_step < last).values(last_step=last))


def charge(session: Session, run_id: UUID, *, is_done: bool) -> bool:
    """End a run's bill, in the transaction in which its job ends; False when that was done before.

    Its owner pays for the steps that it was given, and when it is done for what its quote says of loading, evaluating
    and judging. One that was refused before its first step costs nothing.
    """
    seconds = trained_seconds(session, run_id) + (_other_seconds(session, run_id) if is_done else 0.0)
    return settle(session, run_id, math.ceil(seconds / 60))


def charge_ended(session: Session, user_id: UUID) -> None:
    """End the bills of this user's runs that ended with no worker at them: cancelled in the queue, or given up."""
    ended = (
        select(Run.id, Job.state)
        .outerjoin(Job, Job.id == Run.job_id)
        .where(Run.user_id == user_id, Run.settled_at.is_(None), or_(Job.id.is_(None), Job.state.not_in(OPEN_STATES)))
        .with_for_update(of=Run, skip_locked=True)  # all runs before the account, as everybody who charges
    )
    for run in session.execute(ended).all():
        charge(session, run.id, is_done=run.state is JobState.DONE)


def settle(session: Session, run_id: UUID, minutes: int) -> bool:
    """Charge a run `minutes` in all, never beyond what was reserved, and give the rest back; False when it was before.

    Of a run that goes on after its end (`reopen`) only what comes on top of the earlier charge is charged.
    """
    before = func.coalesce(Run.minutes_charged, 0)
    on_top = func.least(func.greatest(minutes - before, 0), Run.minutes_reserved)
    run = session.execute(
        select(Run.user_id, Run.minutes_reserved, on_top.label("on_top"))
        .where(Run.id == run_id, Run.settled_at.is_(None))
        .with_for_update()
    ).first()
    if run is None:
        return False
    session.execute(
        update(Run).where(Run.id == run_id).values(settled_at=func.now(), minutes_charged=before + run.on_top)
    )
    give_back_minutes(session, run.user_id, run.minutes_reserved - run.on_top)
    return True


def reopen(session: Session, run_id: UUID, minutes: int) -> bool:
    """Have a run that was settled go on, on `minutes` that were reserved anew; False when it is not settled.

    So that a run never costs more than was quoted, reserve `max_minutes` of its quote less `minutes_charged`.
    """
    opened = session.execute(
        update(Run)
        .where(Run.id == run_id, Run.settled_at.is_not(None))
        .values(settled_at=None, minutes_reserved=minutes, stop_early=False)
        .returning(Run.id)
    )
    return opened.first() is not None


def trained_seconds(session: Session, run_id: UUID) -> float:
    """What the steps of a run took, each counted once however often it was done: what its owner pays for."""
    seconds = RunEvent.payload["seconds"].astext.cast(Float)
    total = session.scalar(
        select(func.coalesce(func.sum(seconds), 0.0)).where(RunEvent.run_id == run_id, RunEvent.kind == "step")
    )
    return float(total or 0.0)


def _other_seconds(session: Session, run_id: UUID) -> float:
    run = session.get_one(Run, run_id)
    load_s, evaluate_s, judge_s = (float(run.quote.get(name, 0.0)) for name in ("load_s", "evaluate_s", "judge_s"))
    validations = select(func.count(RunEvent.step.distinct())).where(
        RunEvent.run_id == run_id, RunEvent.kind == "validation", RunEvent.step > 0
    )
    judged = 1 if run.before_id else 2 / 3  # of the three that are quoted; a first version follows none
    return load_s + evaluate_s * (session.scalar(validations) or 0) + judge_s * judged
