"""Trainings by real workers and the real trainer: from the job to the bucket, through kills, stops and cancels."""

from __future__ import annotations

import hashlib
import os
import random
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from bench.kills_training import Yard
from contracts.bucket import LocalBucket
from contracts.manifest import (
    AdapterManifest,
    adapter_key,
    adapter_manifest_key,
    checkpoint_manifest_key,
)
from contracts.training import Advanced, Effort, Probe, Table, TrainRequest, quote, resolve
from models import Job, JobState, Probed, Rights, RunEvent, Song
from models.account import reserve_minutes
from models.job import again, request_cancel
from models.queue import defer
from models.run import reopen
from sandbox.standins.songs import CATALOGUE
from tests.patience import until
from tests.services import TINY, make_tiny_checkpoint, publish_directory
from tests.worker.workers import SOON, Worker, settings_of
from worker import gpu
from worker.house import settle_runs
from worker.jobs import Jobs, endings, kinds
from worker.training import saved_step

OFTEN = replace(SOON, save_s=0.2)
TEXTS = [song.text for song in CATALOGUE.songs if song.text][:12]
NUM_TOKENS = sum(len(text) + 1 for text in TEXTS)
REQUEST = TrainRequest(
    checkpoint=TINY,
    effort=Effort.QUICK,
    advanced=Advanced(epochs=2, batch_tokens=256, num_evaluations=1, dtype="float32", learning_rate=1e-3),
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bucket with the tiny checkpoint in it."""
    home = tmp_path_factory.mktemp("tiny")
    make_tiny_checkpoint(home / "tiny")
    publish_directory(home / "tiny", home / "bucket", TINY, home)
    return home / "bucket"


class Trainings:
    """A yard of this test alone, and workers at it."""

    def __init__(self, engine: Engine, database_url: str, home: Path, checkpoint: Path) -> None:
        self.engine, self.home, self._url = engine, home, database_url
        shutil.copytree(checkpoint, home / "bucket")
        self.bucket = LocalBucket(home / "bucket")
        self.yard = Yard(engine, self.bucket)
        self.alice = self.yard.builder("alice")
        self.workers: list[Worker] = []

    def worker(self) -> Worker:
        """A real one, at the queue for trainings."""
        self.workers.append(Worker(self._url, self.home, OFTEN, kind="gpu"))
        return self.workers[-1]

    def ask(self, version_id: UUID | None = None, request: TrainRequest = REQUEST) -> UUID:
        """Alice wants a voice."""
        version_id = version_id or self.yard.freeze(self.alice, TEXTS)
        return self.yard.ask(self.alice, version_id, request, num_tokens=NUM_TOKENS)

    def do(self, run_id: UUID) -> Job:
        """Work on it in this process as far as it goes."""
        self.work(self.yard.job(run_id).id)
        return self.yard.job(run_id)

    def work(self, job_id: UUID) -> None:
        kinds.update(gpu.BODIES)
        endings.update(gpu.ENDINGS)
        Jobs(self.engine, settings_of(self._url, self.home, {}), OFTEN).work(job_id)

    def cancel(self, run_id: UUID) -> None:
        with Session(self.engine) as session, session.begin():
            assert request_cancel(session, self.yard.job(run_id).id)

    def resume(self, run_id: UUID) -> None:
        with Session(self.engine) as session, session.begin():
            job = again(session, self.yard.job(run_id).id)
            assert job
            rest = self.yard.run(run_id).quote["max_minutes"] - (self.yard.run(run_id).minutes_charged or 0)
            assert reserve_minutes(session, self.alice, rest)
            assert reopen(session, run_id, rest)
            defer(session, job)

    def events(self, run_id: UUID, kind: str) -> list[RunEvent]:
        with Session(self.engine, expire_on_commit=False) as session:
            return list(
                session.scalars(
                    select(RunEvent)
                    .where(RunEvent.run_id == run_id, RunEvent.kind == kind)
                    .order_by(RunEvent.step, RunEvent.nth)
                )
            )

    def child(self) -> int:
        """The process id of the child that trains now."""
        for line in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                told = line.read_bytes().split(b"\0")
                if b"training" in told and any(str(self.home).encode() in part for part in told):
                    return int(line.parent.name)
        raise AssertionError("nobody trains")


@pytest.fixture
def trainings(engine: Engine, database_url: str, tmp_path: Path, checkpoint: Path) -> Iterator[Trainings]:
    trainings = Trainings(engine, database_url, tmp_path, checkpoint)
    yield trainings
    for worker in trainings.workers:
        worker.kill()


def is_over(job: Job) -> bool:
    return job.state.is_over


def test_it_works_and_no_kill_changes_what_comes_of_it(trainings: Trainings) -> None:
    yard = trainings.yard
    version_id = yard.freeze(trainings.alice, TEXTS)
    calm = trainings.ask(version_id)
    assert (trainings.do(calm).state, trainings.yard.job(calm).error) == (JobState.DONE, None)
    manifest = AdapterManifest.model_validate_json(trainings.bucket.read(adapter_manifest_key(str(calm))))
    run, adapter, curve = yard.run(calm), yard.adapter(calm), yard.curve(calm)
    assert manifest.is_whole
    assert adapter
    assert adapter.manifest == manifest.model_dump(mode="json")
    assert (manifest.owner_id, manifest.title, manifest.number, adapter.published_at) == (
        trainings.alice, "Harbour", 1, None,
    )  # fmt: skip
    for file in manifest.files:
        content = trainings.bucket.read(adapter_key(str(calm), file.path))
        assert hashlib.sha256(content).hexdigest() == file.sha256
    names = {Path(file.path).name for file in manifest.files}
    assert {"adapter_config.json", "adapter_model.safetensors"} < names
    assert any("/originality/" in file.path for file in manifest.files)
    table = Table.model_validate(trainings.events(calm, "table")[-1].payload)
    assert adapter.bits_per_byte == table.adapter.bits_per_byte < table.bare.bits_per_byte
    assert adapter.card["dataset"]["name"] == "Harbour"
    assert adapter.card["cost"]["minutes"] == run.minutes_charged == 1
    assert curve.steps == list(range(1, adapter.card["cost"]["steps"] + 1))
    assert not list(trainings.bucket.keys(f"runs/{calm}/"))
    assert not (trainings.home / "runs" / str(calm)).exists()

    left = yard.minutes_left(trainings.alice)
    disturbed = trainings.ask(version_id)
    disturb(trainings, disturbed, sorted(random.Random(5).sample(range(2, len(curve.steps) - 20), 4)))  # noqa: S311
    assert yard.weights(disturbed) == yard.weights(calm)
    assert yard.curve(disturbed) == curve
    assert yard.run(disturbed).minutes_charged == 1
    assert yard.minutes_left(trainings.alice) == left - 1
    assert not list(trainings.bucket.keys(f"runs/{disturbed}/"))
    assert not list((trainings.home / "runs").glob("*"))


def disturb(trainings: Trainings, run_id: UUID, steps: list[int]) -> None:
    """Have a run done by workers to which at these steps everything happens that can."""
    yard = trainings.yard
    first = trainings.worker()
    yard.wait_for_step(run_id, steps[0])
    os.kill(trainings.child(), signal.SIGKILL)  # its worker starts another
    attempt = yard.wait_for_step(run_id, steps[1]).attempt
    assert yard.run(run_id).resume_key
    orphan = Path(f"/proc/{trainings.child()}/fd")
    first.kill()
    until(lambda: not orphan.exists() or not list(orphan.iterdir()))  # it trains no more

    sleeper = trainings.worker()
    attempt = yard.wait_for_step(run_id, steps[2], after=attempt).attempt
    sleeper.send(signal.SIGSTOP)
    second = trainings.worker()
    yard.wait(run_id, lambda job: job.attempt not in (None, attempt))
    sleeper.send(signal.SIGCONT)  # its child has trained on, and has things to say
    until(lambda: "job.superseded" in sleeper.words())

    yard.wait_for_step(run_id, steps[3], after=attempt)
    sleeper.kill()
    assert second.terminate() < 10.0
    given_back = yard.job(run_id)
    assert (given_back.state, given_back.attempt) == (JobState.QUEUED, None)
    assert saved_step(yard.run(run_id).resume_key) == yard.run(run_id).last_step

    trainings.worker()
    job = yard.wait(run_id, is_over)
    assert (job.state, job.error) == (JobState.DONE, None)
    resumed = sum(line["words"].startswith("paused, resumed at step") for line in job.log)
    assert resumed >= 3, "a busy machine may take a worker for dead once more"
    assert any("signal 9" in line["words"] for line in job.log)


def test_a_run_is_cancelled_in_every_stage_and_goes_on_each_time(trainings: Trainings) -> None:
    yard = trainings.yard
    version_id = yard.freeze(trainings.alice, TEXTS)
    left = yard.minutes_left(trainings.alice)
    run_id, later = trainings.ask(version_id), trainings.ask(version_id)
    trainings.worker()
    for stage in ("load", "train", "evaluate"):
        yard.wait(run_id, partial(is_in, stage))
        if stage == "load":
            assert yard.job(later).state is JobState.QUEUED  # one run of a user at a time
            trainings.cancel(later)
        trainings.cancel(run_id)
        job = yard.wait(run_id, is_over, within_s=8)
        assert (job.state, job.error) == (JobState.CANCELLED, None)
        assert yard.run(run_id).settled_at is not None
        if stage != "evaluate":
            trainings.resume(run_id)
    assert yard.curve(run_id).steps == list(range(1, saved_step(yard.run(run_id).resume_key) + 1))
    assert yard.adapter(run_id) is None
    settle_runs_of(trainings)  # of the one that never began, unless the worker was sooner
    assert yard.minutes_left(trainings.alice) == left - 1


def is_in(stage: str, job: Job) -> bool:
    return job.state is JobState.RUNNING and job.stage == stage


def settle_runs_of(trainings: Trainings) -> int:
    with Session(trainings.engine) as session, session.begin():
        return settle_runs(session)


def spoil_checkpoint(trainings: Trainings, _version_id: UUID) -> None:
    trainings.bucket.delete(checkpoint_manifest_key(TINY))


def spoil_version(trainings: Trainings, version_id: UUID) -> None:
    shard = next(key for key in trainings.bucket.keys("datasets/") if key.endswith(".jsonl"))
    trainings.bucket.write(shard, trainings.bucket.read(shard).replace(b" the ", b" teh ", 1))


def spoil_manifest(trainings: Trainings, version_id: UUID) -> None:
    key = next(key for key in trainings.bucket.keys("datasets/") if key.endswith("manifest.json"))
    trainings.bucket.write(key, trainings.bucket.read(key).replace(b"Harbour", b"Harlots"))


def lose_version(trainings: Trainings, version_id: UUID) -> None:
    for key in list(trainings.bucket.keys("datasets/")):
        trainings.bucket.delete(key)


def take_a_song_back(trainings: Trainings, version_id: UUID) -> None:
    with Session(trainings.engine) as session, session.begin():
        session.execute(update(Song).where(Song.position == 3).values(rights=Rights.UNKNOWN))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_checkpoint, "'tiny-llama' is not there"),
        (spoil_version, "not what was frozen"),
        (spoil_manifest, "not what was frozen"),
        (lose_version, "not there any more"),
        (take_a_song_back, "1 song of this version may not train any more"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_the_reason_and_costs_nothing(
    trainings: Trainings, spoil: Callable[[Trainings, UUID], None], words: str
) -> None:
    left = trainings.yard.minutes_left(trainings.alice)
    version_id = trainings.yard.freeze(trainings.alice, TEXTS)
    run_id = trainings.ask(version_id)
    spoil(trainings, version_id)
    job = trainings.do(run_id)
    assert job.state is JobState.FAILED
    assert words in (job.error or "")
    assert trainings.yard.run(run_id).minutes_charged == 0
    assert trainings.yard.minutes_left(trainings.alice) == left


def test_songs_by_no_right_are_refused(trainings: Trainings) -> None:
    version_id = trainings.yard.freeze(trainings.alice, TEXTS, rights=Rights.UNKNOWN)
    with Session(trainings.engine) as session, session.begin():
        session.execute(update(Song).values(rights=Rights.MINE))  # stated since, but frozen without
    job = trainings.do(trainings.ask(version_id))
    assert job.state is JobState.FAILED
    assert "may not be trained on" in (job.error or "")


def test_on_a_full_disk_it_fails_with_the_reason_and_keeps_what_it_has(trainings: Trainings) -> None:
    yard = trainings.yard
    run_id = trainings.ask()
    worker = trainings.worker()
    assert worker.process.pid
    resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
    for stage in ("load", "train"):  # not even the songs have room; then they have, and a state has not
        job = yard.wait(run_id, is_over)
        assert (job.state, job.stage) == (JobState.FAILED, stage)
        assert "full" in (job.error or "") or "no room" in (job.error or "")
        resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (30_000, resource.RLIM_INFINITY))
        trainings.resume(run_id)
    resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.mark.parametrize(
    ("accident", "error", "last_words"),
    [
        ("raise RuntimeError('no such thing')", "broke off in a way we did not expect", "RuntimeError: no such thing"),
        ("import os; os.kill(os.getpid(), 9)", "ended 3 times before it could save anything", "signal 9"),
    ],
    ids=["breaks", "killed"],
)
def test_a_child_that_cannot_live_fails_its_run_and_says_where(
    trainings: Trainings, monkeypatch: pytest.MonkeyPatch, accident: str, error: str, last_words: str
) -> None:
    (trainings.home / "broken").mkdir()
    (trainings.home / "broken" / "pydantic.py").write_text(accident)  # what the child imports first
    monkeypatch.setenv("PYTHONPATH", str(trainings.home / "broken"))
    run_id = trainings.ask()
    job = trainings.do(run_id)
    assert job.state is JobState.FAILED
    assert error in (job.error or "")
    assert any(last_words in line["words"] for line in job.log)
    assert trainings.yard.run(run_id).minutes_charged == 0


def test_a_probe_measures_what_a_quote_is_made_of(trainings: Trainings) -> None:
    version_id = trainings.yard.freeze(trainings.alice, TEXTS)
    with Session(trainings.engine) as session, session.begin():
        job = Job(user_id=trainings.alice, kind="probe", request={})
        session.add(job)
        session.flush()
        probed = Probed(user_id=trainings.alice, version_id=version_id, checkpoint=TINY, job_id=job.id)
        session.add(probed)
        session.flush()
        job_id, probed_id = job.id, probed.id
    trainings.work(job_id)
    with Session(trainings.engine) as session:
        assert session.get_one(Job, job_id).error is None
        found = Probe.model_validate(session.get_one(Probed, probed_id).probe)
    assert 0 < found.num_tokens < NUM_TOKENS  # some songs are held out
    assert quote(resolve(REQUEST, found.num_tokens), found, cents_a_minute=2.0).max_minutes >= 1
