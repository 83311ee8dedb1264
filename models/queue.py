"""The queue's side of a job: asking for one to be worked on, and asking again when its worker has died.

The queue is procrastinate's tables in the same Postgres, so a job and its place in the queue are one transaction: what
is rolled back was never asked for. It lies here because whoever makes a `Job` row must be able to queue it, and the web
tier may not import the workers. The workers' end is `worker.queue`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from procrastinate import App
from procrastinate.contrib.sqlalchemy import SQLAlchemyPsycopg2Connector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from models.job import Job, JobState

CPU, GPU = "cpu", "gpu"
"""One queue for each kind of machine."""
ON_GPU = frozenset({"train", "probe", "drift"})
"""The kinds of job for `worker.gpu`; all others are `worker.cpu`'s."""
TASK = "job"
"""The one task there is: work on the job with this id."""

START_OF_TIME = 1_767_225_600
"""The start of 2026 in Unix seconds: priorities are 32 bits wide."""

LOST = text("""
    select job.id from job
    where job.state in ('queued', 'running', 'waiting') and not exists (
        select 1 from procrastinate_jobs entry left join procrastinate_workers worker on worker.id = entry.worker_id
        where entry.queueing_lock = job.id::text
          and (entry.status = 'todo' or entry.status = 'doing' and worker.last_heartbeat >= now() - :silent_for)
    )
    order by job.created_at limit 100
    for update of job skip locked
""")

LEFT_BEHIND = text("""
    delete from procrastinate_jobs entry
    where entry.status = 'doing' and entry.task_name = 'job'
      and not exists (
        select 1 from procrastinate_workers worker
        where worker.id = entry.worker_id and worker.last_heartbeat >= now() - :silent_for)
      and not exists (
        select 1 from job
        where job.id::text = entry.queueing_lock and job.state in ('queued', 'running', 'waiting'))
""")
"""The place of a job that had ended when its worker died, and before the queue heard of it: it would keep all other
jobs of its user waiting for ever."""

_queue = App(connector=SQLAlchemyPsycopg2Connector())


def defer(session: Session, job: Job) -> None:
    """Have the job worked on when this transaction has been committed, or at its `run_after`. Twice is as good as once.

    One job of a user is worked on at a time in each queue, in the order in which they are due.
    """
    session.flush()
    try:
        with session.begin_nested():
            _queue.configure_task(
                TASK,
                queue=queue_of(job.kind),
                lock=f"{queue_of(job.kind)} {job.user_id}",
                queueing_lock=str(job.id),
                priority=priority(job.run_after or job.created_at),
                schedule_at=job.run_after,
                connection=session.connection(),  # asked for in here: only this sets the savepoint
            ).defer(job_id=str(job.id))
    except AlreadyEnqueued:
        pass
    except ConnectorException as error:
        if error.__cause__ is not None:
            raise error.__cause__ from None  # the session's own error, which its owner knows how to read
        raise


def queue_of(kind: str) -> str:
    """Which machines work on jobs of this kind.

    >>> queue_of("train"), queue_of("import")
    ('gpu', 'cpu')
    """
    return GPU if kind in ON_GPU else CPU


def priority(due: datetime) -> int:
    """Higher is earlier.

    The queue holds a job back for others of its user that come before it, even for one that has to wait itself. By the
    time at which they are due, none that waits for an hour stands in the way of one that could run.
    """
    return START_OF_TIME - int(due.timestamp())


def requeue_lost(session: Session, silent_for: timedelta) -> Sequence[UUID]:
    """Queue the jobs again that nobody has: those of a worker that has not been heard of for `silent_for`.

    From then on that worker can write nothing, and its place in the queue is gone: should it only have slept, it can
    neither end nor repeat what another is doing by then.
    """
    session.execute(LEFT_BEHIND, {"silent_for": silent_for})
    ids = session.scalars(LOST, {"silent_for": silent_for}).all()
    if not ids:
        return ids
    session.execute(
        text("delete from procrastinate_jobs where queueing_lock = any(:ids) and status = 'doing'"),
        {"ids": [str(job_id) for job_id in ids]},
    )
    for job in session.scalars(select(Job).where(Job.id.in_(ids))):
        job.attempt = None
        if job.state is JobState.RUNNING:
            job.state = JobState.QUEUED
        defer(session, job)
    return ids
