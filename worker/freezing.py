"""The job that freezes a dataset: its trainable songs become a version in the bucket, and a row that names it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from contracts.bucket import BucketAway, open_bucket
from contracts.manifest import DatasetManifest
from corpus import version
from corpus.statistics import statistics
from corpus.version import FrozenSong
from models import Dataset, DatasetVersion, Song, VersionSong
from models.dataset import trainable
from worker.jobs import Attempt, Failed
from worker.tidying import PAGE, compare, rules_off

FREEZING, MEASURING = "freezing", "measuring"
AWAY_S = 15.0
SHAS_A_STATEMENT = 5_000
NOTHING = (
    "No song of this dataset may train a voice yet: a song has to be found, kept, no copy of another, and its rights "
    "stated. State the rights of some songs, then freeze again."
)


def freeze(attempt: Attempt) -> None:
    """The job. Copies are told anew first: two versions of one song must not stand on both sides of the split."""
    off = rules_off(attempt)
    with attempt.session() as session:
        if session.get(DatasetVersion, attempt.job_id) is not None:
            return  # an attempt before this one was through, and could not say so any more
    compare(attempt)
    try:
        _freeze(attempt, off)
    except BucketAway:
        attempt.later(AWAY_S, "The files of this server are out of reach just now. We go on by ourselves.")


def _freeze(attempt: Attempt, off: frozenset[str]) -> None:
    dataset_id = _dataset_id(attempt)
    bucket = open_bucket(attempt.settings.bucket, emulator_host=attempt.settings.storage_emulator_host)
    with attempt.session() as session:
        name = session.scalars(select(Dataset.name).where(Dataset.id == dataset_id)).one()
        # Deleted versions keep their number: what was trained on v2 must never mean another v2.
        most = session.scalar(select(func.max(DatasetVersion.number)).where(DatasetVersion.dataset_id == dataset_id))
    number = (most or 0) + 1
    shas: set[bytes] = set()
    attempt.report(stage=FREEZING, done=0, total=None)
    manifest = version.freeze(
        _trainable(attempt, shas), bucket=bucket, dataset_id=dataset_id, number=number, name=name, rules_off=off
    )
    if not manifest.counts["songs"]:
        raise Failed(NOTHING)
    attempt.check()
    attempt.report(stage=MEASURING, done=0, total=manifest.counts["songs"])
    measured = statistics(_texts(attempt, version.songs_of(bucket, manifest)))
    manifest = manifest.model_copy(update={"statistics": measured.model_dump(mode="json")}).sealed()
    _publish(attempt, manifest, shas)


def _publish(attempt: Attempt, manifest: DatasetManifest, shas: set[bytes]) -> None:
    """Manifest and row in one transaction, in which the job is ours: a late attempt cannot put its own over it."""
    bucket = open_bucket(attempt.settings.bucket, emulator_host=attempt.settings.storage_emulator_host)
    with attempt.session() as session:
        session.add(
            DatasetVersion(
                id=attempt.job_id,
                dataset_id=manifest.dataset_id,
                number=manifest.number,
                content_sha256=manifest.content_sha256,
                manifest=manifest.model_dump(mode="json"),
            )
        )
        session.flush()
        rows = [{"version_id": attempt.job_id, "content_sha": sha.hex()} for sha in sorted(shas)]
        for start in range(0, len(rows), SHAS_A_STATEMENT):
            session.execute(insert(VersionSong), rows[start : start + SHAS_A_STATEMENT])
        version.publish(bucket, manifest)


def _trainable(attempt: Attempt, shas: set[bytes]) -> Iterator[FrozenSong]:
    """The songs as they are at one moment; notes the hashes of their words."""
    query = select(Song).where(Song.dataset_id == attempt.dataset_id, trainable())
    num_done = 0
    with attempt.session() as session:
        # One statement sees one moment; its rows come page by page.
        columns = [getattr(Song, name) for name in _COLUMNS]
        for row in session.execute(query.with_only_columns(*columns), execution_options={"yield_per": PAGE}):
            shas.add(hashlib.sha256(row.text.encode()).digest())
            yield FrozenSong(
                key=row.track_key,
                artist=row.artist,
                title=row.title,
                text=row.text,
                source=row.source,
                url=row.url,
                rights=row.rights.value,
                rights_note=row.rights_note,
                attested_by=str(row.rights_by or ""),
                attested_at=row.rights_at.isoformat() if row.rights_at else "",
                language=row.language or "",
                is_explicit=bool(row.is_explicit),
                prompt=row.prompt,
            )
            num_done += 1
            if num_done % PAGE == 0:
                attempt.check()


_COLUMNS = (
    "track_key", "artist", "title", "text", "source", "url", "rights", "rights_note", "rights_by", "rights_at",
    "language", "is_explicit", "prompt",
)  # fmt: skip


def _texts(attempt: Attempt, songs: Iterator[FrozenSong]) -> Iterator[str]:
    for num_done, song in enumerate(songs):
        if num_done % PAGE == 0:
            attempt.check()
            attempt.report(done=num_done)
        yield song.text


def _dataset_id(attempt: Attempt) -> UUID:
    if attempt.dataset_id is None:
        raise Failed("There is no dataset to freeze.")
    return attempt.dataset_id
