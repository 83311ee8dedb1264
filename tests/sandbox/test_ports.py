"""Ports: who has one."""

from __future__ import annotations

import os
import socket
from contextlib import closing

from sandbox.ports import free_port, holder, is_free


def test_it_works() -> None:
    assert is_free(free_port())


def test_a_taken_port_names_who_has_it() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        assert holder(port).endswith(f"(process {os.getpid()})")


def test_a_free_port_lies_below_those_of_outgoing_connections() -> None:
    assert all(15_000 <= free_port() < 32_000 for _ in range(20))
