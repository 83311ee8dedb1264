"""`ghost datasets` in a process of its own, against a real server and a worker at hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, update
from werkzeug.serving import make_server

from contracts.settings import Settings
from models import Song, SongState
from tests.app.builders import ARTIST, LAMP, SONGS, TIDE, Desk, filled
from tests.app.conftest import Caller, closed_port

Ghost = Callable[..., subprocess.CompletedProcess[str]]
ENDS_S = 90


@pytest.fixture
def desk(engine: Engine, settings: Settings) -> Desk:
    return Desk(engine, settings)


@pytest.fixture
def address(server: Flask) -> Iterator[str]:
    """Where the server listens."""
    listening = make_server("127.0.0.1", 0, server, threaded=True)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}"
    listening.shutdown()
    thread.join()


@pytest.fixture
def _working(desk: Desk) -> Iterator[None]:
    """A worker that does whatever is asked for."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.1):
            desk.work()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.fixture
def ghost(address: str, alice: Caller, tmp_path: Path) -> Ghost:
    """The command as alice runs it."""

    def run(*arguments: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        hers = {"GHOST_SERVER": address, "GHOST_TOKEN": alice.token, "TERM": "dumb", "COLUMNS": "200"}
        return subprocess.run(
            [sys.executable, "-m", "ghost", "datasets", *arguments],
            env=os.environ | hers | {"PYTHONPATH": str(Path.cwd())} | environment,
            cwd=tmp_path,
            input=typed,
            capture_output=True,
            text=True,
            timeout=ENDS_S,
        )

    return run


def good(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.usefixtures("_working")
def test_it_works(ghost: Ghost, tmp_path: Path) -> None:
    dataset_id = good(ghost("create", "Harbour")).strip()
    for title, words in SONGS.items():
        (tmp_path / f"{ARTIST} - {title}.txt").write_text(words)
    shown = good(ghost("import", "Harbour", *(f"{ARTIST} - {title}.txt" for title in SONGS)))
    assert "found                3" in shown
    refused = ghost("freeze", "Harbour")
    assert refused.returncode == 1
    assert refused.stderr.startswith("ghost: Nobody has said by what right 3 songs may be used")
    assert "3 songs are mine now." in good(ghost("rights", "Harbour", "--rights", "mine", "--attest"))
    first = good(ghost("freeze", dataset_id))
    assert first.startswith("v1  ")
    again = good(ghost("freeze", dataset_id))
    assert again.split()[1] == first.split()[1]
    assert good(ghost("diff", "Harbour", "1", "2")) == ""
    good(ghost("download", "Harbour", "1", "--out", "harbour.zip"))
    with zipfile.ZipFile(tmp_path / "harbour.zip") as archive:
        assert json.loads(archive.read("manifest.json"))["content_sha256"] == first.split()[1]
    assert dataset_id in good(ghost("ls"))


@pytest.mark.usefixtures("_working")
def test_versions_are_compared_song_by_song(ghost: Ghost, tmp_path: Path, alice: Caller) -> None:
    good(ghost("create", "Harbour"))
    (tmp_path / "Ada Quill - Low Tide.txt").write_text(TIDE)
    good(ghost("import", "Harbour", "Ada Quill - Low Tide.txt"))
    good(ghost("rights", "Harbour", "--rights", "mine", "--attest"))
    good(ghost("freeze", "Harbour"))
    (tmp_path / "Ada Quill - A Lamp.txt").write_text(LAMP)
    good(ghost("import", "Harbour", "Ada Quill - A Lamp.txt"))
    good(ghost("rights", "Harbour", "--rights", "mine", "--attest"))
    good(ghost("freeze", "Harbour"))
    assert good(ghost("diff", "Harbour", "1", "2")) == "+ Ada Quill - A Lamp\n"
    assert good(ghost("diff", "Harbour", "2", "1")) == "- Ada Quill - A Lamp\n"


def test_songs_are_reviewed_from_the_keyboard(ghost: Ghost, alice: Caller, desk: Desk, engine: Engine) -> None:
    dataset_id = filled(alice, desk)
    with engine.begin() as connection:
        connection.execute(update(Song).values(state=SongState.CHECK))
    shown = good(ghost("review", "Harbour", typed="a\nd\nn\n"))
    assert TIDE.splitlines()[0] in shown
    states: list[Any] = [(song.state, song.is_dropped) for song in desk.songs(dataset_id)]
    assert states == [(SongState.FOUND, False), (SongState.CHECK, True), (SongState.CHECK, False)]


def test_a_list_is_read_from_a_pipe_and_what_is_wrong_is_told(ghost: Ghost) -> None:
    good(ghost("create", "Harbour"))
    done = ghost("import", "Harbour", "--tracks", "-", "--no-wait", typed='artist,title\nAda Quill,Low Tide\n"Ada,x\n')
    assert len(good(done).strip()) == 36
    assert "line 3" in done.stderr
    assert "Import of a list of songs" in good(ghost("status", "Harbour"))


def test_what_is_wrong_is_one_line(ghost: Ghost, tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{closed_port()}"
    assert ghost("ls", GHOST_TOKEN="").returncode == 2
    good(ghost("create", "Twice"))
    good(ghost("create", "Twice"))
    (tmp_path / "song.exe").write_bytes(b"MZ")
    for done in (
        ghost("ls", GHOST_TOKEN="gr_nobody"),
        ghost("ls", GHOST_SERVER=nowhere),
        ghost("status", "Nothing"),
        ghost("status", "Twice"),
        ghost("import", "Nothing"),
        ghost("download", "Nothing", "1"),
    ):
        assert done.returncode == 1, done.args
        assert done.stderr.startswith("ghost: "), done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    good(ghost("create", "Once"))
    refused = ghost("import", "Once", "song.exe")
    assert (refused.returncode, "cannot be read" in refused.stderr) == (1, True)
    assert ghost("download", "Once", "1", "--out", "x.zip").returncode == 1
    assert not list(tmp_path.glob("*x.zip*"))
