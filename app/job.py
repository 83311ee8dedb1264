"""The verbs of a job: ask for one, look at it, cancel it, have it done again. What is done is the worker's business."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Row, case, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from app.errors import Conflict, NotFound, TooMany
from models import Account, Dataset, Job, JobState, Run
from models.job import OPEN_STATES, again, request_cancel
from models.queue import ON_GPU, defer
from models.run import charge_ended

MAX_OPEN = 20
"""Jobs of one person that wait or run. One of them is worked on at a time."""
MAX_LISTED = 200

IMPORT, TIDY, FREEZE, PROBE, TRAIN, DRIFT = "import", "tidy", "freeze", "probe", "train", "drift"
_WORDS = {
    "playlist": "Import of the playlist “{}”",
    "tracks": "Import of a list of songs",
    "upload": "Import of {}",
    "paste": "Import of pasted words",
    TIDY: "Cleaning, languages and duplicates",
    FREEZE: "Freezing a version",
    PROBE: "Measuring for a quote: {}",
    TRAIN: "Training of “{}”",
    DRIFT: "Measuring what new songs change",
}


class JobView(NamedTuple):
    """A job as its owner sees it.

    `words` say what it does; `run_id` is the training that it does, if it does one. `num_total` is None while nobody
    knows. `log` holds `{at, words}`, `error` tells why it failed, and `run_after` when one that waits goes on.
    """

    id: UUID
    dataset_id: UUID | None
    dataset_name: str | None
    run_id: UUID | None
    kind: str
    words: str
    state: str
    stage: str
    num_done: int
    num_total: int | None
    counts: dict[str, Any]
    log: list[dict[str, Any]]
    error: str | None
    cancel_asked: bool
    run_after: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be done."""
        return JobState(self.state).is_over


def start(session: Session, user_id: UUID, dataset_id: UUID | None, kind: str, request: dict[str, Any]) -> JobView:
    """Ask for work; it begins when this transaction is committed and the jobs before it are over.

    Raises:
        TooMany: `MAX_OPEN` are waiting already.
    """
    _check_room(session, user_id)
    job = Job(user_id=user_id, dataset_id=dataset_id, kind=kind, request=request)
    session.add(job)
    defer(session, job)
    return get(session, user_id, job.id)


def tidy_soon(session: Session, user_id: UUID, dataset_id: UUID) -> None:
    """Have a dataset cleaned, told and compared anew; one that has not begun yet will do."""
    waits = select(Job.id).where(Job.dataset_id == dataset_id, Job.kind == TIDY, Job.state == JobState.QUEUED)
    if session.scalar(waits.limit(1)) is None:
        job = Job(user_id=user_id, dataset_id=dataset_id, kind=TIDY, request={})
        session.add(job)
        defer(session, job)


def get(session: Session, user_id: UUID, job_id: UUID) -> JobView:
    """One job of this person.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    found = _views(session, Job.id == job_id, Job.user_id == user_id, limit=1)
    if not found:
        raise NotFound("There is no such job of yours.")
    return found[0]


def find(session: Session, user_id: UUID, *, limit: int = MAX_LISTED) -> list[JobView]:
    """This person's jobs: those that are not over, then the others, the newest first."""
    return _views(session, Job.user_id == user_id, limit=limit)


def current(session: Session, dataset_ids: Sequence[UUID]) -> dict[UUID, JobView]:
    """The job that each of these datasets waits for, if there is one; tidying comes after all others.

    What is only measured of its songs changes nothing in it: it does not wait for that. Ask for ownership first; so
    with `latest`.
    """
    order = (case((Job.kind == TIDY, 1), else_=0), Job.created_at)
    return _one_each(session, dataset_ids, Job.state.in_(OPEN_STATES) & Job.kind.not_in(ON_GPU), order)


def latest(session: Session, dataset_ids: Sequence[UUID]) -> dict[UUID, JobView]:
    """The job that was asked for last in each, whatever became of it; tidying and measuring apart."""
    return _one_each(session, dataset_ids, Job.kind.not_in({TIDY, *ON_GPU}), (Job.created_at.desc(),))


def has_open(session: Session, dataset_id: UUID, kind: str) -> bool:
    """Whether a dataset waits for work of this kind."""
    asked = select(Job.id).where(Job.dataset_id == dataset_id, Job.kind == kind, Job.state.in_(OPEN_STATES))
    return session.scalar(asked.limit(1)) is not None


