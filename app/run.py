"""The verbs of a training: start, look at, stop early, cancel, have it go on, delete.

Starting re-checks the songs, works the quote out anew, reserves its cap and queues the run in one transaction. What
was not used comes back when it ends. Knows nothing of how a network is trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, get_args
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy import delete as removal
from sqlalchemy.orm import Session

from app import adapter, dataset_version, job, quote
from app.errors import AllowanceSpent, BadInput, Conflict, NotFound
from app.people import check_member
from app.plain_text import checked_line
from contracts.manifest import run_folder
from contracts.settings import Settings
from contracts.training import EventKind, TrainRequest
from models import Adapter, Dataset, DatasetVersion, Job, JobState, Run, RunEvent
from models.account import account_of, hold_account, reserve_minutes
from models.job import OPEN_STATES, end_at_once, request_cancel
from models.queue import ON_GPU
from models.run import MAX_TITLE as MAX_TITLE
from models.run import charge_ended, reopen

MAX_LISTED = 200
KINDS: tuple[str, ...] = get_args(EventKind)
RECENT_STEPS = 20
USUAL_S = 30.0
"""What a job of the same queue that is no run takes: measuring for a quote, or what new songs change."""
LEAST_S = 5.0
_NO_SUCH = "There is no such training of yours."


class DatasetNamed(NamedTuple):
    """The version of a dataset that a run is trained on."""

    id: UUID
    name: str
    number: int


class RunView(NamedTuple):
    """A training as its owner sees it.

    `config` is every number of it, `quote` what was agreed to. `position` is its place in the queue, 1 for the next;
    None when it does not wait. `eta_s` is how long it will still take, the wait too. `adapter_id` names what it made,
    while that is kept; `dataset` is None once that is gone for good. `stop_asked` and `cancel_asked` say that it will
    end soon.
    """

    id: UUID
    title: str
    number: int
    dataset: DatasetNamed | None
    request: dict[str, Any]
    config: dict[str, Any]
    quote: dict[str, Any]
    state: str
    stage: str
    position: int | None
    num_done: int
    num_total: int | None
    eta_s: float | None
    error: str | None
    stop_asked: bool
    cancel_asked: bool
    minutes_reserved: int
    minutes_charged: int | None
    before_id: UUID | None
    adapter_id: UUID | None
    job_id: UUID | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    last_step: int

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be done unless it is asked for."""
        return JobState(self.state).is_over


class EventView(NamedTuple):
    """What a training said, as `contracts.training.TrainEvent` describes it."""

    kind: str
    step: int
    nth: int
    payload: dict[str, Any]
    at: datetime


def start(
    session: Session,
    settings: Settings,
    user_id: UUID,
    dataset_id: UUID,
    number: int,
    *,
    title: str,
    request: TrainRequest,
    max_minutes: int,
    before_id: UUID | None = None,
) -> RunView:
    """Train a voice on a dataset's version. `max_minutes` is the cap that its owner agreed to.

    Without `before_id` it is compared with the live version of its title, where that has the same checkpoint.

    Raises:
        NeedsAccount: a guest.
        NotFound: there is no such version, or `before_id` is no voice of this person.
        BadInput: the title, or the checkpoint.
        Conflict: the version may not be trained on, nothing was measured yet, or the cap is higher by now.
        AllowanceSpent: too few minutes are left, or as many voices are kept as may be.
        TooMany: too many jobs are waiting.
    """
    check_member(session, user_id, quote.WHAT)
    title = _checked_title(title)
    quote.check_checkpoint(request.checkpoint)
    _lock(session, user_id)
    version = dataset_version.own_version(session, user_id, dataset_id, number)
    before = _before(session, user_id, title, request.checkpoint, before_id)
    _check_trainable(session, version)
    known = quote.work_out(session, settings, version, request)
    if known is None:
        raise Conflict("It was not measured yet what this would take: ask for a quote first.", code="no_quote")
    if known.quote.max_minutes > max_minutes:
        raise Conflict(
            f"This takes up to {known.quote.max_minutes:,} minutes by now, not {max_minutes:,}. Look at the new quote.",
            code="quote_changed",
            field="max_minutes",
        )
    _check_place(session, user_id, title)
    _reserve(session, user_id, known.quote.max_minutes)
    last = session.scalar(select(func.max(Run.number)).where(Run.user_id == user_id, Run.title == title))
    run = Run(
        id=uuid4(),
        user_id=user_id,
        dataset_id=dataset_id,
        version_id=version.id,
        before_id=before,
        title=title,
        number=(last or 0) + 1,
        request=request.model_dump(mode="json"),
        config=known.config.model_dump(mode="json"),
        quote=known.quote.model_dump(mode="json"),
        minutes_reserved=known.quote.max_minutes,
    )
    asked = {"run_id": str(run.id), "name": f"{title} v{run.number}"}
    run.job_id = job.start(session, user_id, None, job.TRAIN, asked).id
    session.add(run)
    session.flush()
    return get(session, user_id, run.id)


