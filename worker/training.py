"""The job that trains: a run's task goes to a child process, what the child says to the run, and its adapter to the
bucket.

A run is never lost: what the child has saved is known to the run as soon as all that was said before it is, and the
next attempt goes on from there. It is never paid twice: the bill is settled in the transaction in which it ends.
"""

from __future__ import annotations

import hashlib
import math
import re
import signal
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import Float, func, select, update
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from contracts.bucket import Bucket, BucketAway, open_bucket
from contracts.manifest import (
    MANIFEST,
    AdapterManifest,
    CheckpointManifest,
    DatasetManifest,
    FileEntry,
    adapter_key,
    adapter_manifest_key,
    attempt_folder,
    run_folder,
    weights_sha256,
)
from contracts.training import HANDED_BACK, REFUSED, TrainConfig, TrainEvent, TrainTask
from models import Adapter, Run, RunEvent
from models.run import Told, charge, tell
from training.card import completed
from worker import tasks
from worker.child import Child, command, environment
from worker.house import empty_folder
from worker.jobs import Attempt, Cancelled, Failed, Interrupted, Superseded

HEAR_S = 0.2
CANCEL_S = 5.0
"""So long a cancelled child may save its state."""
STOP_S = 9.0
"""The same where the worker ends: it has promised to be gone within ten seconds."""
DATABASE_AWAY_S = 60.0
"""So long the child trains on while Postgres is away: what it says is kept for then."""
SILENT_S = 1800.0
"""A child that has said nothing for so long hangs."""
MAX_DEATHS = 3
"""In a row, none of which has saved anything new."""
SAID_ANEW = frozenset({"log", "stage", "machine"})
"""Said by every attempt in its own way. All else an attempt says again as the one before has said it."""
_SAVED_STEP = re.compile(r"(\d+)/?$")

log = structlog.get_logger()


class Made(NamedTuple):
    """What a run has made, and out of what. `done` is the child's last word, `folder` where it worked."""

    run: Run
    config: TrainConfig
    version: DatasetManifest
    base: CheckpointManifest
    done: dict[str, Any]
    folder: Path


class Ended(NamedTuple):
    """How a child ended. `done` and `refused` are what it said of it, if it did."""

    status: int
    done: dict[str, Any] | None
    refused: dict[str, Any] | None


def train(attempt: Attempt) -> None:
    """The job. Begins with what earlier attempts have left: nothing, a state, or the adapter itself."""
    bucket = open_bucket(attempt.settings.bucket, emulator_host=attempt.settings.storage_emulator_host)
    with attempt.session() as session:
        run = session.scalars(select(Run).where(Run.job_id == attempt.job_id)).one_or_none()
        if run is None or run.deleted_at is not None:
            raise Failed("There is no run to this job any more.")
        is_made = session.get(Adapter, run.id) is not None
    with tasks.workplace(attempt, run.id) as folder:
        if not is_made:
            _make(attempt, bucket, run, folder)
        empty_folder(bucket, run_folder(run.id))


def end(session: Session, job_id: UUID) -> None:
    """What is due when a training's job ends: its bill. A run that is done has been charged with its adapter."""
    for run_id in session.scalars(select(Run.id).where(Run.job_id == job_id)):
        charge(session, run_id, is_done=False)


def _make(attempt: Attempt, bucket: Bucket, run: Run, folder: Path) -> None:
    config = TrainConfig.model_validate(run.config)
    attempt.report(stage="load", done=attempt.num_done, total=int(run.quote.get("num_steps") or 0) or None)
    base = tasks.base_of(bucket, config.checkpoint)
    version = tasks.frozen(attempt, bucket, run.version_id)
    before = _before(attempt, run, config)
    if run.resume_key and not list(bucket.keys(f"{run.resume_key}{MANIFEST}")):
        attempt.report(line="The last state is not there any more: it begins anew, and is not charged twice.")
        run.resume_key = ""
    teller = Teller(attempt, bucket, run)
    if run.resume_key:
        attempt.report(line=f"paused, resumed at step {saved_step(run.resume_key)}")
    deaths = 0
    for number in count(1):
        task = TrainTask(
            run_id=run.id,
            config=config,
            save_key=attempt_folder(run.id, attempt.id),
            resume_key=teller.resume_key,
            before=before,
            save_every_s=attempt.timing.save_s,
        )
        life = folder / f"life-{number}"
        tasks.write_task(attempt, bucket, version, task, life)
        resumed_from = teller.resume_key
        ended = _live(attempt, teller, life)
        if ended.refused is not None:
            if ended.refused.get("code") == "bucket_away":
                attempt.later(tasks.AWAY_S, tasks.AWAY)
            raise Failed(str(ended.refused["words"]))
        if ended.done is not None and ended.status == 0:
            _publish(attempt, bucket, Made(run, config, version, base, ended.done, life))
            return
        deaths = 1 if teller.resume_key != resumed_from else deaths + 1
        _report_death(attempt, ended.status, teller.resume_key)
        if ended.status > 0 and ended.status != HANDED_BACK:
            raise Failed(
                "The training broke off in a way we did not expect; the end of its log says where. Its last state is "
                "kept: resume it, and tell us if it stays so."
            )
        if deaths >= MAX_DEATHS:
            raise Failed(
                f"The training process was ended {deaths} times before it could save anything new, most likely for "
                "want of memory. Train with fewer tokens at once (max_len, batch_tokens), or with gradient "
                "checkpointing."
            )


