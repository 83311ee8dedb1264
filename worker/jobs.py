"""The life of one attempt at a job: what its body may do, and how it ends.

A body is a function of an `Attempt`. It asks `check()` between two pieces of work, writes inside `session()`, and tells
how far it is with `report()`; after any start it finds what earlier attempts have written and goes on from there. Knows
nothing of what the bodies do, nor of how jobs are fetched (`worker.queue`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NoReturn
from uuid import UUID

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from contracts.settings import Settings
from models.job import Job, JobState, Started, beat, finish, give_back, hold, postpone, start, write_progress
from models.queue import requeue_lost
from worker.timing import Timing

SLOW_S = 2.0

log = structlog.get_logger()


class Interrupted(BaseException):
    """The body is to end now. No `Exception`, so that a body which lives with a song's failure does not swallow it."""


class Cancelled(Interrupted):
    """Its owner wants the job no more."""


class Stopping(Interrupted):
    """The worker ends; another will go on."""


class Superseded(Interrupted):
    """Another attempt has the job, or it is over: whatever this one would write is refused."""


class Postponed(Interrupted):
    """The body itself wants to go on later."""

    def __init__(self, seconds: float, why: str) -> None:
        super().__init__(why)
        self.seconds = seconds
        self.why = why


class Failed(Exception):
    """The job cannot be done; the message tells its owner why, and what to do."""