def get(session: Session, user_id: UUID, run_id: UUID) -> RunView:
    """One training of this person.

    Raises:
        NotFound: there is none, it is deleted, or it is somebody else's.
    """
    found = _views(session, Run.id == run_id, Run.user_id == user_id)
    if not found:
        raise NotFound(_NO_SUCH)
    return found[0]


def find(session: Session, user_id: UUID) -> list[RunView]:
    """This person's trainings, the newest first.

    Raises:
        NeedsAccount: a guest.
    """
    check_member(session, user_id, quote.WHAT)
    return _views(session, Run.user_id == user_id)


def events(
    session: Session, user_id: UUID, run_id: UUID, *, kinds: Iterable[str] = (), after_step: int = -1
) -> list[EventView]:
    """What a training said of the steps after `after_step`, by step; of these kinds, or of all. Step 0 is before the
    first.

    Raises:
        NotFound: as `get`.
        BadInput: there is no such kind.
    """
    own(session, user_id, run_id)
    wanted = list(kinds)
    for kind in wanted:
        if kind not in KINDS:
            raise BadInput(
                f"There are no events of the kind {kind[:40]!r}. There are: {', '.join(KINDS)}.",
                code="unknown_kind",
                field="kinds",
            )
    query = select(RunEvent).where(RunEvent.run_id == run_id, RunEvent.step > after_step)
    if wanted:
        query = query.where(RunEvent.kind.in_(wanted))
    rows = session.scalars(query.order_by(RunEvent.step, RunEvent.at, RunEvent.kind, RunEvent.nth))
    return [EventView(row.kind, row.step, row.nth, row.payload, row.at) for row in rows]


def stop(session: Session, user_id: UUID, run_id: UUID) -> RunView:
    """End a training early: its best state so far is evaluated and becomes the voice.

    Raises:
        Conflict: it is over, or has not begun.
    """
    view = get(session, user_id, run_id)
    if view.is_over:
        raise Conflict("This training is over: there is nothing to stop.", code="run_over")
    if view.started_at is None:
        raise Conflict("This training has not begun: cancel it instead.", code="run_not_begun")
    own(session, user_id, run_id).stop_early = True
    session.flush()
    return get(session, user_id, run_id)


def cancel(session: Session, user_id: UUID, run_id: UUID) -> RunView:
    """End a training without a voice. Its steps so far are charged, and it can go on later.

    Raises:
        Conflict: it is over.
    """
    run = own(session, user_id, run_id)
    if run.job_id is None or not request_cancel(session, run.job_id):
        raise Conflict("This training is over: there is nothing to cancel.", code="run_over")
    charge_ended(session, user_id)
    return get(session, user_id, run_id)


def resume(session: Session, user_id: UUID, run_id: UUID) -> RunView:
    """Have a training that failed or was cancelled go on from its last state. It never costs more than was quoted.

    Raises:
        Conflict: it is neither, or its songs may not be trained on any more.
        AllowanceSpent: too few minutes are left, or as many voices are kept as may be.
    """
    view = get(session, user_id, run_id)
    if view.state not in (JobState.FAILED, JobState.CANCELLED) or view.job_id is None:
        raise Conflict("Only a training that failed or was cancelled can go on.", code="run_not_over")
    quote.check_checkpoint(str(view.request["checkpoint"]))
    _lock(session, user_id)
    if view.dataset is None:
        raise Conflict("The dataset of this training is gone: train on another.", code="not_trainable")
    version = dataset_version.own_version(session, user_id, view.dataset.id, view.dataset.number)
    _check_trainable(session, version)
    _check_place(session, user_id, view.title)
    run = own(session, user_id, run_id)
    rest = max(0, int(view.quote["max_minutes"]) - (run.minutes_charged or 0))
    _reserve(session, user_id, rest)
    job.do_again(session, user_id, view.job_id)
    reopen(session, run_id, rest)
    return get(session, user_id, run_id)


