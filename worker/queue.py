"""The workers' end of the queue: procrastinate fetches, a thread works, and what the work answers says what follows.

Knows nothing of what a job is: it gets a function that takes an id. `models.queue` is the end that asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from procrastinate import App, BaseRetryStrategy, PsycopgConnector, RetryDecision
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import DeleteJobCondition
from procrastinate.jobs import Job as Entry
from sqlalchemy.engine import make_url

from models.queue import TASK, priority
from worker.timing import Timing

AWAY_S = 1.0
"""How long to wait before fetching again after Postgres was away."""
BROKEN_S = 2
"""How long a job waits that could not even say how it ended."""

Work = Callable[[UUID], datetime | None]

log = structlog.get_logger()


class Again(Exception):
    """The job goes on, at `due` or, where this is past, as soon as a worker is free."""

    def __init__(self, due: datetime) -> None:
        super().__init__(f"again at {due}")
        self.due = due


class _AsTold(BaseRetryStrategy):
    def get_retry_decision(self, *, exception: BaseException, job: Entry) -> RetryDecision | None:  # noqa: ARG002
        if isinstance(exception, Again):
            comes_later = exception.due > datetime.now(UTC)  # else it keeps its place before its user's other jobs
            return RetryDecision(retry_at=exception.due, priority=priority(exception.due) if comes_later else None)
        return RetryDecision(retry_in={"seconds": BROKEN_S})


async def serve(database_url: str, work: Work, timing: Timing, *, queue: str, concurrency: int) -> None:
    """Fetch the jobs of a queue and work on them until cancelled; then wait for those that are being worked on.

    `work` is called in threads, `concurrency` at most. It returns None when it is through with the job, or the time
    from which on it is to be called again.
    """
    asyncio.get_running_loop().set_exception_handler(_on_lost_task)
    while True:
        try:
            app = _app(database_url, work)
            async with app.open_async():
                await app.run_worker_async(
                    queues=[queue],
                    concurrency=concurrency,
                    fetch_job_polling_interval=timing.poll_s,
                    update_heartbeat_interval=timing.beat_s,
                    stalled_worker_timeout=timing.silent_s,
                    delete_jobs=DeleteJobCondition.ALWAYS,
                    install_signal_handlers=False,
                )
        except Exception as error:  # noqa: BLE001 (whatever it is, jobs must go on as soon as they can)
            log.warning("queue.away", error=f"{type(error).__name__}: {error}")
        else:
            log.warning("queue.away", error="fetching ended")  # a heartbeat or a listener has failed
        await asyncio.sleep(AWAY_S)


def _on_lost_task(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """procrastinate cannot end a job whose place in the queue `requeue_lost` has given away: so it should be."""
    if isinstance(context.get("exception"), ConnectorException):
        log.warning("queue.place_lost", task=str(getattr(context.get("future"), "get_name", str)()))
    else:
        loop.default_exception_handler(context)


def _app(database_url: str, work: Work) -> App:
    """A connector cannot be opened again after its Postgres was away, so each try has an app of its own."""
    url = make_url(database_url).set(drivername="postgresql")
    app = App(
        connector=PsycopgConnector(
            conninfo=url.render_as_string(hide_password=False),
            kwargs={"application_name": "ghost-rhymes-queue", "connect_timeout": 3},
            min_size=1,
            max_size=4,
            timeout=10,
        )
    )

    @app.task(name=TASK, retry=_AsTold())
    def job(job_id: str) -> None:
        due = work(UUID(job_id))
        if due is not None:
            raise Again(due)

    return app