class Attempt:
    """One attempt at a job. Made by `Jobs`; a body may use it from several threads."""

    def __init__(self, engine: Engine, started: Started, settings: Settings, timing: Timing) -> None:
        self.id = started.attempt
        self.job_id = started.job_id
        self.user_id = started.user_id
        self.dataset_id = started.dataset_id
        self.kind = started.kind
        self.request = started.request
        self.settings = settings
        self.timing = timing
        self.stage = started.stage
        self.num_done = started.num_done
        self.num_total = started.num_total
        self.counts = dict(started.counts)
        self._log = list(started.log)
        self._engine = engine
        self._interruption: type[Interrupted] | None = None
        self._interrupted = threading.Event()
        self._lock = threading.RLock()
        self._is_dirty = False
        self._written_at = 0.0

    # --- what bodies call -------------------------------------------------------------------------------------------

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction in which the job stays ours: commits at the end, rolls back on an error.

        Keep it short, and ask nobody outside for anything while it is open: nobody can take the job over meanwhile.

        Raises:
            Superseded: the job is ours no more; nothing was written.
        """
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            if not hold(session, self.job_id, self.id):
                self._is_superseded()
            yield session

    def report(
        self,
        *,
        stage: str | None = None,
        done: int | None = None,
        total: int | None = None,
        counts: dict[str, int] | None = None,
        line: str | None = None,
    ) -> None:
        """Tell how far it is; None leaves as it was, `counts` are merged by name, `line` is one more line of the log.

        Call it as often as you like: it is written about twice a second, and at the end.

        Raises:
            Superseded: the job is ours no more.
        """
        with self._lock:
            self.stage = self.stage if stage is None else stage
            self.num_done = self.num_done if done is None else done
            self.num_total = self.num_total if total is None else total
            self.counts |= counts or {}
            if line is not None:
                self._log.append({"at": datetime.now(UTC).isoformat(timespec="seconds"), "words": line})
            self._is_dirty = True
            is_due = time.monotonic() - self._written_at >= self.timing.report_s
        if is_due:
            self.flush()

    def check(self) -> None:
        """Ask between two pieces of work whether to go on. Costs nothing.

        Raises:
            Interrupted: end now; let it pass.
        """
        if self._interruption is not None:
            raise self._interruption

    def pause(self, seconds: float) -> None:
        """Wait so long at most, to keep a pace of so and so many a second; for longer waits there is `later`.

        Raises:
            Interrupted: end now; let it pass.
        """
        self._interrupted.wait(seconds)
        self.check()

    def later(self, seconds: float, why: str) -> NoReturn:
        """End this attempt and have another one begin in `seconds`; none waits in between. `why` goes into the log."""
        raise Postponed(seconds, why)

    # --- what `Jobs` calls ------------------------------------------------------------------------------------------

    def interrupt(self, why: type[Interrupted]) -> None:
        """Have the body end at its next `check()`. The first reason stays, but for `Superseded`."""
        if self._interruption is None or why is Superseded:
            self._interruption = why
        self._interrupted.set()

    def flush(self) -> None:
        """Write what was reported and not written yet.

        Raises:
            Superseded: the job is ours no more.
        """
        with self._lock:
            if not self._is_dirty:
                return
            with Session(self._engine) as session, session.begin():
                self._write(session)

    def end(self, verb: Callable[[Session, UUID, UUID], Any]) -> Any:
        """Write the last of the progress and let go of the job by `verb`, in one transaction; returns what `verb` does.

        Raises:
            Superseded: the job is ours no more.
        """
        with self._lock, Session(self._engine) as session, session.begin():
            self._write(session)
            return verb(session, self.job_id, self.id)

    def _write(self, session: Session) -> None:
        is_ours = write_progress(
            session,
            self.job_id,
            self.id,
            stage=self.stage,
            num_done=self.num_done,
            num_total=self.num_total,
            counts=self.counts,
            log=self._log,
        )
        if not is_ours:
            self._is_superseded()
        self._is_dirty = False
        self._written_at = time.monotonic()

    def _is_superseded(self) -> NoReturn:
        self.interrupt(Superseded)
        raise Superseded


Body = Callable[[Attempt], None]
kinds: dict[str, Body] = {}
"""What is done for each kind of job."""

Ending = Callable[[Session, UUID], None]
endings: dict[str, Ending] = {}
"""What else is done for a kind in the transaction in which such a job ends, however it ends."""


class Jobs:
    """The jobs that this process is working on."""

    def __init__(self, engine: Engine, settings: Settings, timing: Timing) -> None:
        self._engine = engine
        self._settings = settings
        self._timing = timing
        self._attempts: dict[UUID, Attempt] = {}
        self._is_stopping = False
        self._well_since = float("-inf")
        self._last_turn_at = time.monotonic()

    def work(self, job_id: UUID) -> datetime | None:
        """Work on a job as far as it goes; returns when to call again, None when there is nothing more to do."""
        with Session(self._engine) as session, session.begin():
            started = start(session, job_id)
            if started is None:
                job = session.get(Job, job_id)
                if job is not None and job.state.is_over and (ending := endings.get(job.kind)):
                    ending(session, job_id)
        if started is None:
            return None
        attempt = Attempt(self._engine, started, self._settings, self._timing)
        self._attempts[attempt.id] = attempt
        if self._is_stopping:
            attempt.interrupt(Stopping)
        try:
            return self._carry_through(attempt)
        except Superseded:
            log.info("job.superseded", job_id=str(job_id))
            return None
        except DBAPIError as error:
            log.warning("job.database_away", job_id=str(job_id), error=type(error).__name__)
            raise  # the queue calls again
        finally:
            del self._attempts[attempt.id]

    def stop(self) -> None:
        """Have all attempts give their jobs back, and those that are only beginning too."""
        self._is_stopping = True
        for attempt in list(self._attempts.values()):
            attempt.interrupt(Stopping)

    def watch(self, stop: threading.Event) -> None:
        """Say that the attempts live, hear what has become of their jobs, and look for jobs whose worker has died."""
        while not stop.wait(self._timing.beat_s):
            self.take_turn()

    def take_turn(self) -> None:
        """One turn of `watch`."""
        began = time.monotonic()
        slept = began - self._last_turn_at > self._timing.beat_s + SLOW_S
        try:
            self._look_after_own()
            well = not slept and time.monotonic() - began < SLOW_S
            # When Postgres was away, or we were, others could not say either that they live.
            if well and began - self._well_since > self._timing.silent_s:
                self._look_after_lost()
        except DBAPIError as error:
            log.warning("worker.database_away", error=type(error).__name__)
            well = False
        self._last_turn_at = time.monotonic()
        if not well:
            self._well_since = self._last_turn_at

    def _look_after_own(self) -> None:
        attempts = dict(self._attempts)
        if not attempts:
            return
        with Session(self._engine) as session, session.begin():
            signs = beat(session, attempts)
        for attempt_id, attempt in attempts.items():
            if attempt_id in signs.superseded:
                attempt.interrupt(Superseded)
            elif attempt_id in signs.cancelled:
                attempt.interrupt(Cancelled)
            with suppress(Superseded):  # its body hears of it
                attempt.flush()

    def _look_after_lost(self) -> None:
        with Session(self._engine) as session, session.begin():
            lost = requeue_lost(session, timedelta(seconds=self._timing.silent_s))
        if lost:
            log.warning("worker.jobs_queued_again", job_ids=[str(job_id) for job_id in lost])

    def _carry_through(self, attempt: Attempt) -> datetime | None:
        tell = log.bind(job_id=str(attempt.job_id), kind=attempt.kind)
        state, error = JobState.DONE, None
        try:
            body = kinds.get(attempt.kind)
            if body is None:
                raise Failed(f"This server does not know how to do a job of the kind {attempt.kind!r}.")
            attempt.check()
            body(attempt)
        except Cancelled:
            state = JobState.CANCELLED
        except Stopping:
            attempt.end(give_back)
            return datetime.now(UTC)
        except Postponed as wish:
            attempt.report(line=wish.why)
            after = timedelta(seconds=wish.seconds)
            due: datetime | None = attempt.end(partial(postpone, after=after))
            return due
        except Failed as reason:
            state, error = JobState.FAILED, str(reason)
        except (OperationalError, InterfaceError):
            raise  # Postgres is away, or has broken a transaction off: another attempt goes on from what was written
        except Exception as broken:
            if isinstance(broken, DBAPIError) and broken.connection_invalidated:
                raise
            tell.exception("job.broken")
            state = JobState.FAILED
            error = (
                f"This did not work, in a way we did not expect ({type(broken).__name__}). What was done is kept: "
                "start it again, and tell us if it stays so."
            )

        def end(session: Session, job_id: UUID, attempt_id: UUID) -> None:
            if finish(session, job_id, attempt_id, state, error) and (ending := endings.get(attempt.kind)):
                ending(session, job_id)

        attempt.end(end)
        tell.info("job.ended", state=state.value)
        return None