def delete(session: Session, user_id: UUID, run_id: UUID) -> None:
    """Delete a training for good, with its curves and states and with the voice that it made.

    One that is under way ends at once and is charged for its steps.
    """
    run = own(session, user_id, run_id)
    if run.job_id:
        end_at_once(session, run.job_id)
    charge_ended(session, user_id)
    run.deleted_at = datetime.now(UTC)
    session.execute(removal(RunEvent).where(RunEvent.run_id == run_id))
    session.flush()
    if session.scalar(select(Adapter.id).where(Adapter.id == run_id, Adapter.deleted_at.is_(None))):
        adapter.delete(session, user_id, run_id)
    adapter.empty(run_folder(run_id))


def own(session: Session, user_id: UUID, run_id: UUID) -> Run:
    """The row of a training of this person, as it is now.

    Raises:
        NotFound: there is none, it is deleted, or it is somebody else's.
    """
    run = session.get(Run, run_id, populate_existing=True)
    if run is None or run.user_id != user_id or run.deleted_at is not None:
        raise NotFound(_NO_SUCH)
    return run


def _lock(session: Session, user_id: UUID) -> None:
    """One at a time of each person: neither the last minutes nor the last place can be had twice."""
    charge_ended(session, user_id)
    hold_account(session, user_id)


def _reserve(session: Session, user_id: UUID, minutes: int) -> None:
    if not reserve_minutes(session, user_id, minutes):
        left = account_of(session, user_id).minutes_left
        raise AllowanceSpent(quote.too_few_minutes(session, user_id, minutes, left), code="minutes_spent")


def _check_trainable(session: Session, version: DatasetVersion) -> None:
    if refusals := quote.why_not(session, version):
        raise Conflict(" ".join(refusals), code="not_trainable")


def _check_place(session: Session, user_id: UUID, title: str) -> None:
    """A further version of a voice takes no further place."""
    kept = quote.titles(session, user_id)
    most = account_of(session, user_id).max_adapters
    if title not in kept and len(kept) >= most:
        named = f" ({', '.join(sorted(kept))})" if kept else ""
        raise AllowanceSpent(
            f"You keep {len(kept)} of {most} voices{named}. Delete one, or train a further version of one: give its "
            "title.",
            code="too_many_adapters",
            field="title",
        )


def _checked_title(title: str) -> str:
    plain = checked_line(title, field="title", max_chars=MAX_TITLE)
    if not plain:
        raise BadInput("The voice needs a title.", code="no_title", field="title")
    return plain


def _before(session: Session, user_id: UUID, title: str, checkpoint: str, before_id: UUID | None) -> UUID | None:
    """The version that the new one is to be better than."""
    if before_id is None:
        live = select(Adapter.id).where(
            Adapter.user_id == user_id, Adapter.title == title, Adapter.is_live, Adapter.base == checkpoint
        )
        return session.scalar(live)
    return adapter.own(session, user_id, before_id).id


def _views(session: Session, *which: ColumnElement[bool]) -> list[RunView]:
    rows = session.execute(
        select(
            Run,
            Job,
            Dataset.id.label("dataset_id"),
            Dataset.name.label("dataset_name"),
            DatasetVersion.number.label("version_number"),
            Adapter.id.label("adapter_id"),
            Adapter.deleted_at.label("adapter_deleted_at"),
        )
        .outerjoin(Job, Job.id == Run.job_id)
        .outerjoin(DatasetVersion, DatasetVersion.id == Run.version_id)
        .outerjoin(Dataset, Dataset.id == DatasetVersion.dataset_id)
        .outerjoin(Adapter, Adapter.id == Run.id)
        .where(Run.deleted_at.is_(None), *which)
        .order_by(Run.created_at.desc(), Run.id)
        .limit(MAX_LISTED),
        execution_options={"populate_existing": True},
    ).all()
    is_waiting = any(row.Job and not row.Job.state.is_over for row in rows)
    line = _line(session) if is_waiting else {}
    return [_view(row, *line.get(row.Run.job_id, (None, None))) for row in rows]


