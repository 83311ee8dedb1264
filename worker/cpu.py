"""`python -m worker.cpu`: brings songs in, tidies and freezes datasets, and keeps the house (`worker.house`)."""

from __future__ import annotations

import asyncio

from contracts import logs
from contracts.settings import Settings, load_settings
from models.queue import CPU
from worker import freezing, imports, serving, tidying
from worker.house import keep_house
from worker.jobs import Body
from worker.timing import Timing

CONCURRENCY = 4
"""Jobs at a time. They wait for others' servers most of their time; of each user only one is worked on."""
BODIES: dict[str, Body] = {"import": imports.bring_in, "tidy": tidying.tidy, "freeze": freezing.freeze}


def main() -> None:
    """Work until told to stop."""
    logs.configure()
    asyncio.run(run(load_settings()))


async def run(settings: Settings, timing: Timing | None = None) -> None:
    """Work until SIGTERM or SIGINT."""
    await serving.run(
        settings,
        timing or Timing(),
        queue_name=CPU,
        bodies=BODIES,
        concurrency=CONCURRENCY,
        chores=keep_house,
        metrics_port=settings.worker_port,
    )


if __name__ == "__main__":
    main()
