"""Keeping the house: what died is ended, what is over is paid, and what is old is cleared away.

One worker keeps house at a time. Rows go first in a transaction of their own; what lies in the bucket goes more rarely.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import Engine, delete, exists, func, literal, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from contracts.bucket import Bucket, BucketAway
from contracts.manifest import ADAPTERS, MANIFEST, RUNS, adapter_key, dataset_folder, run_folder
from models import Adapter, Dataset, Generation, GenerationEvent, Job, JobState, Lookup, Lyric, Run, Throttle, User
from models.generation import SILENT_FOR, give_up_lost
from models.job import OPEN_STATES
from models.run import charge

EVERY_S = 3.0
SLOW_S = 2.0
PATIENCE_S = SILENT_FOR.total_seconds()
CLEAR_EVERY = 100
"""In turns: about every five minutes."""
ONE_KEEPER_AT_A_TIME = 7_469_002
EVENTS_KEPT = timedelta(days=1)
DELETED_KEPT = timedelta(days=30)
THROTTLES_KEPT = timedelta(days=1)
JOBS_KEPT = timedelta(days=90)
UPLOADS_KEPT = timedelta(days=3)
LOOKUPS_KEPT = timedelta(days=90)
STATES_KEPT = timedelta(days=7)
"""So long a run that failed or was cancelled can go on from where it was."""

log = structlog.get_logger()


def keep_house(engine: Engine, bucket: Bucket, stop: threading.Event) -> None:
    """Go through the house every few seconds until told to stop."""
    turn, well_since = 0, time.monotonic()
    while not stop.is_set():
        clear = turn % CLEAR_EVERY == 0
        if not _take_turn(engine, may_give_up=time.monotonic() - well_since > PATIENCE_S, clear=clear):
            well_since = time.monotonic()
        elif clear:
            _empty_bucket(engine, bucket)
        turn += 1
        stop.wait(EVERY_S)


def _take_turn(engine: Engine, *, may_give_up: bool, clear: bool) -> bool:
    """One round through the house; False when Postgres was away or slow.

    After that no generation is given up for a while: its process could not say either that it lives.
    """
    began = time.monotonic()
    try:
        with Session(engine) as session, session.begin():
            if not session.scalar(text("select pg_try_advisory_xact_lock(:key)"), {"key": ONE_KEEPER_AT_A_TIME}):
                return True  # another worker keeps house just now
            if time.monotonic() - began > SLOW_S:
                return False
            given_up = give_up_lost(session) if may_give_up else 0
            settled = settle_runs(session)
            cleared = clear_old(session) if clear else {}
    except DBAPIError as error:
        log.warning("worker.database_away", error=type(error).__name__)
        return False
    if given_up or settled or any(cleared.values()):
        log.info("worker.kept_house", given_up=given_up, settled=settled, **cleared)
    return True


def _empty_bucket(engine: Engine, bucket: Bucket) -> None:
    try:
        with Session(engine) as session, session.begin():
            cleared = {
                "datasets": clear_datasets(session, bucket),
                "uploads": clear_uploads(session, bucket),
                "runs": clear_runs(session, bucket),
                "adapters": clear_adapters(session, bucket),
            }
    except (DBAPIError, BucketAway) as error:
        log.warning("worker.bucket_not_cleared", error=str(error))
    else:
        if any(cleared.values()):
            log.info("worker.kept_house", **cleared)


def clear_datasets(session: Session, bucket: Bucket) -> int:
    """Remove some datasets that were deleted long ago, their files first: what has no row is never found again."""
    gone = select(Dataset).where(Dataset.deleted_at < func.now() - DELETED_KEPT).limit(10)
    datasets = session.scalars(gone.with_for_update(skip_locked=True)).all()
    for dataset in datasets:
        empty_folder(bucket, dataset_folder(dataset.id))
        session.delete(dataset)
    return len(datasets)


def clear_uploads(session: Session, bucket: Bucket) -> int:
    """Remove some files whose import failed or was cancelled some days ago: nobody tries it again."""
    is_upload = (Job.kind == "import") & (Job.request["kind"].astext == "upload") & ~Job.request.has_key("is_gone")
    is_over = Job.state.in_((JobState.FAILED, JobState.CANCELLED)) & (Job.finished_at < func.now() - UPLOADS_KEPT)
    jobs = session.scalars(select(Job).where(is_upload, is_over).limit(100).with_for_update(skip_locked=True)).all()
    for job in jobs:
        bucket.delete(job.request["key"])
        job.request = job.request | {"is_gone": True}
    return len(jobs)


def settle_runs(session: Session) -> int:
    """Charge runs whose job ended where nobody could: it was cancelled while it waited, or cleared away."""
    over = select(Run.id).outerjoin(Job, Job.id == Run.job_id)
    over = over.where(Run.settled_at.is_(None), Job.id.is_(None) | Job.state.not_in(OPEN_STATES)).limit(100)
    ids = session.scalars(over.with_for_update(of=Run, skip_locked=True)).all()
    return sum(charge(session, run_id, is_done=False) for run_id in ids)


def clear_runs(session: Session, bucket: Bucket) -> int:
    """Remove the states of runs that are gone, done, or were over some days ago."""
    num_cleared = 0
    for run_id in _ids(bucket, RUNS):
        run = session.get(Run, run_id, with_for_update=True)  # who has it go on again waits
        job = session.get(Job, run.job_id) if run and run.job_id else None
        if run and not run.deleted_at and job and not _is_long_over(job):
            continue
        if run:
            run.resume_key = ""
        num_cleared += bool(empty_folder(bucket, run_folder(run_id)))
    return num_cleared


def clear_adapters(session: Session, bucket: Bucket) -> int:
    """Remove the files of adapters that were deleted, and of those that never came to be."""
    num_cleared = 0
    for adapter_id in _ids(bucket, ADAPTERS):
        adapter = session.get(Adapter, adapter_id, with_for_update=True)
        if adapter and not adapter.deleted_at:
            continue
        run = session.get(Run, adapter_id, with_for_update=True)
        job = session.get(Job, run.job_id) if run and run.job_id else None
        if not adapter and job and not job.state.is_over:
            continue  # it is being put there just now
        num_cleared += bool(empty_folder(bucket, adapter_key(str(adapter_id), "")))
    return num_cleared


def empty_folder(bucket: Bucket, folder: str) -> int:
    """Delete a folder, manifests first: without one an artefact does not exist. Returns how many keys there were."""
    keys = sorted(bucket.keys(folder), key=lambda key: not key.endswith(MANIFEST))
    for key in keys:
        bucket.delete(key)
    return len(keys)


def _ids(bucket: Bucket, prefix: str) -> Iterator[UUID]:
    """Of the folders right below a prefix; shared adapters have names instead, and stay."""
    for name in bucket.folders(prefix):
        with suppress(ValueError):
            yield UUID(name)


def _is_long_over(job: Job) -> bool:
    is_old = job.finished_at is None or job.finished_at < datetime.now(UTC) - STATES_KEPT
    return job.state is JobState.DONE or (job.state.is_over and is_old)


def clear_old(session: Session) -> dict[str, int]:
    """Remove what nobody will ask for again; returns how many rows of each kind."""
    now = func.now()
    empty_guest = (
        User.email.is_(None)
        & (User.created_at < now - DELETED_KEPT)
        & ~exists(select(Lyric.id).where(Lyric.user_id == User.id))
        & ~exists(select(Dataset.id).where(Dataset.user_id == User.id))
        & ~exists(
            select(Generation.id).where(Generation.user_id == User.id, Generation.created_at > now - DELETED_KEPT)
        )
    )
    statements = {
        "events": delete(GenerationEvent).where(GenerationEvent.created_at < now - EVENTS_KEPT),
        "lyrics": delete(Lyric).where(Lyric.deleted_at < now - DELETED_KEPT),
        "jobs": delete(Job).where(
            Job.state.not_in(OPEN_STATES),
            Job.finished_at < now - JOBS_KEPT,
            ~exists(select(Run.id).where(Run.job_id == Job.id)),  # a run's state is its job's
        ),
        "lookups": delete(Lookup).where(Lookup.fetched_at < now - LOOKUPS_KEPT),
        "throttles": delete(Throttle).where(Throttle.since < now - THROTTLES_KEPT),
        "guests": delete(User).where(empty_guest),
    }
    return {name: len(session.execute(statement.returning(literal(1))).all()) for name, statement in statements.items()}