def _live(attempt: Attempt, teller: Teller, folder: Path) -> Ended:
    """One life of a child, from its start to its end; what it said is stored.

    Raises:
        Interrupted: the job is to end; the child has.
        Failed: it hangs.
    """
    done: dict[str, Any] | None = None
    refused: dict[str, Any] | None = None
    asked: Interrupted | None = None
    has_spoken = has_stopped_early = False
    teller.begin()
    with Child(command(folder), environment(attempt.settings), folder) as child:
        while (events := child.hear(HEAR_S)) is not None:
            for event in events:
                has_spoken = True
                if event.kind == "done":
                    done = event.payload
                elif event.kind == "refused":
                    refused = event.payload
            is_first = asked is None
            if is_first:
                asked = _wish(attempt)
            if isinstance(asked, Superseded):
                raise asked
            if asked is not None and is_first:
                child.stop(CANCEL_S if isinstance(asked, Cancelled) else STOP_S)
            teller.hear(events)
            if teller.wants_early_stop and has_spoken and not has_stopped_early:
                child.tell(signal.SIGUSR1)  # not sooner: it has no ear for it before it speaks
                has_stopped_early = True
            if child.silent_s > SILENT_S:
                raise Failed(f"The training said nothing for {SILENT_S / 60:.0f} minutes: it hangs. Resume it.")
        status = child.status
        teller.flush(is_last=True)
        if asked is not None:
            raise asked
        if status not in (0, HANDED_BACK, REFUSED):
            for line in child.last_words():
                attempt.report(line=line)
    return Ended(status, done, refused)


def _publish(attempt: Attempt, bucket: Bucket, made: Made) -> None:
    """The adapter's files, then in one transaction, in which the run is ours, its row, its manifest and its bill."""
    run, folder = made.run, made.folder / str(made.done["folder"])
    attempt.report(stage="publish")
    files = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        attempt.check()
        path = f"{attempt.id}/{file.relative_to(folder).as_posix()}"
        files.append(FileEntry(path=path, size_bytes=file.stat().st_size, sha256=_sha256(file)))
        bucket.upload(adapter_key(str(run.id), path), file)
    with attempt.session() as session:
        charge(session, run.id, is_done=True)
        manifest = AdapterManifest(
            adapter_id=str(run.id),
            owner_id=run.user_id,
            title=run.title,
            number=run.number,
            base=made.config.checkpoint,
            base_sha256=weights_sha256(made.base),
            architecture=made.base.architecture,
            lora_rank=made.config.lora_rank,
            licence=made.base.licence,
            card=_card(session, made, attempt.settings.training_cents_a_minute),
            files=tuple(files),
        ).sealed()
        session.add(
            Adapter(
                id=run.id,
                user_id=run.user_id,
                title=run.title,
                number=run.number,
                base=manifest.base,
                bits_per_byte=_bits_per_byte(session, run.id),
                card=manifest.card,
                manifest=manifest.model_dump(mode="json"),
            )
        )
        session.flush()
        bucket.write(adapter_manifest_key(manifest.adapter_id), manifest.model_dump_json(indent=1).encode())
    kept = {adapter_key(manifest.adapter_id, file.path) for file in files} | {adapter_manifest_key(manifest.adapter_id)}
    for key in set(bucket.keys(adapter_key(manifest.adapter_id, ""))) - kept:
        bucket.delete(key)  # of an attempt that got as far as this, and no further


def _card(session: Session, made: Made, cents_a_minute: float) -> dict[str, Any]:
    """What the child could tell of its work, with what only we know: the version by name, and the bill."""
    version, run = made.version, made.run
    minutes = session.scalar(select(Run.minutes_charged).where(Run.id == run.id)) or 0
    return completed(
        made.done["card"],
        title=run.title,
        number=run.number,
        dataset={
            "name": version.name,
            "number": version.number,
            "dataset_id": str(version.dataset_id),
            "content_sha256": version.content_sha256,
        },
        price_cents=math.ceil(minutes * cents_a_minute),
        minutes=minutes,
    )


def _bits_per_byte(session: Session, run_id: UUID) -> float:
    """Of the adapter on the held-out songs: as the table at the end has it, else as the best evaluation."""
    table = RunEvent.payload["adapter"]["bits_per_byte"].astext.cast(Float)
    evaluated = RunEvent.payload["bits_per_byte"].astext.cast(Float)
    of_kind = (RunEvent.run_id == run_id, RunEvent.step > 0)
    found = session.scalar(
        select(table).where(RunEvent.run_id == run_id, RunEvent.kind == "table").order_by(RunEvent.step.desc()).limit(1)
    ) or session.scalar(select(func.min(evaluated)).where(*of_kind, RunEvent.kind == "validation"))
    if found is None:
        raise ValueError("the training has said nothing of how good its adapter is")
    return float(found)


