"""What new songs change: asked for over HTTP, measured by a worker with the real network, told on a card."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from contracts.settings import Settings
from corpus.drift import Sung
from models import Drift, Job, JobState
from models.job import request_cancel
from tests.app.builders import ARTIST, Desk, frozen, made, ok, refusal, songs, state_rights, upload
from tests.app.conftest import Caller
from tests.corpus.planted import RANCH, song
from tests.worker.workers import SOON
from training import embed
from worker import drifting, gpu
from worker.jobs import Jobs, kinds

NUM_OLD, NUM_NEW = 12, 6
SEA_SONGS = [song(number) for number in range(NUM_OLD)]
ENDS_S = 60.0


class Trainer:
    """Does the jobs of `worker.gpu` that a test names, in this process."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        kinds.update(gpu.BODIES)
        self._engine = engine
        self.jobs = Jobs(engine, settings, SOON)

    def job(self, job_id: str) -> Job:
        with Session(self._engine) as session:
            return session.get_one(Job, job_id)

    def measure(self, caller: Caller, dataset_id: str) -> Any:
        """Have drift measured; what is told of it then."""
        asked = ok(caller("POST", f"/datasets/{dataset_id}/drift"), 202)
        self.jobs.work(UUID(asked["job"]["id"]))
        return read(caller, dataset_id)


@pytest.fixture
def desk(engine: Engine, settings: Settings) -> Desk:
    return Desk(engine, settings)


@pytest.fixture
def trainer(engine: Engine, settings: Settings) -> Trainer:
    return Trainer(engine, settings)


@pytest.fixture
def dataset_id(alice: Caller, desk: Desk) -> str:
    """A frozen version of songs of the sea, and since then some of a ranch."""
    dataset_id = made(alice)
    add(alice, desk, dataset_id, SEA_SONGS, "Sea")
    frozen(alice, desk, dataset_id)
    add(alice, desk, dataset_id, [song(100 + number, nouns=RANCH) for number in range(NUM_NEW)], "Ranch")
    return dataset_id


@pytest.fixture
def _without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server where the network that tells topics cannot run."""
    monkeypatch.setattr(drifting, "COMMAND", ("false",))


def add(caller: Caller, desk: Desk, dataset_id: str, some: Sequence[Sung], title: str) -> None:
    """Bring songs of one's own in."""
    rows = [{"artist": ARTIST, "title": f"{title} {at}", "text": one.text} for at, one in enumerate(some)]
    ok(upload(caller, dataset_id, f"{title}.jsonl", "\n".join(map(json.dumps, rows)).encode()), 202)
    desk.do()
    state_rights(caller, dataset_id)


def read(caller: Caller, dataset_id: str) -> Any:
    return ok(caller("GET", f"/datasets/{dataset_id}/drift"))


def test_it_works(alice: Caller, bob: Caller, trainer: Trainer, dataset_id: str) -> None:
    assert embed.folder(), "the network that tells topics is part of the installation"
    path = f"/datasets/{dataset_id}/drift"
    before = read(alice, dataset_id)
    assert (before["version_number"], before["num_new"], before["card"]) == (1, NUM_NEW, None)
    asked = ok(alice("POST", path), 202)
    assert asked["job"]["words"] == "Measuring what new songs change"
    assert ok(alice("POST", path), 202)["job"]["id"] == asked["job"]["id"]
    told = trainer.measure(alice, dataset_id)
    assert (told["is_current"], told["measured_version"], told["measured_new"]) == (True, 1, NUM_NEW)
    assert told["job"]["state"] == "done"
    card = told["card"]
    assert (card["num_old"], card["num_new"], card["is_worth_it"]) == (NUM_OLD, NUM_NEW, True)
    measures = {measure["name"]: measure for measure in card["measures"]}
    assert {name for name, measure in measures.items() if measure["has_moved"]} == {"vocabulary", "topic"}
    rising = [shift["what"] for shift in measures["topic"]["shifts"] if shift["after"] > shift["before"]]
    assert any(word in RANCH for words in rising for word in words.split(", "))
    assert refusal(bob("GET", path))[:2] == refusal(bob("POST", path))[:2] == (404, "not_found")


