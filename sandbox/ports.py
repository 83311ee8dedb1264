"""Ports on this machine: whether one is free, and who has it when it is not."""

from __future__ import annotations

import random
import socket
from contextlib import closing, suppress
from pathlib import Path


def is_free(port: int, address: str = "0.0.0.0") -> bool:  # noqa: S104 (bound for a moment, never listened on)
    """Whether a server could listen on this port now."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that nobody listens on, below those that outgoing connections draw from.

    In that range a client that keeps trying while the server restarts could take the port, or connect to itself.
    """
    for port in random.sample(range(15_000, 32_000), 200):
        if is_free(port):
            return port
    raise OSError("found no free port between 15000 and 32000")


def holder(port: int) -> str:
    """Who listens on a port, as `name (process 123)`, as far as this user may know."""
    sockets = _listening_sockets(port)
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                if str(descriptor.readlink()) in sockets:
                    return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return "another program"


def _listening_sockets(port: int) -> set[str]:
    """The names that `/proc/*/fd` gives to the sockets listening on a port.

    Source: proc_pid_net(5), /proc/net/tcp: local_address is hexadecimal, state 0A is LISTEN, the tenth field the inode.
    """
    found = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(f"socket:[{fields[9]}]")
    return found
