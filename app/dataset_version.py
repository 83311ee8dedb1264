"""The verbs of a dataset's versions: freeze, look at, compare, roll back, download, delete; and who holds a song.

A version is in the bucket and never changes; rolling back changes the dataset, and can be undone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app import change, dataset, job, store
from app.dataset import own, touch
from app.errors import BadInput, Conflict, NotFound
from app.job import JobView
from app.song import sha_of
from contracts.bucket import Bucket, NoSuchKey
from contracts.manifest import DatasetManifest, dataset_manifest_key
from corpus import version
from corpus.version import KINDS, FrozenSong, Torn, VersionDiff
from models import Dataset, DatasetVersion, Job, Rights, Run, Song, SongState, VersionSong
from models.job import OPEN_STATES

_MIME = {"txt": "text/plain", "jsonl": "application/x-ndjson", "zip": "application/zip"}
_NO_SUCH = "This dataset has no such version."
_FROZEN = (
    "artist", "title", "text", "content_sha", "original", "state", "is_dropped", "source", "url", "rights",
    "rights_note", "rights_at", "rights_by", "language", "is_explicit", "duplicate_of",
    "prompt",
)  # fmt: skip


class VersionView(NamedTuple):
    """A version as its manifest tells it. `counts` has `songs`, `lines`, `words`; `splits`, `sources`, `rights` and
    `languages` count songs."""

    number: int
    content_sha256: str
    created_at: datetime
    counts: dict[str, int]
    splits: dict[str, int]
    sources: dict[str, int]
    rights: dict[str, int]
    languages: dict[str, int]
    rules_off: list[str]
    statistics: dict[str, Any]
    size_bytes: int


class Download(NamedTuple):
    """A version as a file. `pieces` were checked before the first is given out."""

    file_name: str
    mime_type: str
    pieces: Iterator[bytes]


class Holder(NamedTuple):
    """A version that holds a song, and whose it is."""

    user_id: UUID
    dataset_id: UUID
    dataset_name: str
    number: int
    is_deleted: bool


class Changed(NamedTuple):
    """What rolling back did to the dataset."""

    restored: int
    brought_back: int
    dropped: int


def freeze(session: Session, user_id: UUID, dataset_id: UUID) -> JobView:
    """Have the songs that may train frozen into a new version.

    Raises:
        Conflict: there are none, with the reason; or a version is being frozen already.
    """
    view = dataset.get(session, user_id, dataset_id)
    if view.cannot_freeze:
        raise Conflict(view.cannot_freeze, code="nothing_trainable")
    own(session, user_id, dataset_id, lock=True)  # two that ask at once are told apart by the row
    if job.has_open(session, dataset_id, job.FREEZE):
        raise Conflict("A version of this dataset is being frozen already.", code="freezing")
    return job.start(session, user_id, dataset_id, job.FREEZE, {})


def find(session: Session, user_id: UUID, dataset_id: UUID) -> list[VersionView]:
    """All versions, the newest first."""
    own(session, user_id, dataset_id)
    rows = session.scalars(
        select(DatasetVersion)
        .where(DatasetVersion.dataset_id == dataset_id, DatasetVersion.deleted_at.is_(None))
        .order_by(DatasetVersion.number.desc())
    )
    return [_view(row) for row in rows]


def get(session: Session, user_id: UUID, dataset_id: UUID, number: int) -> VersionView:
    """One version.

    Raises:
        NotFound: there is none, it is deleted, or the dataset is somebody else's.
    """
    return _view(own_version(session, user_id, dataset_id, number))


def check(session: Session, user_id: UUID, dataset_id: UUID, number: int) -> VersionView:
    """One version, once every byte of it was compared with its checksums.

    Raises:
        Conflict: a byte is not as it was frozen; the message names the shard.
    """
    row = own_version(session, user_id, dataset_id, number)
    with _opened() as bucket:
        found = version.check(bucket, dataset_manifest_key(dataset_id, number))
        if found.content_sha256 != row.content_sha256:
            raise Torn(dataset_manifest_key(dataset_id, number))
    return _view(row)


def diff(session: Session, user_id: UUID, dataset_id: UUID, number: int, other: int) -> VersionDiff:
    """What version `other` has, lacks and holds differently, seen from version `number`."""
    own_version(session, user_id, dataset_id, number)
    own_version(session, user_id, dataset_id, other)
    with _opened() as bucket:
        return version.diff(_songs(bucket, dataset_id, number), _songs(bucket, dataset_id, other))


def restore(session: Session, user_id: UUID, dataset_id: UUID, number: int) -> Changed:
    """Make the dataset hold the songs of a version again, as they were; songs that it did not hold are dropped.

    Can be undone. The version stays what it is.
    """
    found = own_version(session, user_id, dataset_id, number)
    row = own(session, user_id, dataset_id, lock=True)
    with _opened() as bucket:
        frozen = {song.key: song for song in _songs(bucket, dataset_id, number)}
    songs = {song.track_key: song for song in session.scalars(select(Song).where(Song.dataset_id == dataset_id))}
    before: list[tuple[UUID, dict[str, Any]]] = []
    num_restored = num_dropped = 0
    for key, song in songs.items():
        if key in frozen:
            was = {name: getattr(song, name) for name in _FROZEN}
            _put_back(song, frozen[key])
            changed = {name: value for name, value in was.items() if getattr(song, name) != value}
            num_restored += bool(changed)
        else:
            changed = {} if song.is_dropped else {"is_dropped": False}
            song.is_dropped = True
            num_dropped += bool(changed)
        if changed:
            before.append((song.id, changed))
    added = _add_missing(session, dataset_id, [song for key, song in frozen.items() if key not in songs])
    rules_off = list(row.rules_off)
    row.rules_off = list(found.manifest.get("rules_off", rules_off))
    change.remember(session, row, f"Went back to version {number}", before, rules_off=rules_off, added=added)
    touch(row)
    session.flush()
    return Changed(num_restored, len(added), num_dropped)


def delete(session: Session, user_id: UUID, dataset_id: UUID, number: int) -> None:
    """Delete a version for good: out of the bucket too. Its number is not given again.

    Voices that were trained on it stay, and their cards tell of it.

    Raises:
        Conflict: a training that has not ended reads it.
    """
    row = own_version(session, user_id, dataset_id, number)
    reads = select(Run.id).join(Job, Job.id == Run.job_id).where(Run.version_id == row.id, Job.state.in_(OPEN_STATES))
    if session.scalar(reads.limit(1)):
        raise Conflict("A voice is being trained on this version: cancel the training first.", code="version_in_use")
    gone = update(DatasetVersion).where(DatasetVersion.id == row.id, DatasetVersion.deleted_at.is_(None))
    if session.execute(gone.values(deleted_at=datetime.now(UTC)).returning(DatasetVersion.id)).first() is None:
        raise NotFound(_NO_SUCH)  # another request was first
    with store.bucket() as bucket:
        version.remove(bucket, dataset_id, number)


def download(session: Session, user_id: UUID, dataset_id: UUID, number: int, kind: str) -> Download:
    """A version as text, JSON lines, or an archive of both with the manifest.

    Raises:
        BadInput: no such kind.
        Conflict: a byte is not as it was frozen.
    """
    chosen = next((known for known in KINDS if known == kind), None)
    if chosen is None:
        raise BadInput(f"Versions can be had as {', '.join(KINDS)}.", code="unknown_kind", field="as")
    own_version(session, user_id, dataset_id, number)
    name = version.safe_file_name(own(session, user_id, dataset_id).name)
    with _opened() as bucket:
        pieces = version.export(bucket, dataset_manifest_key(dataset_id, number), chosen)
    return Download(f"{name} v{number}.{chosen}", _MIME[chosen], pieces)


def holders(session: Session, content_sha: str) -> list[Holder]:
    """All versions, of anybody, that hold a text: what a takedown has to look at. For operators alone.

    `content_sha` is the SHA-256 of the clean text (`app.song.sha_of`); deleted versions are named too.
    """
    rows = session.execute(
        select(
            Dataset.user_id,
            DatasetVersion.dataset_id,
            Dataset.name,
            DatasetVersion.number,
            DatasetVersion.deleted_at.is_not(None).label("is_deleted"),
        )
        .select_from(VersionSong)
        .join(DatasetVersion, DatasetVersion.id == VersionSong.version_id)
        .join(Dataset, Dataset.id == DatasetVersion.dataset_id)
        .where(VersionSong.content_sha == content_sha)
        .order_by(DatasetVersion.created_at, DatasetVersion.id)
    )
    return [Holder(row.user_id, row.dataset_id, row.name, row.number, row.is_deleted) for row in rows]


def holding(session: Session, user_id: UUID, dataset_id: UUID, song_id: UUID) -> list[int]:
    """Which versions of its dataset hold a song as it reads now; by number, the oldest first."""
    own(session, user_id, dataset_id)
    song = session.get(Song, song_id)
    if song is None or song.dataset_id != dataset_id:
        raise NotFound("There is no such song in this dataset.")
    return list(
        session.scalars(
            select(DatasetVersion.number)
            .join(VersionSong, VersionSong.version_id == DatasetVersion.id)
            .where(
                VersionSong.content_sha == song.content_sha,
                DatasetVersion.dataset_id == dataset_id,
                DatasetVersion.deleted_at.is_(None),
            )
            .order_by(DatasetVersion.number)
        )
    )


@contextmanager
def _opened() -> Iterator[Bucket]:
    """The bucket, with what is wrong with a version said in its owner's words."""
    try:
        with store.bucket() as bucket:
            yield bucket
    except (Torn, NoSuchKey) as error:
        what = str(error) if isinstance(error, Torn) else f"{error.key} is gone. Freeze the dataset again."
        raise Conflict(f"This version cannot be opened: {what}", code="version_torn") from None


