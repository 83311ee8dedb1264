"""The verbs of drift: whether songs have come to a dataset since it was frozen, and how far they are from the rest."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, literal, select
from sqlalchemy.dialects.postgresql import aggregate_order_by, insert
from sqlalchemy.orm import Session

from app import job
from app.dataset import own
from app.errors import Conflict, NotFound
from app.job import JobView
from corpus.drift import MIN_SONGS
from corpus.version import KEPT_LINES
from models import DatasetVersion, Drift, Song, VersionSong
from models.dataset import trainable


class DriftView(NamedTuple):
    """What is new in a dataset since its last version, and what was measured of it.

    `version_number` is None while nothing was frozen. `num_new` counts the songs that may train now and whose words no
    song of that version has; lines that were kept of a voice are no songs. `card` is a `corpus.drift.DriftCard`, the
    last that was measured: of `measured_new` songs against the version `measured_version`; `is_current` while nothing
    has changed since. `job` measures, or failed to. `cannot_measure` says why not, None when it can.
    """

    version_number: int | None
    num_new: int
    card: dict[str, Any] | None
    measured_version: int | None
    measured_new: int | None
    measured_at: datetime | None
    is_current: bool
    job: JobView | None
    cannot_measure: str | None


class _New(NamedTuple):
    """How many songs are new, and a mark that tells them from others."""

    number: int
    mark: str


def get(session: Session, user_id: UUID, dataset_id: UUID) -> DriftView:
    """What is new in a dataset of this person.

    Raises:
        NotFound: there is none, it is deleted, or it is somebody else's.
    """
    own(session, user_id, dataset_id)
    version = _last_version(session, dataset_id)
    new = _new_songs(session, dataset_id, version) if version else _New(0, "")
    measuring = _job(session, user_id, session.get(Drift, dataset_id, populate_existing=True))
    row = session.get(Drift, dataset_id, populate_existing=True)  # after its job: one that is done has left its card
    return DriftView(
        version_number=version.number if version else None,
        num_new=new.number,
        card=row.card if row else None,
        measured_version=row.version_number if row else None,
        measured_new=row.num_new if row else None,
        measured_at=row.created_at if row else None,
        is_current=bool(row and version and (row.version_number, row.new_mark) == (version.number, new.mark)),
        job=measuring,
        cannot_measure=_why_not(version, new),
    )


def measure(session: Session, user_id: UUID, dataset_id: UUID) -> DriftView:
    """Have the new songs compared with those of the last version. What is being measured is not measured twice.

    Raises:
        Conflict: there is nothing to compare, with the reason.
        TooMany: too many jobs are waiting.
    """
    own(session, user_id, dataset_id, lock=True)
    view = get(session, user_id, dataset_id)
    if view.job and not view.job.is_over:
        return view
    version = _last_version(session, dataset_id)
    if view.cannot_measure or version is None:
        raise Conflict(view.cannot_measure or "", code="nothing_to_measure")
    new = _new_songs(session, dataset_id, version)
    values = {
        "version_number": version.number,
        "num_new": new.number,
        "new_mark": new.mark,
        "job_id": job.start(session, user_id, dataset_id, job.DRIFT, {}).id,
        "card": None,
        "created_at": func.now(),
    }
    asked = insert(Drift).values(dataset_id=dataset_id, **values)
    session.execute(asked.on_conflict_do_update(index_elements=["dataset_id"], set_=values))
    return get(session, user_id, dataset_id)


def _last_version(session: Session, dataset_id: UUID) -> DatasetVersion | None:
    last = select(DatasetVersion).where(DatasetVersion.dataset_id == dataset_id, DatasetVersion.deleted_at.is_(None))
    return session.scalar(last.order_by(DatasetVersion.number.desc()).limit(1))


def _new_songs(session: Session, dataset_id: UUID, version: DatasetVersion) -> _New:
    held = select(VersionSong.content_sha).where(VersionSong.version_id == version.id)
    joined = func.string_agg(Song.content_sha, aggregate_order_by(literal(","), Song.content_sha))
    found = session.execute(
        select(
            func.count(Song.content_sha.distinct()).label("number"), func.md5(func.coalesce(joined, "")).label("mark")
        ).where(Song.dataset_id == dataset_id, trainable(), Song.source != KEPT_LINES, Song.content_sha.not_in(held))
    ).one()
    return _New(found.number, found.mark)


def _job(session: Session, user_id: UUID, row: Drift | None) -> JobView | None:
    if row is None or row.job_id is None:
        return None
    try:
        return job.get(session, user_id, row.job_id)
    except NotFound:
        return None


def _why_not(version: DatasetVersion | None, new: _New) -> str | None:
    if version is None:
        return "Nothing is frozen yet: new songs are compared with those of a version. Freeze one first."
    if not new.number:
        return f"No song is new since version {version.number}."
    counts, sources = version.manifest.get("counts", {}), version.manifest.get("sources", {})
    num_old = int(counts.get("songs", 0)) - int(sources.get(KEPT_LINES, 0))
    if min(num_old, new.number) < MIN_SONGS:
        return (
            f"To tell a change from chance it takes at least {MIN_SONGS} new songs, and as many in the version: there "
            f"are {new.number:,} new ones, and {num_old:,} in version {version.number}."
        )
    return None