@pytest.mark.usefixtures("_without_network")
def test_a_card_is_of_the_past_once_the_songs_are_others(
    alice: Caller, desk: Desk, trainer: Trainer, dataset_id: str
) -> None:
    assert trainer.measure(alice, dataset_id)["is_current"]
    newest = songs(alice, dataset_id)[-1]
    ok(alice("POST", f"/datasets/{dataset_id}/songs/{newest['id']}", {"act": "drop"}))
    dropped = read(alice, dataset_id)
    assert (dropped["num_new"], dropped["measured_new"], dropped["is_current"]) == (NUM_NEW - 1, NUM_NEW, False)
    add(alice, desk, dataset_id, [song(300)], "Another")
    swapped = read(alice, dataset_id)
    assert (swapped["num_new"], swapped["is_current"]) == (NUM_NEW, False)
    frozen(alice, desk, dataset_id)
    after = read(alice, dataset_id)
    assert (after["version_number"], after["num_new"], after["is_current"]) == (2, 0, False)
    assert after["cannot_measure"] == "No song is new since version 2."


@pytest.mark.usefixtures("_without_network")
def test_without_the_network_the_other_measures_are_taken(alice: Caller, trainer: Trainer, dataset_id: str) -> None:
    told = trainer.measure(alice, dataset_id)
    assert [measure["name"] for measure in told["card"]["measures"]] == ["vocabulary", "line_length", "rhyme"]
    assert told["job"]["log"][-1]["words"] == drifting.WITHOUT_TOPICS


def test_what_cannot_be_measured_is_said_at_once(alice: Caller, desk: Desk) -> None:
    dataset_id = made(alice)
    add(alice, desk, dataset_id, SEA_SONGS, "Sea")
    path = f"/datasets/{dataset_id}/drift"
    assert refusal(alice("POST", path))[:2] == (409, "nothing_to_measure")
    assert "Freeze one first" in read(alice, dataset_id)["cannot_measure"]
    frozen(alice, desk, dataset_id)
    assert refusal(alice("POST", path))[2] == "No song is new since version 1."
    add(alice, desk, dataset_id, [song(400)], "One")
    assert "at least 5 new songs" in refusal(alice("POST", path))[2]


def test_a_version_that_cannot_be_opened_is_named(
    alice: Caller, trainer: Trainer, dataset_id: str, settings: Settings
) -> None:
    for shard in Path(settings.bucket.removeprefix("file://")).rglob("*.jsonl"):
        shard.write_bytes(b"{}")
    told = trainer.measure(alice, dataset_id)
    assert (told["job"]["state"], told["card"], told["cannot_measure"]) == ("failed", None, None)
    assert told["job"]["error"] == "Version 1 cannot be opened any more. Freeze the dataset again."


def test_a_cancelled_one_ends_its_process_too(
    alice: Caller, trainer: Trainer, dataset_id: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drifting, "COMMAND", ("sleep", "600"))
    job_id = ok(alice("POST", f"/datasets/{dataset_id}/drift"), 202)["job"]["id"]
    working = threading.Thread(target=trainer.jobs.work, args=[UUID(job_id)], daemon=True)
    working.start()
    deadline = time.monotonic() + ENDS_S
    while trainer.job(job_id).stage != drifting.TOPICS:
        assert time.monotonic() < deadline
        trainer.jobs.take_turn()  # as the watch of a worker does
    with Session(engine) as session, session.begin():
        assert request_cancel(session, job_id)
    trainer.jobs.take_turn()
    working.join(ENDS_S)
    assert not working.is_alive()
    assert trainer.job(job_id).state is JobState.CANCELLED
    with Session(engine) as session:
        assert session.scalars(select(Drift.card)).one() is None
