"""`python -m worker.gpu`: trains and measures, one job at a time; on a GPU, or on a CPU just as well.

It never imports torch: each training is a process of its own (`worker.child`), which takes its memory with it.
"""

from __future__ import annotations

import asyncio
import threading

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from contracts import logs
from contracts.bucket import Bucket
from contracts.settings import Settings, load_settings, share_cores
from models.queue import GPU
from worker import drifting, probing, serving, tasks, training
from worker.jobs import Body, Ending
from worker.timing import Timing

CONCURRENCY = 1
"""A training takes the whole machine."""
BODIES: dict[str, Body] = {"train": training.train, "probe": probing.probe, "drift": drifting.measure}
ENDINGS: dict[str, Ending] = {"train": training.end}
SWEEP_EVERY_S = 300.0

log = structlog.get_logger()


def main() -> None:
    """Work until told to stop."""
    logs.configure()
    share_cores()
    asyncio.run(run(load_settings()))


async def run(settings: Settings, timing: Timing | None = None) -> None:
    """Work until SIGTERM or SIGINT; a training is then saved first, and another worker goes on with it."""

    def chores(engine: Engine, _bucket: Bucket, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                with Session(engine) as session:
                    num_swept = tasks.sweep(session, settings)
            except DBAPIError as error:
                log.warning("worker.database_away", error=type(error).__name__)
            else:
                if num_swept:
                    log.info("worker.swept", folders=num_swept)
            stop.wait(SWEEP_EVERY_S)

    await serving.run(
        settings,
        timing or Timing(),
        queue_name=GPU,
        bodies=BODIES,
        concurrency=CONCURRENCY,
        chores=chores,
        ends=ENDINGS,
    )


if __name__ == "__main__":
    main()
