"""Run a command that ends when whoever started it ends, however that came about.

`python leash.py [-SIGNAL] COMMAND...` becomes COMMAND, with the kernel's promise of a signal (SIGTERM) at its parent's
death. It knows nothing of what it runs, and uses the standard library alone: it starts in a few milliseconds under
`python -IS`.
Elsewhere than on Linux there is no such promise, and COMMAND is simply run.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

PARENT = "LEASH_PARENT"
"""In the environment: the process id of who must be alive for us to run."""

_PR_SET_PDEATHSIG = 1


def on_leash(command: Sequence[str], on_death: signal.Signals = signal.SIGTERM) -> list[str]:
    """The same command, to be started by this process or by one that is on a leash itself."""
    return [sys.executable, "-IS", str(Path(__file__).resolve()), f"-{int(on_death)}", *command]


def environment() -> dict[str, str]:
    """What to add to the environment of a child on a leash."""
    return {PARENT: str(os.getpid())}


def hold(on_death: signal.Signals, parent: int) -> None:
    """Ask for a signal at the death of our parent, whose process id the caller knows from when it was surely alive.

    The wish outlives `exec`, but not a change of user: change first. The kernel means the parent *thread*: start a
    child on a leash from a thread that lives as long as the child should.
    """
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(on_death), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel refuses prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit("whoever started this process is gone already")


def main() -> NoReturn:
    """Become the command of `sys.argv`, on a leash."""
    told = sys.argv[1].startswith("-")
    on_death = signal.Signals(int(sys.argv[1][1:])) if told else signal.SIGTERM
    command = sys.argv[2:] if told else sys.argv[1:]
    hold(on_death, int(os.environ.get(PARENT) or os.getppid()))
    os.environ.update(environment())  # `exec` keeps our process id, so our own children can ask for us by it
    os.execvp(command[0], command)  # noqa: S606  (becoming the command is the purpose)


if __name__ == "__main__":
    main()
