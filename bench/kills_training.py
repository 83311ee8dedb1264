"""A worker that is killed again and again in the middle of a training, and what came of the training then.

    python -m bench.kills_training --bucket file:///.../bucket --json bench/out/kills_training.jsonl

Trains twice on the same songs with the same seed: once undisturbed, once under workers that are killed (`kill -9`),
each at a random step. Then it compares the two adapters bit by bit, what each run was charged, and whether each has
every step once. The bucket is that of `make run` unless told otherwise, and needs a checkpoint; all else is made and
thrown away: a Postgres, a bucket that has the checkpoint by a link, a builder, a dataset. Prints a line for each kill
and a table, and writes one JSON object a line.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, Protocol
from uuid import UUID, uuid4

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session

from bench.corpus import ROOT
from contracts.bucket import LocalBucket
from contracts.manifest import AdapterManifest, adapter_key, adapter_manifest_key
from contracts.settings import load_settings, share_cores
from contracts.training import Advanced, Effort, Probe, TrainRequest, num_steps, quote, resolve
from corpus import version
from corpus.version import FrozenSong
from models import (
    Account,
    Adapter,
    Dataset,
    DatasetVersion,
    Job,
    JobState,
    Probed,
    Rights,
    Run,
    RunEvent,
    Song,
    SongState,
    User,
    VersionSong,
)
from models.account import reserve_minutes
from models.queue import defer
from sandbox import postgres
from sandbox.standins.songs import CATALOGUE

POLL_S = 0.005
MINUTES = 1_000
WEIGHTS = "adapter_model.safetensors"


class Killable(Protocol):
    """A worker process."""

    def kill(self) -> None:
        """End it as the kernel does, and wait until it is gone."""


class Curve(NamedTuple):
    """What a run has told of its steps, in order: their numbers and losses."""

    steps: list[int]
    losses: list[float]


@dataclass(frozen=True)
class Yard:
    """A place to train at: rows in a Postgres, a bucket in a directory."""

    engine: Engine
    bucket: LocalBucket

    def builder(self, name: str = "builder") -> UUID:
        """Somebody with minutes to spend."""
        with Session(self.engine) as session, session.begin():
            user = User(email=f"{name}-{uuid4().hex[:6]}@example.org")
            session.add(user)
            session.flush()
            session.add(
                Account(
                    user_id=user.id,
                    tokens_allowance=0,
                    tokens_left=0,
                    max_generations=1,
                    max_lyrics=1,
                    minutes_allowance=MINUTES,
                    minutes_left=MINUTES,
                    max_adapters=100,
                )
            )
            return user.id

    def freeze(self, owner: UUID, texts: Iterable[str], rights: Rights = Rights.MINE) -> UUID:
        """A frozen version of a new dataset of these songs; returns the version's id."""
        with Session(self.engine) as session, session.begin():
            dataset = Dataset(user_id=owner, name="Harbour")
            session.add(dataset)
            session.flush()
            frozen = []
            for place, text in enumerate(texts):
                sha = hashlib.sha256(text.encode()).hexdigest()
                key = f"an invented singer|song {place}"
                song = Song(
                    dataset_id=dataset.id,
                    position=place,
                    track_key=key,
                    title=f"Song {place}",
                    state=SongState.FOUND,
                    text=text,
                    content_sha=sha,
                    rights=rights,
                )
                session.add(song)
                frozen.append(FrozenSong(key, "", song.title, text, "paste", "", rights.value, ""))
            manifest = version.freeze(frozen, bucket=self.bucket, dataset_id=dataset.id, number=1, name=dataset.name)
            version.publish(self.bucket, manifest)
            row = DatasetVersion(
                dataset_id=dataset.id,
                number=1,
                content_sha256=manifest.content_sha256,
                manifest=manifest.model_dump(mode="json"),
            )
            session.add(row)
            session.flush()
            shas = {hashlib.sha256(song.text.encode()).hexdigest() for song in frozen}
            session.add_all(VersionSong(version_id=row.id, content_sha=sha) for sha in shas)
            return row.id

    def ask(
        self,
        owner: UUID,
        version_id: UUID,
        request: TrainRequest,
        *,
        num_tokens: int,
        title: str = "Harbour",
        before_id: UUID | None = None,
    ) -> UUID:
        """Reserve minutes and queue a run, as the web does; returns the run's id."""
        config = resolve(request, num_tokens)
        probe = Probe(
            device="cpu",
            tokens_per_s=1_000,
            load_s=1,
            evaluate_s=1,
            judge_s=1,
            num_tokens=num_tokens,
            peak_bytes=0,
        )
        with Session(self.engine) as session, session.begin():
            told = quote(config, probe, cents_a_minute=2.0)
            assert reserve_minutes(session, owner, told.max_minutes)
            dataset_id = session.scalar(select(DatasetVersion.dataset_id).where(DatasetVersion.id == version_id))
            number = len(session.scalars(select(Run.id).where(Run.user_id == owner, Run.title == title)).all()) + 1
            run = Run(
                user_id=owner,
                dataset_id=dataset_id,
                version_id=version_id,
                before_id=before_id,
                title=title,
                number=number,
                request=request.model_dump(mode="json"),
                config=config.model_dump(mode="json"),
                quote=told.model_dump(mode="json"),
                minutes_reserved=told.max_minutes,
            )
            session.add(run)
            if not session.scalar(select(Probed.id).where(Probed.version_id == version_id)):
                session.add(
                    Probed(
                        user_id=owner,
                        version_id=version_id,
                        checkpoint=request.checkpoint,
                        phonemes=request.phonemes > 0,
                        probe=probe.model_dump(mode="json"),
                    )
                )
            session.flush()
            job = Job(user_id=owner, kind="train", request={"run_id": str(run.id)})
            session.add(job)
            session.flush()
            run.job_id = job.id
            defer(session, job)
            return run.id

    def run(self, run_id: UUID) -> Run:
        """The run as it is now."""
        with Session(self.engine, expire_on_commit=False) as session:
            return session.get_one(Run, run_id)

    def job(self, run_id: UUID) -> Job:
        """The run's job as it is now."""
        with Session(self.engine, expire_on_commit=False) as session:
            return session.scalars(select(Job).join(Run, Run.job_id == Job.id).where(Run.id == run_id)).one()

    def adapter(self, run_id: UUID) -> Adapter | None:
        """What the run has made."""
        with Session(self.engine, expire_on_commit=False) as session:
            return session.get(Adapter, run_id)

    def minutes_left(self, owner: UUID) -> int:
        """Of the builder's allowance."""
        with Session(self.engine) as session:
            return session.get_one(Account, owner).minutes_left

    def curve(self, run_id: UUID) -> Curve:
        """The steps that the run has told."""
        with Session(self.engine) as session:
            told = session.scalars(
                select(RunEvent)
                .where(RunEvent.run_id == run_id, RunEvent.kind == "step")
                .order_by(RunEvent.step, RunEvent.nth)
            ).all()
            return Curve([event.step for event in told], [event.payload["loss"] for event in told])

    def weights(self, run_id: UUID) -> bytes:
        """The adapter's tensors as they lie in the bucket, found by its manifest."""
        content = self.bucket.read(adapter_manifest_key(str(run_id)))
        manifest = AdapterManifest.model_validate_json(content)
        assert manifest.is_whole
        path = next(file.path for file in manifest.files if file.path.endswith(WEIGHTS))
        return self.bucket.read(adapter_key(str(run_id), path))

    def wait(self, run_id: UUID, is_so: Callable[[Job], bool], *, within_s: float = 300.0) -> Job:
        """Look at the run's job until something is so."""
        deadline = time.monotonic() + within_s
        while True:
            job = self.job(run_id)
            if is_so(job):
                return job
            if time.monotonic() > deadline:
                raise TimeoutError(f"the run stands still: {job.state}, {job.stage} {job.num_done}, {job.error}")
            time.sleep(POLL_S)

    def wait_for_step(self, run_id: UUID, step: int, *, after: UUID | None = None, within_s: float = 300.0) -> Job:
        """Until an attempt that does not come `after` has it and this step was told of, or the run is over."""
        return self.wait(
            run_id,
            lambda job: job.state.is_over or (job.attempt not in (None, after) and self.run(run_id).last_step >= step),
            within_s=within_s,
        )


