"""A training process seen from outside: started, heard, asked to stop, and gone for certain when we are.

The child leads a process group of its own, so that a Ctrl-C is for us, and dies with us by the kernel's word should we
be killed. Knows the events' form, and nothing of what they mean.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from pydantic import ValidationError

from contracts import leash
from contracts.settings import Settings
from contracts.training import TrainEvent

ROOT = Path(__file__).resolve().parents[1]
LOG = "log.txt"
"""In the child's folder: what it and its libraries write to stderr."""
TAIL_BYTES = 6_000
NICENESS = 10
"""On a machine that also serves, who writes now goes before who trains."""
SECRETS = ("DATABASE_URL", "SECRET_KEY", "SERVICE_SECRET", "SPOTIFY_CLIENT_SECRET", "GENIUS_TOKEN")


def command(folder: Path) -> list[str]:
    """What trains by the task in `folder`."""
    return [sys.executable, "-m", "training", str(folder)]


def environment(settings: Settings) -> dict[str, str]:
    """What the child is told by its environment: where data lies and where to train, and none of our secrets."""
    kept = {name: value for name, value in os.environ.items() if name not in SECRETS}
    told = {
        "GHOST_HOME": str(settings.home),
        "BUCKET_URL": settings.bucket,
        "STORAGE_EMULATOR_HOST": settings.storage_emulator_host,
        "TRAINING_DEVICE": settings.training_device,
        "PYTHONUNBUFFERED": "1",
    }
    return kept | told | leash.environment()


class Child:
    """One process, in a `with` block: at its end the whole group is gone.

    Start it from a thread that lives as long: the kernel ends the child with its parent *thread*.
    """

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self.log = folder / LOG
        self.started_at = self._heard_at = time.monotonic()
        self._rest = b""
        self._kill_at: float | None = None
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 (our own module, by a path of ours)
                leash.on_leash(arguments, signal.SIGKILL),
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                bufsize=0,
            )
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self._process.pid, NICENESS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._stream.close()

    @property
    def process_id(self) -> int:
        """Also the id of its group."""
        return self._process.pid

    @property
    def silent_s(self) -> float:
        """How long it has said nothing."""
        return time.monotonic() - self._heard_at

    @property
    def status(self) -> int:
        """How it ended, below zero by which signal; once `hear` has returned None."""
        return self._process.wait()

    def hear(self, within_s: float) -> list[TrainEvent] | None:
        """What it says within so many seconds, at most one read of it; None when it has ended and all is heard."""
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            self.kill()
        ready, _, _ = select.select([self._stream], [], [], within_s)
        if not ready:
            return None if self._process.poll() is not None else []  # one of its own children may hold the stream
        piece = self._stream.read(1 << 16)
        if not piece:
            self._process.wait()
            return None
        self._heard_at = time.monotonic()
        *lines, self._rest = (self._rest + piece).split(b"\n")
        return [event for line in lines if line and (event := self._event(line)) is not None]

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal: SIGUSR1 to finish with the best it has."""
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    def stop(self, patience_s: float) -> None:
        """Have it save its state and end, and kill it when that takes too long; go on hearing it meanwhile."""
        if self._kill_at is None:
            self.tell(signal.SIGTERM)
        self._kill_at = min(self._kill_at or float("inf"), time.monotonic() + patience_s)

    def kill(self) -> None:
        """End it and all its own children at once."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def last_words(self, num_lines: int = 12) -> list[str]:
        """The end of what it wrote to stderr."""
        with suppress(OSError), self.log.open("rb") as reading:
            reading.seek(max(0, self.log.stat().st_size - TAIL_BYTES))
            return [line.rstrip() for line in reading.read().decode(errors="replace").splitlines()][-num_lines:]
        return []

    @property
    def _stream(self) -> IO[bytes]:
        assert self._process.stdout is not None  # noqa: S101 (we asked for a pipe)
        return self._process.stdout

    def _event(self, line: bytes) -> TrainEvent | None:
        try:  # what a voice writes may hold U+0000, which Postgres keeps in no text
            return TrainEvent.model_validate_json(line.replace(b"\\u0000", b"\\ufffd"))
        except ValidationError:  # some library's print, for whoever reads the log
            with self.log.open("ab") as log:
                log.write(line + b"\n")
            return None
