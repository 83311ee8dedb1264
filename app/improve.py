"""The verb that closes the loop: what was kept of a voice becomes songs of its dataset, to train its next version on.

Kept lines come in as their writer left them, by the right that the writer states here, with what stood before them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app import change, dataset, dataset_version
from app.errors import BadInput, Conflict, NotFound
from app.feedback import same_title
from app.job import JobView
from app.song import sha_of
from corpus.cleaning import clean
from corpus.tongue import language
from corpus.version import KEPT_LINES
from lyrics.explicit import is_explicit
from models import Adapter, Dataset, Feedback, Rights, Run, Song, SongState, Verdict
from models.dataset import track_key

NOTE = "Written with a voice, and kept"


class Improved(NamedTuple):
    """What was done: so many kept lines went into this dataset, and the job freezes them into its next version."""

    dataset_id: UUID
    job: JobView
    kept: int


class Prospect(NamedTuple):
    """What there is to improve a voice with; `why_not` says in words why nothing can be done now, None when it can."""

    dataset_id: UUID | None
    dataset_name: str
    unused: int
    why_not: str | None


def prospect(session: Session, user_id: UUID, adapter_id: UUID) -> Prospect:
    """What `improve` would do.

    Raises:
        NotFound: there is no such adapter of this person.
    """
    _own(session, user_id, adapter_id)
    row = _dataset_of(session, user_id, adapter_id)
    unused = len(_unused(session, user_id, adapter_id))
    return Prospect(row.id if row else None, row.name if row else "", unused, _why_not(row, unused))


def improve(session: Session, user_id: UUID, adapter_id: UUID, *, attest: bool) -> Improved:
    """Put the kept lines of an adapter's title into its dataset, and have the next version frozen.

    `attest`: the writer says that the kept lines are theirs to train on. Who said so, and when, is kept with them.

    Raises:
        NotFound: there is no such adapter of this person.
        BadInput: not attested.
        Conflict: nothing is kept that is not in a dataset yet, or there is no dataset to put it into.
        AllowanceSpent: the dataset is full.
    """
    _own(session, user_id, adapter_id)
    if not attest:
        raise BadInput(
            "Say that the lines you kept are yours to train on: send `attest` as true. Your name and the time are kept "
            "with them.",
            code="not_attested",
            field="attest",
        )
    row = _dataset_of(session, user_id, adapter_id)
    if row is not None:
        row = dataset.own(session, user_id, row.id, lock=True)
    kept = _unused(session, user_id, adapter_id, lock=True)
    why_not = _why_not(row, len(kept))
    if row is None or why_not:
        raise Conflict(why_not or "", code="nothing_to_improve")
    dataset.check_songs_fit(session, row.id, len(kept))
    added = _add(session, user_id, row, kept)
    change.remember(session, row, f"Brought in {_lines(len(added))}", added=added)
    # What was rejected has been heard by then, too: the next version's feedback begins anew.
    session.execute(
        update(Feedback)
        .where(
            Feedback.user_id == user_id,
            Feedback.voice.in_(same_title(session, user_id, str(adapter_id))),
            Feedback.used_at.is_(None),
        )
        .values(used_at=func.now())
    )
    dataset.touch(row)
    session.flush()
    return Improved(row.id, dataset_version.freeze(session, user_id, row.id), len(added))


def _own(session: Session, user_id: UUID, adapter_id: UUID) -> None:
    adapter = session.get(Adapter, adapter_id)
    if adapter is None or adapter.user_id != user_id or adapter.deleted_at is not None:
        raise NotFound("There is no such adapter of yours.")


def _dataset_of(session: Session, user_id: UUID, adapter_id: UUID) -> Dataset | None:
    return session.scalar(
        select(Dataset)
        .join(Run, Run.dataset_id == Dataset.id)
        .where(Run.id == adapter_id, Dataset.user_id == user_id, Dataset.deleted_at.is_(None))
    )


def _unused(session: Session, user_id: UUID, adapter_id: UUID, *, lock: bool = False) -> list[Feedback]:
    query = (
        select(Feedback)
        .where(
            Feedback.user_id == user_id,
            Feedback.voice.in_(same_title(session, user_id, str(adapter_id))),
            Feedback.verdict == Verdict.KEPT,
            Feedback.used_at.is_(None),
        )
        .order_by(Feedback.created_at, Feedback.id)
    )
    return list(session.scalars(query.with_for_update() if lock else query))


def _why_not(row: Dataset | None, num_kept: int) -> str | None:
    if row is None:
        return (
            "The dataset that this voice was trained on is gone: bring it back, or train on another, and keep lines "
            "of that voice."
        )
    if not num_kept:
        return "No line is kept that is not in the dataset already: keep some in the studio, or at a session of cards."
    return None


def _add(session: Session, user_id: UUID, row: Dataset, kept: list[Feedback]) -> list[UUID]:
    """The kept lines as songs: each by itself, so that each can be dropped, edited and taken back like any other."""
    now, off = datetime.now(UTC), frozenset(row.rules_off)
    last = session.scalar(select(func.max(Song.position)).where(Song.dataset_id == row.id))
    title = f"Kept lines, {now:%d %B %Y}"
    added: list[UUID] = []
    for number, item in enumerate(kept, start=1):
        text = clean(item.text, off).text
        if not text.strip():
            continue
        song = Song(
            id=uuid4(),
            dataset_id=row.id,
            position=(-1 if last is None else last) + number,
            track_key=track_key("kept", str(item.id)),
            title=f"{title}, {number}",
            state=SongState.FOUND,
            source=KEPT_LINES,
            original=item.text,
            text=text,
            content_sha=sha_of(text),
            prompt=item.prompt,
            rights=Rights.MINE,
            rights_note=NOTE,
            rights_at=now,
            rights_by=user_id,
            language=language(text)[0],
            is_explicit=is_explicit(text),
        )
        session.add(song)
        added.append(song.id)
    return added


def _lines(count: int) -> str:
    return "1 kept line" if count == 1 else f"{count:,} kept lines"
