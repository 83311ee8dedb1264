"""`python -m worker.cpu`: works on jobs, and keeps the house.

Keeping the house is to end generations whose process died, and to clear away what is old. One event loop fetches jobs;
they, the watch over them and the house have threads of their own, so a long job keeps nothing else waiting.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import structlog
from sqlalchemy import Engine, create_engine, delete, exists, func, literal, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from contracts import logs
from contracts.bucket import Bucket, BucketAway, open_bucket
from contracts.manifest import MANIFEST, dataset_folder
from contracts.settings import Settings, load_settings, require
from models import Dataset, Generation, GenerationEvent, Job, JobState, Lookup, Lyric, Throttle, User
from models.generation import SILENT_FOR, give_up_lost
from models.job import OPEN_STATES
from models.queue import CPU
from worker import freezing, imports, metrics, queue, tidying
from worker.jobs import Body, Jobs, kinds
from worker.timing import Timing

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
CONCURRENCY = 4
"""Jobs at a time. They wait for others' servers most of their time; of each user only one is worked on."""
BODIES: dict[str, Body] = {"import": imports.bring_in, "tidy": tidying.tidy, "freeze": freezing.freeze}

log = structlog.get_logger()


def main() -> None:
    """Work until told to stop."""
    logs.configure()
    asyncio.run(run(load_settings()))


async def run(settings: Settings, timing: Timing | None = None) -> None:
    """Work until SIGTERM or SIGINT; then the jobs are given back, and another worker goes on with them."""
    timing = timing or Timing()
    kinds.update(BODIES)
    url = require(settings, "database_url", "the worker keeps jobs and house in Postgres")
    engine = connect(url, timing)
    bucket = open_bucket(settings.bucket, emulator_host=settings.storage_emulator_host)
    jobs = Jobs(engine, settings, timing)
    stop, stop_watching = threading.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    try:
        with (
            metrics.shown(engine, settings.bind_host, settings.worker_port),
            ThreadPoolExecutor(2, "keeper") as threads,
        ):
            house = loop.run_in_executor(threads, keep_house, engine, bucket, stop)
            watch = loop.run_in_executor(threads, jobs.watch, stop_watching)
            serving = asyncio.create_task(queue.serve(url, jobs.work, timing, queue=CPU, concurrency=CONCURRENCY))

            def on_signal() -> None:
                stop.set()
                jobs.stop()
                serving.cancel()

            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, on_signal)
            log.info("worker.started")
            try:
                await asyncio.wait([house, watch, serving], return_when=asyncio.FIRST_COMPLETED)
                on_signal()  # one has ended: told to, or broken, and then the process is to be started again
                with suppress(asyncio.CancelledError):
                    await serving
            finally:
                stop.set()
                stop_watching.set()
            await asyncio.gather(house, watch)
    finally:
        engine.dispose()
    log.info("worker.stopped")


def connect(url: str, timing: Timing) -> Engine:
    """The workers' engine. A transaction that sleeps is broken off: its worker may, and others must not wait for it."""
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=2 * CONCURRENCY + 2,  # a body writes in one and reports in another; the watch; the house
        connect_args={
            "connect_timeout": 3,
            "application_name": "ghost-rhymes-worker",
            "options": f"-c idle_in_transaction_session_timeout={int(timing.hold_s * 1000)}",
        },
    )


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
            cleared = clear_old(session) if clear else {}
    except DBAPIError as error:
        log.warning("worker.database_away", error=type(error).__name__)
        return False
    if given_up or any(cleared.values()):
        log.info("worker.kept_house", given_up=given_up, **cleared)
    return True


def _empty_bucket(engine: Engine, bucket: Bucket) -> None:
    try:
        with Session(engine) as session, session.begin():
            cleared = {"datasets": clear_datasets(session, bucket), "uploads": clear_uploads(session, bucket)}
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
        keys = sorted(bucket.keys(dataset_folder(dataset.id)), key=lambda key: not key.endswith(MANIFEST))
        for key in keys:  # manifests go first: without one a version does not exist
            bucket.delete(key)
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
        "jobs": delete(Job).where(Job.state.not_in(OPEN_STATES), Job.finished_at < now - JOBS_KEPT),
        "lookups": delete(Lookup).where(Lookup.fetched_at < now - LOOKUPS_KEPT),
        "throttles": delete(Throttle).where(Throttle.since < now - THROTTLES_KEPT),
        "guests": delete(User).where(empty_guest),
    }
    return {name: len(session.execute(statement.returning(literal(1))).all()) for name, statement in statements.items()}


if __name__ == "__main__":
    main()
