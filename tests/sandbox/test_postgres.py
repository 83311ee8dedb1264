"""The embedded Postgres: it starts, starts again, and loses nothing however it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from contracts import leash
from sandbox.ports import free_port
from sandbox.postgres import Cluster, PostgresFailed, running
from tests.patience import until


def ask(cluster: Cluster, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(cluster.url().replace("+psycopg2", ""))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []


def server_id(cluster: Cluster) -> int:
    return int((cluster.data / "postmaster.pid").read_text().splitlines()[0])


def is_alive(process_id: int) -> bool:
    stat = Path(f"/proc/{process_id}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_it_works(tmp_path: Path) -> None:
    with running(tmp_path / "pg", fsync=False) as cluster:
        assert ask(cluster, "SELECT 6 * 7") == [(42,)]
        cluster.ensure_database("ghost")
        cluster.ensure_database("ghost")
        assert ask(cluster, "SELECT count(*) FROM pg_database WHERE datname = 'ghost'") == [(1,)]
    assert not cluster.answers()


def test_a_second_start_finds_the_rows_of_the_first(tmp_path: Path) -> None:
    with running(tmp_path / "pg", fsync=False) as cluster:
        ask(cluster, "CREATE TABLE line AS SELECT 'kept' AS words")
    with running(tmp_path / "pg", fsync=False) as cluster:
        assert ask(cluster, "SELECT words FROM line") == [("kept",)]


def test_the_password_is_ours_alone_and_another_is_refused(tmp_path: Path) -> None:
    with running(tmp_path / "pg", fsync=False) as cluster:
        assert (tmp_path / "pg" / "password").stat().st_mode & 0o777 == 0o600
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(host="127.0.0.1", port=cluster.port, user="ghost", password="guess", dbname="postgres")


def test_kill_9_loses_no_committed_row(tmp_path: Path) -> None:
    acknowledged = []
    with running(tmp_path / "pg") as cluster:
        ask(cluster, "CREATE TABLE line (number int)")
        connection = psycopg2.connect(cluster.url().replace("+psycopg2", ""))
        connection.autocommit = True
        threading.Timer(0.5, os.kill, (server_id(cluster), signal.SIGKILL)).start()
        with pytest.raises(psycopg2.Error), connection.cursor() as cursor:  # noqa: PT012 (all of it is the storm)
            for number in range(1_000_000):
                cursor.execute("INSERT INTO line VALUES (%s)", (number,))
                acknowledged.append(number)
    with running(tmp_path / "pg") as cluster:
        kept = {number for (number,) in ask(cluster, "SELECT number FROM line")}
    assert len(acknowledged) > 20
    assert set(acknowledged) <= kept


def test_a_pid_file_that_names_another_program_is_no_obstacle(tmp_path: Path) -> None:
    with running(tmp_path / "pg", fsync=False) as cluster:
        pid_file = cluster.data / "postmaster.pid"
        content = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *content[1:]]))
    with running(tmp_path / "pg", fsync=False) as cluster:
        assert cluster.answers()


def test_a_torn_pid_file_is_no_obstacle(tmp_path: Path) -> None:
    with running(tmp_path / "pg", fsync=False) as cluster:
        pass
    (cluster.data / "postmaster.pid").write_text("")
    with running(tmp_path / "pg", fsync=False) as cluster:
        assert cluster.answers()


def test_a_first_start_that_was_cut_off_leaves_nothing_behind(tmp_path: Path) -> None:
    draft = tmp_path / "pg" / "data.new"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("half of it")
    with running(tmp_path / "pg", fsync=False) as cluster:
        assert cluster.answers()
    assert not draft.exists()


def test_a_live_server_is_adopted_and_left_running(tmp_path: Path) -> None:
    with running(tmp_path / "pg", fsync=False) as first:
        with running(tmp_path / "pg", fsync=False) as second:
            assert second.port == first.port
        assert first.answers()


def test_a_server_that_does_not_know_our_password_is_not_adopted(tmp_path: Path) -> None:
    with running(tmp_path / "theirs", fsync=False) as theirs:
        with running(tmp_path / "pg", fsync=False) as ours:
            content = (ours.data / "postmaster.pid").read_text().splitlines()
        content[3] = str(theirs.port)
        (ours.data / "postmaster.pid").write_text("\n".join(content))
        with running(tmp_path / "pg", fsync=False) as again:
            assert again.port != theirs.port


def test_a_directory_is_held_until_the_last_process_of_its_server_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.postgres._ORPHANS_TIMEOUT_S", 0.2)
    with running(tmp_path / "pg", fsync=False), pytest.raises(PostgresFailed, match="another Postgres is running on"):
        Cluster(tmp_path / "pg", free_port()).become_server()


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "pg", free_port(), fsync=False)
    program = (
        "import os, subprocess, sys; from contracts import leash; "
        "subprocess.run(leash.on_leash(sys.argv[1:]), env=os.environ | leash.environment())"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, *cluster.command()], stderr=subprocess.DEVNULL)
    try:
        until(cluster.answers)
    finally:
        server = server_id(cluster)
        parent.kill()
        parent.wait()
    until(lambda: not is_alive(server))


def test_what_is_left_behind_by_a_dead_parent_does_not_even_start(tmp_path: Path) -> None:
    gone = subprocess.run(
        leash.on_leash(["touch", str(tmp_path / "started")]),
        env=os.environ | {leash.PARENT: "999999999"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert gone.returncode == 1
    assert "gone already" in gone.stderr
    assert not (tmp_path / "started").exists()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with running(tmp_path / "pg", fsync=False) as cluster:
        pass
    (cluster.data / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(PostgresFailed, match="no_such_setting"), running(tmp_path / "pg", fsync=False):
        pass
