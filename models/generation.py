"""One request for text, its takes, and the events that tell of them.

A generation is queued, running from its first words, and ends exactly once: done, cancelled or failed. Ending is one
conditional update, and the allowance is settled in the same transaction, so two processes that both think they end it
charge once. Events are stored before they are shown; a reader who lost the line
asks for those after the last one it saw.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    DateTime,
    Enum,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    Uuid,
    func,
    null,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.account import give_back_tokens
from models.base import Base, CreatedAt, Id, Json, OwnerId


class GenerationState(enum.StrEnum):
    """Where a generation stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Whether no more text will come."""
        return self in (GenerationState.DONE, GenerationState.CANCELLED, GenerationState.FAILED)


SILENT_FOR = timedelta(seconds=8)
"""A generation whose process has been silent for so long is given up; its process says that it lives each second."""

OPEN_STATES = (GenerationState.QUEUED, GenerationState.RUNNING)


class Generation(Base):
    """One request and its text.

    `params` is a `contracts.wire.SamplingParams`; `takes` is a list of `{index, text, finish_reason, lines, score}`.
    `form` is the `lyrics.form.Form` that was asked for, `deed` what was asked at which line of the lyric, and `placed`
    what came of it: where the text goes. `error_offers` are forms that could be kept, when `form` cannot.
    """

    __tablename__ = "generation"
    __table_args__ = (
        Index("ix_generation_user_id_created_at", "user_id", "created_at"),
        Index("ix_generation_open", "heartbeat_at", postgresql_where=text("state in ('queued', 'running')")),
    )

    id: Mapped[Id]
    user_id: Mapped[OwnerId]
    lyric_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("lyric.id", ondelete="SET NULL"), index=True)
    voice: Mapped[str] = mapped_column(String(128))
    prompt: Mapped[str] = mapped_column(Text)
    params: Mapped[Json]
    form: Mapped[Json | None]
    deed: Mapped[Json | None]
    placed: Mapped[Json | None]
    state: Mapped[GenerationState] = mapped_column(
        Enum(GenerationState, native_enum=False, length=16, values_callable=lambda kinds: [k.value for k in kinds]),
        default=GenerationState.QUEUED,
    )
    takes: Mapped[list[Json]] = mapped_column(default=list)
    tokens_reserved: Mapped[int] = mapped_column(Integer)
    tokens_used: Mapped[int] = mapped_column(Integer, default=0)
    prompt_tokens: Mapped[int] = mapped_column(Integer, default=0)
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(Text)
    error_offers: Mapped[list[Json] | None]
    created_at: Mapped[CreatedAt]
    heartbeat_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    cancel_requested_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @property
    def num_takes(self) -> int:
        """How many takes were asked for; to a form, in crafted mode, its alternatives."""
        return num_takes(self.form, int(self.params["n"]))


def num_takes(form: Json | None, n: int) -> int:
    """How many takes come: the alternatives of a form in crafted mode, else `n`."""
    return int(form["alternatives"]) if form and form["mode"] == "crafted" else n


class GenerationEvent(Base):
    """One event of the stream: `token`, `line`, `done` or `error`, numbered from 1 within its generation."""

    __tablename__ = "generation_event"

    generation_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("generation.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    payload: Mapped[Json]
    created_at: Mapped[CreatedAt] = mapped_column(index=True)


class EventRow(NamedTuple):
    """An event on its way to the table."""

    generation_id: UUID
    seq: int
    kind: str
    payload: dict[str, Any]


class Ending(NamedTuple):
    """How a generation ended. `tokens_used` is what the writer is charged for."""

    state: GenerationState
    takes: list[dict[str, Any]]
    tokens_used: int
    prompt_tokens: int = 0
    error_code: str | None = None
    error_message: str | None = None
    error_offers: list[dict[str, Any]] | None = None


def begin(session: Session, generation_ids: Iterable[UUID]) -> None:
    """Note that the first words of these have come."""
    ids = list(generation_ids)
    if ids:
        session.execute(
            update(Generation)
            .where(Generation.id.in_(ids), Generation.state == GenerationState.QUEUED)
            .values(state=GenerationState.RUNNING)
        )


def append_events(session: Session, events: Iterable[EventRow]) -> None:
    """Store events; one that is there already stays as it is, so a writer that lost its answer may repeat itself."""
    rows = [event._asdict() for event in events]
    if rows:
        session.execute(insert(GenerationEvent).on_conflict_do_nothing(), rows)


def events_after(session: Session, generation_id: UUID, seq: int) -> Sequence[GenerationEvent]:
    """The stored events with a higher number than `seq`, in order."""
    return session.scalars(
        select(GenerationEvent)
        .where(GenerationEvent.generation_id == generation_id, GenerationEvent.seq > seq)
        .order_by(GenerationEvent.seq)
    ).all()


def beat(session: Session, generation_ids: Iterable[UUID]) -> set[UUID]:
    """Say that these are alive in this process; return those that are to be stopped (cancelled, or over elsewhere)."""
    ids = list(generation_ids)
    alive = session.execute(
        update(Generation)
        .where(Generation.id.in_(ids), Generation.state.in_(OPEN_STATES))
        .values(heartbeat_at=func.now())
        .returning(Generation.id, Generation.cancel_requested_at)
    ).all()
    going_on = {row.id for row in alive if row.cancel_requested_at is None}
    return set(ids) - going_on


def request_cancel(session: Session, generation_id: UUID) -> bool:
    """Ask the process that runs it to stop; False when it is over already."""
    asked = session.execute(
        update(Generation)
        .where(Generation.id == generation_id, Generation.state.in_(OPEN_STATES))
        .values(cancel_requested_at=func.coalesce(Generation.cancel_requested_at, func.now()))
        .returning(Generation.id)
    )
    return asked.first() is not None


def end(session: Session, generation_id: UUID, ending: Ending) -> bool:
    """End an open generation and settle its allowance; False when another process ended it first."""
    row = session.execute(
        update(Generation)
        .where(Generation.id == generation_id, Generation.state.in_(OPEN_STATES))
        .values(
            state=ending.state,
            takes=ending.takes,
            tokens_used=func.least(ending.tokens_used, Generation.tokens_reserved),
            prompt_tokens=ending.prompt_tokens,
            error_code=ending.error_code,
            error_message=ending.error_message,
            error_offers=ending.error_offers or null(),
            finished_at=func.now(),
        )
        .returning(Generation.user_id, Generation.tokens_reserved, Generation.tokens_used)
    ).first()
    if row is None:
        return False
    give_back_tokens(session, row.user_id, row.tokens_reserved - row.tokens_used)
    return True


def give_up_lost(session: Session) -> int:
    """End the open generations whose process has not been heard of for `SILENT_FOR`; returns how many."""
    ids = session.scalars(
        select(Generation.id)
        .where(Generation.state.in_(OPEN_STATES), Generation.heartbeat_at < func.now() - SILENT_FOR)
        .limit(500)
    ).all()
    return sum(_fail_lost(session, generation_id) for generation_id in ids)


def _fail_lost(session: Session, generation_id: UUID) -> bool:
    """End a generation whose process has died: its text so far stays, and nothing is charged."""
    row = session.get(Generation, generation_id)
    if row is None or row.state.is_over:
        return False
    takes, last_seq = takes_so_far(session, row)
    takes = [take | {"finish_reason": "error"} for take in takes]
    ending = Ending(
        GenerationState.FAILED,
        takes,
        tokens_used=0,
        error_code="interrupted",
        error_message="Writing was interrupted by a restart. The text so far is kept, nothing was charged: try again.",
    )
    if not end(session, generation_id, ending):
        return False
    append_events(session, [EventRow(generation_id, last_seq + 1, "error", failure_payload(ending))])
    return True


def done_payload(ending: Ending) -> dict[str, Any]:
    """What the `done` event of a finished or cancelled generation says."""
    return {
        "state": ending.state.value,
        "takes": [
            {"take": take["index"], "finish_reason": take["finish_reason"], "score": take.get("score")}
            for take in ending.takes
        ],
        "usage": {
            "prompt_tokens": ending.prompt_tokens,
            "completion_tokens": ending.tokens_used,
            "total_tokens": ending.prompt_tokens + ending.tokens_used,
        },
    }


def failure_payload(ending: Ending) -> dict[str, Any]:
    """What the `error` event of a failed generation says."""
    return {"code": ending.error_code, "message": ending.error_message, "offers": ending.error_offers or []}


def takes_so_far(session: Session, row: Generation) -> tuple[list[dict[str, Any]], int]:
    """Each take as far as the stored events tell it, and the number of the last event."""
    takes: list[dict[str, Any]] = [new_take(index) for index in range(row.num_takes)]
    last_seq = 0
    for event in events_after(session, row.id, 0):
        last_seq = event.seq
        if event.kind in ("token", "line"):
            take = takes[event.payload["take"]]
            if event.kind == "token":
                take["text"] += event.payload["text"]
            else:
                take["lines"].append({key: value for key, value in event.payload.items() if key != "take"})
    return takes, last_seq


def new_take(index: int) -> dict[str, Any]:
    """A take before its first word. `lines` are the evidence of its lines, `score` ranks it among its siblings."""
    return {"index": index, "text": "", "finish_reason": None, "lines": [], "score": None}


def take_events(take: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Kinds and payloads of events that tell a whole take at once."""
    evidence = [("line", {"take": take["index"], **line}) for line in take.get("lines", [])]
    return [("token", {"take": take["index"], "text": take["text"]}), *evidence]


def num_open(session: Session, user_id: UUID, *, crafted: bool = False) -> int:
    """How many generations of this user are going on; with `crafted`, how many of these are crafted."""
    open_ones = select(func.count()).where(Generation.user_id == user_id, Generation.state.in_(OPEN_STATES))
    if crafted:
        open_ones = open_ones.where(Generation.form["mode"].astext == "crafted")
    return session.scalar(open_ones) or 0
