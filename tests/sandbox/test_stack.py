"""The whole stack, really started: it comes up, what is killed comes back, and in the end nothing is left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.ports import free_port, is_free
from tests.patience import until

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

ROOT = Path(__file__).parents[2]
FIRST_START_S = 300.0
BACK_S = 120.0


class RunningStack:
    """`python -m sandbox` in a session of its own, as `make run` starts it."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.port, self.inference_port = free_port(), free_port()
        ports = {"PORT": str(self.port), "INFERENCE_PORT": str(self.inference_port)}
        self.said = home.with_suffix(".said")
        with self.said.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sandbox"],
                cwd=ROOT,
                env=os.environ | {"GHOST_HOME": str(home)} | ports | settings,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.said.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ready", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def until_ready(self, timeout_s: float) -> None:
        until(self.is_ready, timeout_s, self.said.read_text)

    def processes(self) -> dict[int, str]:
        """Every process that belongs to this stack, with its command line."""
        mark = f"GHOST_HOME={self.home}".encode()
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                # Postgres paints over its environment, but works in its data directory
                is_ours = mark in (entry / "environ").read_bytes().split(b"\0")
                is_ours |= (entry / "cwd").readlink().is_relative_to(self.home)
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:  # gone between two looks
                continue
            if is_ours and command:
                found[int(entry.name)] = command
        return found

    def main_process(self, sign: str) -> int:
        """The oldest process whose command line holds `sign`; 0 while there is none."""
        return min((pid for pid, command in self.processes().items() if sign in command), default=0)

    def kill(self, sign: str) -> None:
        """kill -9 a process, and wait until one that is neither it nor a child it left behind has taken its place."""
        before = self.processes()
        os.kill(self.main_process(sign), signal.SIGKILL)
        until(lambda: any(sign in command for pid, command in self.processes().items() if pid not in before), BACK_S)

    def end(self, farewell: signal.Signals) -> None:
        """Send a signal to the stack's own process alone, and wait until it is gone."""
        self.process.send_signal(farewell)
        self.process.wait(60)

    def until_nothing_is_left(self) -> None:
        until(lambda: not self.processes(), 30.0)
        assert is_free(self.port)
        assert is_free(self.inference_port)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack") / "home"


@pytest.fixture(scope="module")
def stack(home: Path) -> Iterator[RunningStack]:
    stack = RunningStack(home)
    try:
        stack.until_ready(FIRST_START_S)
        yield stack
    finally:
        if stack.process.poll() is None:
            stack.end(signal.SIGTERM)


def test_it_works(stack: RunningStack) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{stack.port}/", timeout=30) as page:
        assert page.status == 200
    until(lambda: f"http://127.0.0.1:{stack.port}" in stack.said.read_text(), 10.0)
    assert (stack.home / "stack.env").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "sign",
    ["bin/gunicorn", "-m inference", "-m worker.cpu", "/bin/postgres"],
    ids=["web", "inference", "worker", "postgres"],
)
def test_what_is_killed_comes_back(stack: RunningStack, sign: str) -> None:
    for _ in range(2):
        stack.kill(sign)
        stack.until_ready(BACK_S)


def test_a_killed_web_comes_back_at_once_while_somebody_is_connected(stack: RunningStack) -> None:
    with closing(socket.create_connection(("127.0.0.1", stack.port))) as connection:
        connection.sendall(b"POST /login HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\n")
        stack.kill("bin/gunicorn")
        stack.until_ready(BACK_S)
    # what its child had kept of it would have stood in the way of the new one for as long as we are connected
    assert "Connection in use" not in (stack.home / "log" / "web.log").read_text()


def test_a_second_stack_on_the_same_directory_is_refused(stack: RunningStack) -> None:
    other = subprocess.run(
        [sys.executable, "-m", "sandbox"],
        cwd=ROOT,
        env=os.environ | {"GHOST_HOME": str(stack.home), "PORT": str(free_port()), "INFERENCE_PORT": str(free_port())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert other.returncode == 1
    assert "already running on" in other.stdout
    assert stack.is_ready()


def test_ctrl_c_stops_everything_and_a_second_start_needs_neither_npm_nor_pip(
    stack: RunningStack, home: Path, tmp_path: Path
) -> None:
    os.killpg(stack.process.pid, signal.SIGINT)
    assert stack.process.wait(60) == 0, stack.said.read_text()
    stack.until_nothing_is_left()
    for name in ("npm", "node", "pip"):
        stub = tmp_path / name
        stub.write_text("#!/bin/sh\nexit 1\n")
        stub.chmod(0o755)
    again = RunningStack(home, PATH=f"{tmp_path}:{os.environ['PATH']}")
    try:
        again.until_ready(BACK_S)
    finally:
        again.end(signal.SIGKILL)
    again.until_nothing_is_left()
