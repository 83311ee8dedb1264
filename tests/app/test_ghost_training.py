"""`ghost train`, `ghost runs` and `ghost adapters` against a real server; what a worker would write is written here."""

from __future__ import annotations

import json
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session
from typer.testing import CliRunner
from werkzeug.serving import make_server

from contracts.settings import Settings
from ghost.cli import app
from models import Adapter, Job, JobState, Run
from models.run import Told, tell
from tests.app.conftest import Caller
from tests.app.trainings import WORSE, Version, allow, begun, finish, measure, trainable_version, voice, work_on
from tests.services import TINY, InferenceService
from tests.training.test_card import a_card
from training.card import completed

Ghost = Callable[..., Result]
TRAIN = ("train", "Harbour", "--checkpoint", TINY, "--effort", "quick")
VERSION = {"name": "Harbour", "number": 1, "dataset_id": "", "content_sha256": "ab" * 32}
SAMPLE = {"prompt": "I walk", "form": "AABB", "text": "along\nthe pier", "rhymes": 1.0, "metre": 0.5}


@pytest.fixture
def inference_url(inference: InferenceService) -> str:
    return inference.url


@pytest.fixture
def version(alice: Caller, settings: Settings, engine: Engine) -> Version:
    return trainable_version(alice, settings, engine)


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
def ghost(address: str, alice: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ghost:
    """The command as alice runs it."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, typed: str = "", **environment: str) -> Result:
        hers = {"GHOST_SERVER": address, "GHOST_TOKEN": alice.token, "TERM": "dumb", "COLUMNS": "200"}
        return CliRunner(env=hers | environment).invoke(app, arguments, input=typed)

    return run


class Worker:
    """Does what `worker.gpu` would, as far as the database is concerned: it measures, and trains three steps."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine, self._settings = engine, settings
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.fails_with = ""

    def __enter__(self) -> Worker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stop.wait(0.1):
            measure(self._engine)
            with Session(self._engine) as session:
                waiting = session.scalars(
                    select(Run).join(Job, Job.id == Run.job_id).where(Job.state == JobState.QUEUED)
                ).all()
            for run in waiting:
                self._train(run)

    def _train(self, run: Run) -> None:
        work_on(self._engine, str(run.id), steps=3, num_done=3, num_total=3)
        with Session(self._engine) as session, session.begin():
            told = [
                Told("stage", 0, 0, {"stage": "load"}),
                Told("machine", 1, 0, {"cpu": 0.5, "memory_bytes": 1, "gpu": None, "gpu_memory_bytes": None}),
                Told("validation", 3, 0, {"loss": 2.0, "bits_per_byte": 1.5}),
                Told("sample", 3, 0, SAMPLE),
            ]
            tell(session, run.id, told)
            if self.fails_with:
                failed = {"state": JobState.FAILED, "error": self.fails_with}
                session.execute(update(Job).where(Job.id == run.job_id).values(**failed))
        if not self.fails_with:
            finish(self._engine, self._settings, str(run.id))


def good(done: Result) -> str:
    assert done.exit_code == 0, done.output
    return str(done.stdout)


def refusal(done: Result, code: int = 1) -> str:
    """The one line that a refused command says."""
    assert done.exit_code == code, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    last = str(done.stderr).strip().splitlines()[-1]
    assert last.startswith("ghost: "), done.stderr
    return last


@pytest.mark.usefixtures("version")
def test_it_works(ghost: Ghost, engine: Engine, settings: Settings, tmp_path: Path) -> None:
    with Worker(engine, settings):
        done = ghost(*TRAIN, "--title", "Low Tide", "--follow", typed="y\n")
        run_id = good(done).split()[-1]  # the runner writes what is typed before it
    assert re.search(r"about [\d.]+ minutes, never more than \d+ charged \(120 left\)", done.stderr)
    assert "3  validation: 1.5000 bits a byte" in done.stderr
    assert "Low Tide v1 is trained." in done.stderr
    assert run_id in good(ghost("runs", "ls"))
    assert "Harbour v1" in good(ghost("runs", "show", "Low Tide v1"))
    said = good(ghost("runs", "logs", run_id[:6])).splitlines()
    assert said[0].split() == ["0", "stage:", "load"]
    assert sum("loss 3.0000" in line for line in said) == 3
    sample = said.index("     3  sample")
    assert said[sample + 1 : sample + 4] == ["        | I walk", "        | along", "        | the pier"]
    assert "machine" not in " ".join(said)
    assert f"{run_id}  unpublished" in good(ghost("adapters", "ls"))
    assert good(ghost("adapters", "publish", "Low Tide v1")) == "Low Tide v1 is in the voice menu.\n"
    assert f"{run_id}  live" in good(ghost("adapters", "ls"))
    good(ghost("adapters", "download", run_id, "--out", "low-tide.zip"))
    with zipfile.ZipFile(tmp_path / "low-tide.zip") as archive:
        assert {"adapter_config.json", "adapter_model.safetensors", "card.json"} <= set(archive.namelist())
    assert "out of the voice menu" in good(ghost("adapters", "retire", run_id))
    good(ghost("runs", "rm", run_id, "--yes"))
    assert good(ghost("runs", "ls")) == good(ghost("adapters", "ls")) == ""


@pytest.mark.usefixtures("version")
def test_nothing_is_trained_before_it_is_agreed_to(ghost: Ghost, engine: Engine, settings: Settings) -> None:
    with Worker(engine, settings):
        assert ghost(*TRAIN, typed="n\n").exit_code == 1
        assert ghost(*TRAIN).exit_code == 1  # nobody there to ask
        quoted = json.loads(good(ghost(*TRAIN, "--quote", "--json", "--set", "epochs=1", "--set", "seed=7")))
    assert (quoted["config"]["epochs"], quoted["config"]["seed"]) == (1.0, 7)
    assert good(ghost("runs", "ls")) == ""


@pytest.mark.usefixtures("version")
def test_a_run_that_fails_ends_the_command_with_its_reason(ghost: Ghost, engine: Engine, settings: Settings) -> None:
    with Worker(engine, settings) as worker:
        worker.fails_with = "The loss is no number any more.\nTry a lower rate."
        done = ghost(*TRAIN, "--yes", "--follow")
    assert refusal(done) == "ghost: The loss is no number any more. Try a lower rate."
    assert refusal(ghost("runs", "logs", "-f", "Harbour v1")).endswith("Try a lower rate.")
    assert "failed" in good(ghost("runs", "show", "Harbour v1"))


def test_runs_are_cancelled_resumed_and_stopped(
    ghost: Ghost, engine: Engine, alice: Caller, bob: Caller, version: Version
) -> None:
    run = begun(alice, engine, version, title="Low Tide")
    assert "cancel it instead" in refusal(ghost("runs", "stop", run["id"]))
    assert good(ghost("runs", "cancel", run["id"])) == "Low Tide v1 is cancelled.\n"
    assert "nothing to cancel" in refusal(ghost("runs", "cancel", run["id"]))
    assert good(ghost("runs", "resume", run["id"])) == "Low Tide v1 goes on.\n"
    shown = json.loads(good(ghost("runs", "show", run["id"], "--json")))
    assert (shown["state"], shown["position"]) == ("queued", 1)
    work_on(engine, run["id"], steps=1)
    assert "ends early" in good(ghost("runs", "stop", run["id"]))
    assert good(ghost("runs", "ls", GHOST_TOKEN=bob.token)) == ""
    assert "no training" in refusal(ghost("runs", "show", run["id"], GHOST_TOKEN=bob.token))
    assert ghost("runs", "rm", run["id"], typed="n\n").exit_code == 1
    assert run["id"] in good(ghost("runs", "ls"))


def test_a_card_is_told_in_words_and_what_is_worse_needs_a_reason(
    ghost: Ghost, engine: Engine, alice: Caller, settings: Settings, version: Version
) -> None:
    worse = str(begun(alice, engine, version)["id"])
    work_on(engine, worse, steps=2)
    finish(engine, settings, worse, adapter=WORSE)
    assert "It predicts the held-out songs worse" in refusal(ghost("adapters", "publish", worse))
    assert "menu" in good(ghost("adapters", "publish", worse, "--reason", "It rhymes as I like it."))
    better = voice(alice, engine, settings, version)
    made: dict[str, Any] = completed(a_card(), title="Harbour", number=2, dataset=VERSION)
    with Session(engine) as session, session.begin():
        session.execute(update(Adapter).where(Adapter.id == better).values(card=made))
    assert good(ghost("adapters", "card", "Harbour v2")).startswith("# Harbour v2\n")
    assert json.loads(good(ghost("adapters", "card", better, "--json")))["seed"] == 0


def test_what_is_wrong_is_one_line(ghost: Ghost, engine: Engine, alice: Caller, version: Version) -> None:
    assert ghost("runs", "ls", GHOST_TOKEN="").exit_code == 2
    refusal(ghost("runs", "ls", GHOST_TOKEN="gr_nobody"))
    assert "`ghost datasets ls` lists them" in refusal(ghost("train", "Nothing", "--checkpoint", TINY))
    assert "nowhere" in refusal(ghost("train", "Harbour", "--checkpoint", "nowhere"))
    assert "effort" in refusal(ghost("train", "Harbour", "--checkpoint", TINY, "--effort", "heroic"))
    assert "There are: epochs, " in refusal(ghost(*TRAIN, "--set", "speed=9"))
    assert "learning_rate" in refusal(ghost(*TRAIN, "--set", "learning_rate=7"))
    assert "`ghost runs ls` lists them" in refusal(ghost("runs", "logs", "0123"))
    assert "`ghost adapters ls` lists them" in refusal(ghost("adapters", "card", "Harbour v1"))
    begun(alice, engine, version)
    allow(engine, alice, minutes_left=0)
    assert "minutes" in refusal(ghost(*TRAIN, "--yes"))
