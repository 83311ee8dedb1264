"""A training process from outside, with small scripts in its place: heard, stopped, and gone whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from contracts import leash
from contracts.settings import Settings
from contracts.training import TrainEvent
from tests.patience import until
from worker.child import ROOT, Child, environment

Start = Callable[[str], Child]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    def one(script: str) -> Child:
        command = [sys.executable, "-uc", textwrap.dedent(script)]
        return Child(command, os.environ | leash.environment(), tmp_path)

    return one


def all_of(child: Child, within_s: float = 20.0) -> list[TrainEvent]:
    """What it says until it ends."""
    deadline, said = time.monotonic() + within_s, []
    while (events := child.hear(0.05)) is not None:
        assert time.monotonic() < deadline
        said += events
    return said


def is_alive(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_it_works(start: Start) -> None:
    with start("""
        import sys
        print('{"kind": "stage", "payload": {"stage": "load"}}')
        print("a library says hello")
        print('{"kind": "unheard of"}')
        sys.stdout.write('{"kind": "step", "step": 1,')
        sys.stdout.flush()
        sys.stdout.write(' "payload": {"text": "a\\\\u0000b"}}\\n')
        print("it broke", file=sys.stderr)
        sys.exit(3)
    """) as child:
        said = all_of(child)
        assert [(event.kind, event.step) for event in said] == [("stage", 0), ("step", 1)]
        assert said[1].payload == {"text": "a\ufffdb"}  # Postgres keeps no U+0000
        assert child.status == 3
        assert "it broke" in child.last_words()
        assert "a library says hello" in child.log.read_text()


def test_asked_to_stop_it_may_say_a_last_word(start: Start) -> None:
    with start("""
        import signal, sys, time
        def on_stop(number, frame):
            print('{"kind": "saved", "step": 7, "payload": {"key": "k"}}')
            sys.exit(75)
        signal.signal(signal.SIGTERM, on_stop)
        print('{"kind": "stage", "payload": {"stage": "train"}}')
        while True: time.sleep(1)
    """) as child:
        while not child.hear(0.1):
            pass
        child.stop(10.0)
        assert [event.kind for event in all_of(child)] == ["saved"]
        assert child.status == 75


def test_who_does_not_stop_is_killed_with_all_its_own(start: Start, tmp_path: Path) -> None:
    with start(f"""
        import signal, subprocess, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        own = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        open({str(tmp_path / "own")!r}, "w").write(str(own.pid))
        print('{{"kind": "stage", "payload": {{"stage": "train"}}}}')
        while True: time.sleep(1)
    """) as child:
        while not child.hear(0.1):
            pass
        began = time.monotonic()
        child.stop(0.3)
        assert all_of(child) == []
        assert 0.3 <= time.monotonic() - began < 5.0
        assert child.status == -signal.SIGKILL
        own = int((tmp_path / "own").read_text())
        until(lambda: not is_alive(own))


def test_it_has_ended_although_its_own_child_holds_the_stream(start: Start, tmp_path: Path) -> None:
    with start(f"""
        import subprocess, sys
        own = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        open({str(tmp_path / "own")!r}, "w").write(str(own.pid))
    """) as child:
        assert all_of(child) == []
    own = int((tmp_path / "own").read_text())
    until(lambda: not is_alive(own))


def test_it_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os, sys, time; from pathlib import Path; from contracts import leash; "
            "from worker.child import Child; "
            "child = Child([sys.executable, '-c', 'import time; time.sleep(600)'], os.environ | leash.environment(), "
            "Path(sys.argv[1])); print(child.process_id, flush=True); time.sleep(600)",
            str(tmp_path),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert parent.stdout
    child = int(parent.stdout.readline())
    assert is_alive(child)
    parent.kill()
    parent.wait()
    until(lambda: not is_alive(child))


def test_a_child_is_told_where_things_lie_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://somebody:something@here/there")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    settings = Settings(ghost_home=tmp_path, secret_key=SecretStr("s"), training_device="cpu")
    told = environment(settings)
    assert (told["GHOST_HOME"], told["TRAINING_DEVICE"], told["OMP_NUM_THREADS"]) == (str(tmp_path), "cpu", "2")
    assert told["BUCKET_URL"] == f"file://{tmp_path}/bucket"
    assert not {"DATABASE_URL", "SECRET_KEY"} & told.keys()
