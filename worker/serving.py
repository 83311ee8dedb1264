"""One worker process of any kind: it fetches the jobs of a queue, watches over them, and does its chores beside.

One event loop fetches; jobs, the watch over them and the chores have threads of their own, so a long job keeps nothing
else waiting. Knows nothing of what the jobs and the chores are.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import structlog
from sqlalchemy import Engine, create_engine

from contracts.bucket import Bucket, open_bucket
from contracts.settings import Settings, require
from worker import metrics, queue
from worker.jobs import Body, Ending, Jobs, endings, kinds
from worker.timing import Timing

Chores = Callable[[Engine, Bucket, threading.Event], None]
"""What a worker does besides its jobs, until the event is set."""

log = structlog.get_logger()


async def run(
    settings: Settings,
    timing: Timing,
    *,
    queue_name: str,
    bodies: Mapping[str, Body],
    concurrency: int,
    chores: Chores,
    ends: Mapping[str, Ending] | None = None,
    metrics_port: int = 0,
) -> None:
    """Work until SIGTERM or SIGINT; then the jobs are given back, and another worker goes on with them."""
    kinds.update(bodies)
    endings.update(ends or {})
    url = require(settings, "database_url", "the worker keeps jobs and house in Postgres")
    engine = connect(url, timing, concurrency)
    bucket = open_bucket(settings.bucket, emulator_host=settings.storage_emulator_host)
    jobs = Jobs(engine, settings, timing)
    stop, stop_watching = threading.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    try:
        with metrics.shown(engine, settings.bind_host, metrics_port), ThreadPoolExecutor(2, "keeper") as threads:
            house = loop.run_in_executor(threads, chores, engine, bucket, stop)
            watch = loop.run_in_executor(threads, jobs.watch, stop_watching)
            serving = asyncio.create_task(
                queue.serve(url, jobs.work, timing, queue=queue_name, concurrency=concurrency)
            )

            def on_signal() -> None:
                stop.set()
                jobs.stop()
                serving.cancel()

            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, on_signal)
            log.info("worker.started", queue=queue_name)
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
    log.info("worker.stopped", queue=queue_name)


def connect(url: str, timing: Timing, concurrency: int) -> Engine:
    """The workers' engine. A transaction that sleeps is broken off: its worker may, and others must not wait for it."""
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=2 * concurrency + 2,  # a body writes in one and reports in another; the watch; the chores
        connect_args={
            "connect_timeout": 3,
            "application_name": "ghost-rhymes-worker",
            "options": f"-c idle_in_transaction_session_timeout={int(timing.hold_s * 1000)}",
        },
    )