def cancel(session: Session, user_id: UUID, job_id: UUID) -> JobView:
    """End a job; what it has done stays done. A worker that is at it ends within seconds.

    Raises:
        Conflict: it is over.
    """
    get(session, user_id, job_id)
    if not request_cancel(session, job_id):
        raise Conflict("This job is over: there is nothing to cancel.", code="job_over")
    charge_ended(session, user_id)
    return get(session, user_id, job_id)


def cancel_all(session: Session, user_id: UUID, dataset_id: UUID) -> None:
    """End all jobs of a dataset, and the trainings on it."""
    trainings = select(Run.job_id).where(Run.dataset_id == dataset_id)
    of_it = or_(Job.dataset_id == dataset_id, Job.id.in_(trainings))
    for job_id in session.scalars(select(Job.id).where(of_it, Job.state.in_(OPEN_STATES))).all():
        request_cancel(session, job_id)
    charge_ended(session, user_id)


def retry(session: Session, user_id: UUID, job_id: UUID) -> JobView:
    """Have a job that failed or was cancelled done again; it goes on from what it had done.

    Raises:
        Conflict: it is neither, its dataset was deleted, or it is a training (`app.run.resume`).
        TooMany: `MAX_OPEN` are waiting already.
    """
    wanted = get(session, user_id, job_id)
    if wanted.kind == TRAIN:
        raise Conflict("A training goes on from its own page: it reserves minutes anew.", code="resume_the_run")
    if wanted.dataset_id and session.scalar(select(Dataset.deleted_at).where(Dataset.id == wanted.dataset_id)):
        raise Conflict("The dataset of this job was deleted: bring it back first.", code="dataset_deleted")
    return do_again(session, user_id, job_id)


def do_again(session: Session, user_id: UUID, job_id: UUID) -> JobView:
    """The same for a job whose owner and meaning were looked at."""
    _check_room(session, user_id)
    job = again(session, job_id)
    if job is None:
        raise Conflict("Only a job that failed or was cancelled can be done again.", code="job_not_over")
    defer(session, job)
    return get(session, user_id, job_id)


def _check_room(session: Session, user_id: UUID) -> None:
    session.execute(select(Account.user_id).where(Account.user_id == user_id).with_for_update())  # one at a time
    open_jobs = select(func.count()).select_from(Job).where(Job.user_id == user_id, Job.state.in_(OPEN_STATES))
    if (session.scalar(open_jobs) or 0) >= MAX_OPEN:
        raise TooMany(
            f"{MAX_OPEN} jobs of yours are waiting already. Wait for one to end, or cancel it.",
            code="too_many_jobs",
            retry_after_s=30,
        )


def _one_each(
    session: Session, dataset_ids: Sequence[UUID], which: ColumnElement[bool], order: Sequence[Any]
) -> dict[UUID, JobView]:
    """Of each dataset the job that comes first in this order."""
    first = (
        select(Job.id)
        .where(Job.dataset_id.in_(dataset_ids), which)
        .ext(distinct_on(Job.dataset_id))
        .order_by(Job.dataset_id, *order)
    )
    views = _views(session, Job.id.in_(first), limit=len(dataset_ids))
    return {view.dataset_id: view for view in views if view.dataset_id}


def _views(
    session: Session,
    *which: ColumnElement[bool],
    limit: int,
) -> list[JobView]:
    rows = session.execute(
        select(  # not the request: a list of ten thousand songs is no part of a view
            Job.id,
            func.coalesce(Job.dataset_id, Run.dataset_id).label("dataset_id"),
            Dataset.name.label("dataset_name"),
            Run.id.label("run_id"),
            Job.kind,
            Job.request["kind"].astext.label("request_kind"),
            Job.request["name"].astext.label("request_name"),
            Job.state,
            Job.stage,
            Job.num_done,
            Job.num_total,
            Job.counts,
            Job.log,
            Job.error,
            Job.cancel_asked,
            Job.run_after,
            Job.created_at,
            Job.started_at,
            Job.finished_at,
        )
        .outerjoin(Run, Run.job_id == Job.id)
        .outerjoin(Dataset, Dataset.id == func.coalesce(Job.dataset_id, Run.dataset_id))
        .where(*which)
        .order_by(Job.state.in_(OPEN_STATES).desc(), Job.created_at.desc(), Job.id)
        .limit(limit)
    )
    return [_view(row) for row in rows]


def _view(row: Row[Any]) -> JobView:
    what = row.request_kind if row.kind == IMPORT else row.kind
    values = {name: getattr(row, name) for name in JobView._fields if name not in ("words", "state")}
    words = _WORDS.get(what, row.kind).format(row.request_name or "")
    return JobView(**values, words=words, state=row.state.value)
