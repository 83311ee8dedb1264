"""supervisord as our child: its configuration, and the few words we exchange with it.

What dies is started again within a second or two, for ever: with `startsecs=0` supervisord takes no death for a failed
start and never gives up. Every program is on a leash (`contracts.leash`): should supervisord itself be killed, all end.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from xmlrpc.client import ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from contracts.leash import on_leash


@dataclass(frozen=True)
class Program:
    """A long-running process. Of two tiers the lower starts first and stops last."""

    name: str
    command: Sequence[str]
    tier: int
    stop_signal: str = "TERM"
    stop_wait_s: int = 12


@dataclass(frozen=True)
class Life:
    """One incarnation of a program. `process_id` is 0 while it is down."""

    name: str
    process_id: int
    started_at: int
    exit_status: int


def configuration(programs: Sequence[Program], *, directory: Path, log_dir: Path, socket: Path) -> str:
    """supervisord's file for these programs, none of which starts before it is told to.

    `socket` is where supervisord listens: a unix socket's path may be about a hundred characters long, no more.
    """
    sections: list[tuple[str, dict[str, object]]] = [
        ("unix_http_server", {"file": socket, "chmod": "0600"}),
        (
            "rpcinterface:supervisor",
            {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
        ),
        (
            "supervisord",
            {
                "nodaemon": "true",
                "silent": "true",
                "logfile": log_dir / "supervisor.log",
                "logfile_maxbytes": "5MB",
                "logfile_backups": 1,
                "pidfile": socket.with_name("supervisor.pid"),
                "directory": directory,
                "umask": "077",
            },
        ),
    ]
    sections += [
        (
            f"program:{program.name}",
            {
                "command": shlex.join(on_leash(program.command)),
                "autostart": "false",
                "autorestart": "true",
                "startsecs": 0,
                "startretries": 1_000_000,
                "stopsignal": program.stop_signal,
                "stopwaitsecs": program.stop_wait_s,
                # Postgres tells its own children, in its own order; the others' are told by us.
                "stopasgroup": "false" if program.stop_signal == "INT" else "true",
                "killasgroup": "true",
                "redirect_stderr": "true",
                "stdout_logfile": log_dir / f"{program.name}.log",
                "stdout_logfile_maxbytes": "10MB",
                "stdout_logfile_backups": 3,
            },
        )
        for program in programs
    ]
    sections += [
        (
            f"group:tier{tier}",
            {"programs": ",".join(p.name for p in programs if p.tier == tier), "priority": tier},
        )
        for tier in sorted({program.tier for program in programs})
    ]
    return "\n".join(
        f"[{title}]\n" + "".join(f"{name} = {_escaped(value)}\n" for name, value in options.items())
        for title, options in sections
    )


def _escaped(value: object) -> str:
    """supervisord expands `%(name)s` and takes what follows ` ;` for a comment."""
    text = str(value)
    if " ;" in text or "\n" in text:
        raise ValueError(f"supervisord cannot be told of {text!r}: choose a path without a semicolon or newline")
    return text.replace("%", "%%")


class Supervisor:
    """What we say to a running supervisord. Any thread, since every call has a connection of its own."""

    def __init__(self, socket: Path) -> None:
        self._address = f"unix://{socket}"

    @property
    def _rpc(self) -> Any:
        return ServerProxy("http://localhost", transport=SupervisorTransport("", "", self._address))

    def is_up(self) -> bool:
        """Whether it listens yet."""
        try:
            return bool(self._rpc.supervisor.getState()["statename"] == "RUNNING")
        except OSError:
            return False

    def start(self, program: Program) -> None:
        """Start a program, and keep it running from now on."""
        self._rpc.supervisor.startProcess(f"tier{program.tier}:{program.name}", False)

    def lives(self) -> list[Life]:
        """The present incarnation of every program that was ever started."""
        rows = cast("list[dict[str, Any]]", self._rpc.supervisor.getAllProcessInfo())
        return [Life(r["name"], r["pid"], r["start"], r["exitstatus"]) for r in rows if r["start"]]
