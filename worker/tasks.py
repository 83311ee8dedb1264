"""What a training process is given: a folder with the songs of a frozen version and the task; and what is due to it.

The songs are checked on the way: by checksum against what was frozen, and against the rights of today.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.bucket import Bucket, BucketAway, NoSuchKey
from contracts.manifest import CheckpointManifest, DatasetManifest, checkpoint_manifest_key, dataset_manifest_key
from contracts.settings import Settings
from contracts.training import TrainTask
from corpus import version
from corpus.version import Torn
from models import Dataset, DatasetVersion, Job
from models.dataset import num_taken_back
from worker.jobs import Attempt, Failed

RUNS = "runs"
TASK = "task.json"
AWAY_S = 15.0
AWAY = "The files of this server are out of reach just now. We go on by ourselves."
FULL = "The disk of this server is full. What was done is kept: resume this once there is room."
TRAINABLE = frozenset({"mine", "licensed", "public_domain"})
PAGE = 200


def frozen(attempt: Attempt, bucket: Bucket, version_id: UUID | None) -> DatasetManifest:
    """The version, when all that was frozen may still be trained on.

    Raises:
        Failed: it is gone, altered, or some of its songs were taken back.
    """
    gone = "The version to train on is not there any more. Freeze the dataset again, and train on the new version."
    with attempt.session() as session:
        row = session.execute(
            select(DatasetVersion.dataset_id, DatasetVersion.number, DatasetVersion.content_sha256)
            .join(Dataset, Dataset.id == DatasetVersion.dataset_id)
            .where(DatasetVersion.id == version_id, DatasetVersion.deleted_at.is_(None), Dataset.deleted_at.is_(None))
        ).first()
        taken_back = num_taken_back(session, version_id) if row and version_id else 0
    if row is None:
        raise Failed(gone)
    if taken_back:
        what = "1 song of this version" if taken_back == 1 else f"{taken_back} songs of this version"
        raise Failed(
            f"{what} may not train any more: dropped, changed or removed since, or the rights were taken back. Freeze "
            "the dataset again, and train on the new version."
        )
    try:
        manifest = version.read_manifest(bucket, dataset_manifest_key(row.dataset_id, row.number))
    except NoSuchKey:
        raise Failed(gone) from None
    except Torn as error:
        raise Failed(str(error)) from None
    if manifest.content_sha256 != row.content_sha256:
        raise Failed(str(Torn(dataset_manifest_key(row.dataset_id, row.number))))
    return manifest


def base_of(bucket: Bucket, checkpoint: str) -> CheckpointManifest:
    """The checkpoint to train on.

    Raises:
        Failed: it is not in the bucket.
    """
    try:
        return CheckpointManifest.model_validate_json(bucket.read(checkpoint_manifest_key(checkpoint)))
    except (NoSuchKey, ValueError):
        raise Failed(
            f"The checkpoint {checkpoint!r} is not there, or its manifest cannot be read. Choose another one, or add "
            "it again with `ghost checkpoints add`."
        ) from None


def write_task(attempt: Attempt, bucket: Bucket, manifest: DatasetManifest, task: TrainTask, folder: Path) -> None:
    """Put songs and task into a new folder.

    Raises:
        Failed: a song is altered, or by no right that may train.
    """
    folder.mkdir(parents=True)
    try:
        with (folder / task.songs).open("wb") as writing:
            for number, song in enumerate(version.songs_of(bucket, manifest)):
                if song.rights not in TRAINABLE:
                    raise Failed(f"“{song.title}” may not be trained on: nobody has stated by what right it is used.")
                writing.write(song.as_line() + b"\n")
                if number % PAGE == 0:
                    attempt.check()
    except Torn as error:
        raise Failed(str(error)) from None
    (folder / TASK).write_text(task.model_dump_json(indent=1))


@contextmanager
def workplace(attempt: Attempt, owner_id: UUID) -> Iterator[Path]:
    """Where this attempt works on this machine: a folder, not made yet, that is gone afterwards.

    Turns what only the machine can help into words: a bucket that is away, a disk that is full.
    """
    folder = attempt.settings.home / RUNS / str(owner_id) / str(attempt.id)
    try:
        yield folder
    except (OSError, BucketAway) as error:
        cause = error.__cause__ if isinstance(error, BucketAway) else error
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise Failed(FULL) from None
        if isinstance(error, BucketAway):
            attempt.later(AWAY_S, AWAY)
        raise
    finally:
        _remove(folder)


def sweep(session: Session, settings: Settings) -> int:
    """Remove the folders of attempts that nobody makes any more; returns how many."""
    folders = {}
    for folder in (settings.home / RUNS).glob("*/*"):
        try:
            folders[UUID(folder.name)] = folder
        except ValueError:
            continue
    alive = set(session.scalars(select(Job.attempt).where(Job.attempt.in_(folders))))
    for attempt_id, folder in folders.items():
        if attempt_id not in alive:
            _remove(folder)
    return len(folders.keys() - alive)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # another attempt has its folder there
        folder.parent.rmdir()