def _songs(bucket: Bucket, dataset_id: UUID, number: int) -> Iterator[FrozenSong]:
    return version.read(bucket, dataset_manifest_key(dataset_id, number))


def own_version(session: Session, user_id: UUID, dataset_id: UUID, number: int) -> DatasetVersion:
    """The row of a version.

    Raises:
        NotFound: there is none, it is deleted, or the dataset is somebody else's.
    """
    own(session, user_id, dataset_id)
    row = session.scalar(
        select(DatasetVersion).where(
            DatasetVersion.dataset_id == dataset_id,
            DatasetVersion.number == number,
            DatasetVersion.deleted_at.is_(None),
        )
    )
    if row is None:
        raise NotFound(_NO_SUCH)
    return row


def _view(row: DatasetVersion) -> VersionView:
    manifest = DatasetManifest.model_validate(row.manifest)
    return VersionView(
        number=row.number,
        content_sha256=row.content_sha256,
        created_at=row.created_at,
        counts=manifest.counts,
        splits=manifest.splits,
        sources=manifest.sources,
        rights=manifest.rights,
        languages=manifest.languages,
        rules_off=list(manifest.rules_off),
        statistics=manifest.statistics,
        size_bytes=sum(file.size_bytes for file in manifest.files),
    )


def _put_back(song: Song, frozen: FrozenSong) -> None:
    """Make a song what it was. Its original stays when the words are the same: cleaning it once more is harmless."""
    if song.text != frozen.text:
        song.original = song.text = frozen.text
    song.content_sha = sha_of(frozen.text)
    song.artist, song.title, song.source, song.url = frozen.artist, frozen.title, frozen.source, frozen.url
    song.state, song.is_dropped, song.duplicate_of = SongState.FOUND, False, None
    song.rights, song.rights_note = Rights(frozen.rights), frozen.rights_note
    song.rights_at = datetime.fromisoformat(frozen.attested_at) if frozen.attested_at else None
    song.rights_by = UUID(frozen.attested_by) if frozen.attested_by else None
    song.language, song.is_explicit = frozen.language or None, frozen.is_explicit
    song.prompt = frozen.prompt


def _add_missing(session: Session, dataset_id: UUID, frozen: list[FrozenSong]) -> list[UUID]:
    last = session.scalar(select(func.max(Song.position)).where(Song.dataset_id == dataset_id))
    added: list[UUID] = []
    for position, record in enumerate(frozen, start=0 if last is None else last + 1):
        song = Song(id=uuid4(), dataset_id=dataset_id, position=position, track_key=record.key)
        _put_back(song, record)
        session.add(song)
        added.append(song.id)
    return added