def kill_often(
    yard: Yard, run_id: UUID, start: Callable[[], Killable], steps: Iterable[int], *, within_s: float
) -> list[int]:
    """Train with workers that are killed, each when the run has told of one of `steps`, and with one that is not.

    Returns the last step that was told at each kill.
    """
    killed_at: list[int] = []
    before: UUID | None = None
    for step in steps:
        worker = start()
        job = yard.wait_for_step(run_id, step, after=before, within_s=within_s)
        worker.kill()
        before = job.attempt
        if job.state.is_over:
            break
        killed_at.append(yard.run(run_id).last_step)
    worker = start()
    try:
        yard.wait(run_id, lambda job: job.state.is_over, within_s=within_s)
    finally:
        worker.kill()
    return killed_at


class TrainerProcess:
    """`python -m worker.gpu`."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        with log.open("ab") as writing:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "worker.gpu"], cwd=ROOT, env=environment, stdout=writing, stderr=writing
            )

    def kill(self) -> None:
        """At once."""
        self._process.kill()
        self._process.wait()


def measure(home: Path, bucket: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """The undisturbed run and the one under kills, on a Postgres of their own."""
    (home / "bucket").mkdir()
    (home / "bucket" / "checkpoints").symlink_to(bucket / "checkpoints", target_is_directory=True)
    with postgres.running(home / "postgres") as cluster:
        cluster.ensure_database("ghost")
        config = Config(ROOT / "alembic.ini")
        config.set_main_option("sqlalchemy.url", cluster.url("ghost").replace("%", "%%"))
        command.upgrade(config, "head")
        engine = create_engine(cluster.url("ghost"))
        yard = Yard(engine, LocalBucket(home / "bucket"))
        environment = os.environ | {"GHOST_HOME": str(home), "DATABASE_URL": cluster.url("ghost")}

        def start() -> TrainerProcess:
            return TrainerProcess(environment, home / "trainer.log")

        owner = yard.builder()
        texts = [song.text for song in CATALOGUE.songs if song.text][: arguments.songs]
        version_id = yard.freeze(owner, texts)
        num_tokens = sum(len(text.split()) for text in texts) * 7 // 5
        request = TrainRequest(
            checkpoint=arguments.checkpoint,
            effort=Effort.QUICK,
            advanced=Advanced(epochs=arguments.epochs, batch_tokens=512, num_evaluations=2),
        )
        most = num_steps(resolve(request, num_tokens), num_tokens)
        runs, seconds, killed_at = [], [], []
        for steps in ([], sorted(Random(arguments.seed).sample(range(2, most), arguments.kills))):
            began = time.monotonic()
            left = yard.minutes_left(owner)
            run_id = yard.ask(owner, version_id, request, num_tokens=num_tokens)
            killed_at = kill_often(yard, run_id, start, steps, within_s=arguments.patience)
            for step in killed_at:
                print(f"killed at step {step}", flush=True)
            seconds.append(time.monotonic() - began)
            assert yard.job(run_id).state is JobState.DONE, yard.job(run_id).error
            runs.append((run_id, left - yard.minutes_left(owner)))
        (calm, calm_minutes), (killed, killed_minutes) = runs
        curve, twin = yard.curve(calm), yard.curve(killed)
        return {
            "system": "ours",
            "checkpoint": arguments.checkpoint,
            "num_steps": len(curve.steps),
            "num_kills": len(killed_at),
            "killed_at": killed_at,
            "is_bit_equal": yard.weights(calm) == yard.weights(killed),
            "same_losses": curve.losses == twin.losses,
            "has_each_step_once": twin.steps == list(range(1, len(curve.steps) + 1)),
            "minutes_charged": [yard.run(run_id).minutes_charged for run_id, _ in runs],
            "minutes_taken": [calm_minutes, killed_minutes],
            "seconds": [round(each, 1) for each in seconds],
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bucket", default="", help="file:///...; that of `make run` if not told")
    parser.add_argument("--checkpoint", default="smollm2-135m-instruct")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--songs", type=int, default=60)
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--patience", type=float, default=1_800.0, help="seconds that one worker may take")
    parser.add_argument("--json", type=Path, help="append to this file")
    arguments = parser.parse_args()
    share_cores()
    bucket = Path((arguments.bucket or load_settings().bucket).removeprefix("file://"))
    with tempfile.TemporaryDirectory(prefix="ghost-kills-") as home:
        found = measure(Path(home), bucket, arguments)
    for name, value in found.items():
        print(f"{name:>20}  {value}")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        with arguments.json.open("a") as writing:
            writing.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