def _view(row: Row[*tuple[Any, ...]], position: int | None, eta_s: float | None) -> RunView:
    run: Run = row.Run
    work: Job | None = row.Job
    made = row.adapter_id is not None
    named = DatasetNamed(row.dataset_id, row.dataset_name, row.version_number) if row.dataset_id else None
    # Jobs are cleared away after some months; runs stay.
    state = work.state if work else JobState.DONE if made else JobState.FAILED
    return RunView(
        id=run.id,
        title=run.title,
        number=run.number,
        dataset=named,
        request=run.request,
        config=run.config,
        quote=run.quote,
        state=state.value,
        stage=work.stage if work else "",
        position=position,
        num_done=work.num_done if work else run.last_step,
        num_total=work.num_total if work else None,
        eta_s=eta_s,
        error=work.error if work else None,
        stop_asked=run.stop_early,
        cancel_asked=bool(work and work.cancel_asked),
        minutes_reserved=run.minutes_reserved,
        minutes_charged=run.minutes_charged,
        before_id=run.before_id,
        adapter_id=run.id if made and row.adapter_deleted_at is None else None,
        job_id=run.job_id,
        created_at=run.created_at,
        started_at=work.started_at if work else None,
        finished_at=work.finished_at if work else None,
        last_step=run.last_step,
    )


def _line(session: Session) -> dict[UUID, tuple[int | None, float | None]]:
    """Of each open job of the queue: its place, None once it is worked on, and seconds until its end.

    None when it takes longer than was quoted already: then nobody knows.
    """
    rows: Sequence[Row[Job, Run | None]] = session.execute(
        select(Job, Run)
        .outerjoin(Run, Run.job_id == Job.id)
        .where(Job.kind.in_(ON_GPU), Job.state.in_(OPEN_STATES))
        .order_by((Job.state == JobState.RUNNING).desc(), func.coalesce(Job.run_after, Job.created_at), Job.id)
    ).all()
    found: dict[UUID, tuple[int | None, float | None]] = {}
    waited_s, position = 0.0, 0
    for work, run in rows:
        position += work.state is not JobState.RUNNING
        own_s = _remaining_s(session, work, run) if run else USUAL_S
        waits_s = 0.0 if work.state is JobState.RUNNING else waited_s
        found[work.id] = position or None, None if own_s <= LEAST_S else round(waits_s + own_s, 1)
        waited_s += own_s
    return found


def _remaining_s(session: Session, work: Job, run: Run) -> float:
    """As quoted before the first step; then by what the last steps took, and as quoted for all else."""
    total_s, steps = float(run.quote["minutes"]) * 60, max(1, int(run.quote["num_steps"]))
    now = datetime.now(UTC)
    if run.last_step == 0:
        gone_s = (now - work.started_at).total_seconds() if work.started_at else 0.0
        return max(LEAST_S, total_s - gone_s)
    last = session.execute(
        select(RunEvent.at, RunEvent.payload["seconds"].as_float().label("seconds"))
        .where(RunEvent.run_id == run.id, RunEvent.kind == "step")
        .order_by(RunEvent.step.desc())
        .limit(RECENT_STEPS)
    ).all()
    judge_s = float(run.quote.get("judge_s", 0))
    evaluate_s = max(0.0, total_s - float(run.quote.get("train_s", total_s)) - judge_s)
    left = 0 if run.stop_early else max(0, steps - run.last_step)
    step_s = sum(step.seconds or 0.0 for step in last) / max(1, len(last))
    if left:
        return left * step_s + evaluate_s * left / steps + judge_s
    silent_s = (now - last[0].at).total_seconds() if last else 0.0
    return max(LEAST_S, judge_s - silent_s)
