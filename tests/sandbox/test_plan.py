"""What a start is to be: settings, secrets, ports, and supervisord's file."""

from __future__ import annotations

import configparser
import os
import shlex
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from contracts.settings import STACK_FILE, Settings
from sandbox.ports import free_port
from sandbox.stack import Deaths, StackFailed, check_ports, plan, sole_user, write_stack_file
from sandbox.supervisor import Life, Program, configuration


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("GHOST_HOME", str(tmp_path))
    return tmp_path


def test_it_works(home: Path) -> None:
    planned = plan()
    assert planned.home == home
    assert planned.cluster is not None
    assert set(planned.programs) == {"postgres", "web", "worker", "trainer", "standins", "inference"}
    assert planned.shared["DATABASE_URL"] == planned.cluster.url("ghost")


def test_secrets_are_made_once_and_ports_follow_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "8123")
    first = plan()
    write_stack_file(home, first.shared)
    monkeypatch.delenv("PORT")
    second = plan()
    assert first.shared["PORT"] == "8123"
    assert second.shared["PORT"] == "8000"
    assert all(first.shared[name] == second.shared[name] for name in ("SECRET_KEY", "SERVICE_SECRET"))
    assert first.shared["SECRET_KEY"] != first.shared["SERVICE_SECRET"]


def test_the_stack_file_is_ours_alone_and_reads_back_as_written(home: Path) -> None:
    awkward = """it's a "pass\\word" #1 $HOME %d"""
    write_stack_file(home, {"SECRET_KEY": awkward, "PORT": "8123"})
    assert (home / STACK_FILE).stat().st_mode & 0o777 == 0o600
    read = Settings(_env_file=home / STACK_FILE)
    assert read.secret_key.get_secret_value() == awkward
    assert read.port == 8123


def test_a_postgres_and_an_inference_service_elsewhere_are_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg2://me:secret@db.example/ghost")
    monkeypatch.setenv("INFERENCE_URL", "http://gpu.example:8001")
    monkeypatch.setenv("GENIUS_TOKEN", "a key")
    planned = plan()
    assert set(planned.programs) == {"web", "worker", "trainer"}
    assert "GENIUS_API_URL" not in planned.shared
    assert planned.shared["DATABASE_URL"] == "postgresql+psycopg2://me:secret@db.example/ghost"
    assert planned.shared["INFERENCE_URL"] == "http://gpu.example:8001"


def test_without_keys_the_outside_is_stood_in_for(home: Path) -> None:
    planned = plan()
    write_stack_file(home, planned.shared)
    read = Settings(_env_file=home / STACK_FILE)
    assert read.sandboxes == {"spotify", "genius", "lrclib"}
    assert str(planned.standins_port) in read.lrclib_url


def test_a_port_that_is_no_port_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "eight thousand")
    with pytest.raises(StackFailed, match="PORT: "):
        plan()


def test_one_port_for_two_services_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "8001")
    with pytest.raises(StackFailed, match="PORT and INFERENCE_PORT are both 8001"):
        plan()


def test_a_taken_port_is_an_error_that_says_by_whom_and_what_to_do() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        with pytest.raises(
            StackFailed, match=rf"port {port} is taken by .+ \(process {os.getpid()}\); set PORT=\.\.\."
        ):
            check_ports(Settings(port=port, inference_port=free_port()), inference=True)
        with pytest.raises(StackFailed, match=r"set INFERENCE_PORT=\.\.\."):
            check_ports(Settings(port=free_port(), inference_port=port), inference=True)
        check_ports(Settings(port=free_port(), inference_port=port), inference=False)


def test_a_second_stack_on_the_same_directory_is_refused(home: Path) -> None:
    refusal = pytest.raises(StackFailed, match=rf"already running on .+ \(process {os.getpid()}\).+GHOST_HOME")
    with sole_user(home), refusal, sole_user(home):
        pass
    with sole_user(home):
        pass


def test_a_refused_start_says_one_thing_and_leaves_nothing(home: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "sandbox"],
            env=os.environ | {"PORT": str(port)},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stdout.strip().startswith(f"port {port} is taken by")
    assert len(done.stdout.strip().splitlines()) == 1
    assert done.stderr == ""
    assert not (home / STACK_FILE).exists()


def test_supervisord_is_told_to_restart_for_ever_and_to_stop_postgres_last(tmp_path: Path) -> None:
    folder = tmp_path / "100% mine"
    programs = [
        Program("postgres", ["postgres", "-D", "a folder"], tier=10, stop_signal="INT"),
        Program("web", ["gunicorn"], tier=20),
    ]
    told = configparser.ConfigParser()
    told.read_string(configuration(programs, directory=folder, log_dir=folder, socket=tmp_path / "s"))
    web, postgres = told["program:web"], told["program:postgres"]
    assert shlex.split(postgres["command"])[-3:] == ["postgres", "-D", "a folder"]
    assert (web["autorestart"], web["startsecs"]) == ("true", "0")
    assert web["stdout_logfile"] == str(folder / "web.log")
    assert int(told["group:tier10"]["priority"]) < int(told["group:tier20"]["priority"])
    assert told["unix_http_server"]["chmod"] == "0600"


def test_a_path_that_supervisord_would_misread_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="choose a path without"):
        configuration([], directory=tmp_path / "odd ; name", log_dir=tmp_path, socket=tmp_path / "s")


def test_deaths_are_counted_by_change_of_process() -> None:
    deaths = Deaths()
    assert deaths.since_last([Life("web", 10, 1, 0)]) == []
    assert deaths.since_last([Life("web", 0, 1, 9)]) == []
    assert [life.process_id for life in deaths.since_last([Life("web", 11, 2, 9)])] == [11]
    assert deaths.count == {"web": 1}