def _before(attempt: Attempt, run: Run, config: TrainConfig) -> str:
    """The adapter to be compared with, if it can be: it must be there still, and on the same checkpoint."""
    if run.before_id is None:
        return ""
    with attempt.session() as session:
        before = session.get(Adapter, run.before_id)
    if before is None or before.deleted_at is not None or before.user_id != run.user_id:
        return ""
    if before.base != config.checkpoint:
        attempt.report(
            line=f"The version before was trained on {before.base}: compared is with the bare checkpoint alone."
        )
        return ""
    return str(before.id)


def _sha256(file: Path) -> str:
    with file.open("rb") as reading:
        return hashlib.file_digest(reading, "sha256").hexdigest()


def _wish(attempt: Attempt) -> Interrupted | None:
    try:
        attempt.check()
    except Interrupted as wish:
        return wish
    return None


def _report_death(attempt: Attempt, status: int, resume_key: str) -> None:
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    at = saved_step(resume_key)
    attempt.report(line=f"The training process ended ({how}); the last state is that of step {at}.")
    log.warning("training.ended", run_job=str(attempt.job_id), status=status)


def saved_step(key: str) -> int:
    """The step of a saved state, by its folder in the bucket.

    >>> saved_step("runs/7/9/step-000040/"), saved_step("")
    (40, 0)
    """
    found = _SAVED_STEP.search(key)
    return int(found.group(1)) if found else 0


class Teller:
    """Stores what a child says, in the order in which it says it, about twice a second."""

    def __init__(self, attempt: Attempt, bucket: Bucket, run: Run) -> None:
        self.resume_key = run.resume_key
        """The last state that the run knows of."""
        self.wants_early_stop = run.stop_early
        self._saved_key = run.resume_key
        self._attempt = attempt
        self._bucket = bucket
        self._run_id = run.id
        self._waiting: list[Told] = []
        self._told_at = 0.0
        self._away_since: float | None = None
        self._nths = Counter[tuple[str, int]]()
        with attempt.session() as session:
            said = session.execute(
                select(RunEvent.kind, func.max(RunEvent.nth))
                .where(RunEvent.run_id == run.id, RunEvent.kind.in_(SAID_ANEW))
                .group_by(RunEvent.kind)
            )
            self._nexts = Counter[str]({kind: last + 1 for kind, last in said})

    def begin(self) -> None:
        """A child begins to speak: at the state that was saved last."""
        self._nths.clear()

    def hear(self, events: Iterable[TrainEvent]) -> None:
        """Take what was said; a saved state is stored at once, all else when it is time."""
        has_saved = False
        for event in events:
            self._waiting.append(Told(event.kind, event.step, self._nth(event), event.payload))
            self._report(event)
            if event.kind == "saved":
                self._saved_key, has_saved = str(event.payload["key"]), True
        if has_saved or time.monotonic() - self._told_at >= self._attempt.timing.report_s:
            self.flush()

    def flush(self, *, is_last: bool = False) -> None:
        """Store what is waiting, and the key of the state that was saved last; hear whether to stop early.

        While Postgres is away all is kept for later, for some time and unless this is the last of it.

        Raises:
            Superseded: the run is another's; nothing was written.
        """
        self._told_at = time.monotonic()
        try:
            with self._attempt.session() as session:
                tell(session, self._run_id, self._waiting)
                if self._saved_key != self.resume_key:
                    session.execute(update(Run).where(Run.id == self._run_id).values(resume_key=self._saved_key))
                self.wants_early_stop = bool(session.scalar(select(Run.stop_early).where(Run.id == self._run_id)))
        except (OperationalError, InterfaceError):
            self._away_since = self._away_since or self._told_at
            if is_last or self._told_at - self._away_since > DATABASE_AWAY_S:
                raise
            return
        self._away_since = None
        self._waiting.clear()
        outlived, self.resume_key = self.resume_key, self._saved_key
        if outlived and outlived != self.resume_key:
            with suppress(BucketAway):  # all states go at the end
                empty_folder(self._bucket, outlived)

    def _nth(self, event: TrainEvent) -> int:
        if event.kind in SAID_ANEW:
            nth = self._nexts[event.kind]
            self._nexts[event.kind] += 1
            return nth
        nth = self._nths[event.kind, event.step]
        self._nths[event.kind, event.step] += 1
        return nth

    def _report(self, event: TrainEvent) -> None:
        attempt, said = self._attempt, event.payload
        with suppress(OperationalError, InterfaceError):  # it is written again, with what comes
            if event.kind == "stage":
                attempt.report(stage=str(said["stage"]), total=said.get("num_steps"))
            elif event.kind == "step":
                attempt.report(done=max(attempt.num_done, event.step))  # a step done again is no progress
            elif event.kind == "log":
                attempt.report(line=str(said["words"]))
