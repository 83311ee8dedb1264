"""Real worker processes for tests, and what it takes to wait for what they do."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import Engine
from sqlalchemy.orm import Session

import tests.worker.bodies  # noqa: F401 (they register themselves)
from contracts import logs
from contracts.settings import Settings
from models import Dataset, Job, User
from models.queue import defer
from worker import cpu, gpu
from worker.timing import Timing

SOON = Timing(beat_s=0.1, silent_s=0.8, poll_s=0.05, report_s=0.05, hold_s=1.0)
"""Everything a good deal sooner than in earnest."""


_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.worker.workers", "tests.worker.bodies", "worker.cpu", "worker.gpu"])


class Worker:
    """One worker in a process of its own; forked from one that has imported everything, for starting takes a second."""

    def __init__(
        self,
        database_url: str,
        home: Path,
        timing: Timing = SOON,
        outside: Mapping[str, str] | None = None,
        kind: str = "cpu",
    ) -> None:
        self.log = home / f"worker-{time.monotonic_ns()}.log"
        self.process = _processes.Process(
            target=_be_worker, args=(database_url, home, self.log, timing, dict(outside or {}), kind), daemon=True
        )
        self.process.start()

    def send(self, number: signal.Signals) -> None:
        """A signal."""
        assert self.process.pid
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """As the kernel does for want of memory; also what is stopped."""
        self.process.kill()
        self.process.join()

    def terminate(self) -> float:
        """As a deployment does; returns how long it took to end, in seconds."""
        began = time.monotonic()
        self.process.terminate()
        self.process.join(20)
        assert self.process.exitcode == 0, self.words()
        return time.monotonic() - began

    def words(self) -> str:
        """What it wrote."""
        return self.log.read_text() if self.log.exists() else ""


def _be_worker(database_url: str, home: Path, log: Path, timing: Timing, outside: dict[str, str], kind: str) -> None:
    with log.open("wb") as writing:
        os.dup2(writing.fileno(), 1)
        os.dup2(writing.fileno(), 2)
    logs.configure()
    settings = settings_of(database_url, home, outside)
    asyncio.run({"cpu": cpu, "gpu": gpu}[kind].run(settings, timing))


def settings_of(database_url: str, home: Path, outside: Mapping[str, str]) -> Settings:
    """What such a worker is told; `outside` is the environment that points it at others' services."""
    told = {name.lower(): value for name, value in outside.items()}
    return Settings(database_url=SecretStr(database_url), ghost_home=home, **told)  # type: ignore[arg-type]


def ask(engine: Engine, owner: UUID, kind: str, **request: object) -> UUID:
    """Queue a job on a new dataset of this owner."""
    with Session(engine) as session, session.begin():
        dataset = Dataset(user_id=owner, name=kind)
        session.add(dataset)
        session.flush()
        job = Job(user_id=owner, dataset_id=dataset.id, kind=kind, request=request)
        session.add(job)
        defer(session, job)
        return job.id


def new_user(engine: Engine, name: str) -> UUID:
    """Somebody who may own things."""
    with Session(engine) as session, session.begin():
        user = User(email=f"{name}@example.org")
        session.add(user)
        session.flush()
        return user.id


def look(engine: Engine, job_id: UUID) -> Job:
    """The job as it is now."""
    with Session(engine, expire_on_commit=False) as session:
        return session.get_one(Job, job_id)


def wait_until(engine: Engine, job_id: UUID, is_so: Callable[[Job], bool], *, within_s: float = 30.0) -> Job:
    """Look at the job until something is so."""
    deadline = time.monotonic() + within_s
    while True:
        job = look(engine, job_id)
        if is_so(job):
            return job
        assert time.monotonic() < deadline, (job.state, job.stage, job.num_done, job.error, job.num_starts)
        time.sleep(0.02)
