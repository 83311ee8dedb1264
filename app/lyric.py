"""The verbs of a lyric: make, find, save, put aside, restore, delete and bring back.

A save names the revision it started from. When that is no longer the newest, nothing is overwritten: the writer's
text is put aside as a version and the caller learns both.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy import delete as delete_rows
from sqlalchemy.orm import Session

from app.errors import AllowanceSpent, Conflict, NotFound
from app.plain_text import checked_line, checked_text
from models import Account, Lyric, LyricVersion, VersionReason
from models.lyric import put_aside, save_if_current

MAX_TEXT_CHARS = 200_000
MAX_TITLE_CHARS = 200
VERSION_EVERY = timedelta(minutes=5)
MAX_VERSIONS = 200


class LyricView(NamedTuple):
    """A lyric, whole."""

    id: UUID
    title: str
    text: str
    revision: int
    created_at: datetime
    updated_at: datetime


class LyricSummary(NamedTuple):
    """A lyric as the library lists it."""

    id: UUID
    title: str
    first_line: str
    updated_at: datetime


class VersionView(NamedTuple):
    """What a lyric once said."""

    id: UUID
    revision: int
    title: str
    text: str
    reason: str
    created_at: datetime


class LyricChanged(Conflict):
    """The save started from an old revision; `current` is what stands there now."""

    code = "lyric_changed"

    def __init__(self, current: LyricView) -> None:
        super().__init__(
            "This lyric was changed in another window. Your text was put aside as a version; nothing was overwritten."
        )
        self.current = current


def create(session: Session, writer_id: UUID, title: str = "", text: str = "") -> LyricView:
    """A new lyric.

    Raises:
        AllowanceSpent: the writer has as many as the plan holds.
    """
    title, text = _checked(title, text)
    _check_room(session, writer_id)
    lyric = Lyric(user_id=writer_id, title=title, text=text)
    session.add(lyric)
    session.flush()
    session.refresh(lyric)
    return _view(lyric)


def get(session: Session, writer_id: UUID, lyric_id: UUID) -> LyricView:
    """One lyric of this writer.

    Raises:
        NotFound: there is none, it is deleted, or it is somebody else's.
    """
    return _view(_own(session, writer_id, lyric_id))


def find(session: Session, writer_id: UUID, *, limit: int = 500) -> list[LyricSummary]:
    """This writer's lyrics, the last touched first."""
    return _summaries(session, writer_id, Lyric.deleted_at.is_(None), limit)


def deleted(session: Session, writer_id: UUID, *, limit: int = 10) -> list[LyricSummary]:
    """What `undelete` could bring back, the last touched first."""
    return _summaries(session, writer_id, Lyric.deleted_at.is_not(None), limit)


def save(
    session: Session,
    writer_id: UUID,
    lyric_id: UUID,
    *,
    title: str | None = None,
    text: str | None = None,
    revision: int | None = None,
) -> LyricView:
    """Save what is given; `revision` None means: whatever stands there now.

    Raises:
        LyricChanged: `revision` is no longer the newest; the text given is kept as a version.
    """
    lyric = _own(session, writer_id, lyric_id)
    new_title, new_text = _checked(lyric.title if title is None else title, lyric.text if text is None else text)
    if (new_title, new_text) == (lyric.title, lyric.text):
        return _view(lyric)
    if revision is None:
        session.refresh(lyric, with_for_update=True)
        revision = lyric.revision
    if revision == lyric.revision:
        _put_aside_now_and_then(session, lyric, new_text)
    if save_if_current(session, lyric, title=new_title, text=new_text, revision=revision):
        return _view(lyric)
    _put_aside(session, lyric, new_title, new_text, VersionReason.CONFLICT)
    session.commit()  # the error that follows must not take the writer's text with it
    raise LyricChanged(_view(lyric))


def keep_version(session: Session, writer_id: UUID, lyric_id: UUID, reason: VersionReason) -> None:
    """Put aside what the lyric says now."""
    lyric = _own(session, writer_id, lyric_id)
    _put_aside(session, lyric, lyric.title, lyric.text, reason)


def delete(session: Session, writer_id: UUID, lyric_id: UUID) -> None:
    """Hide a lyric; `undelete` brings it back for 30 days."""
    _own(session, writer_id, lyric_id).deleted_at = datetime.now(UTC)


def undelete(session: Session, writer_id: UUID, lyric_id: UUID) -> LyricView:
    """Bring a deleted lyric back.

    Raises:
        AllowanceSpent: the library is full by now.
    """
    lyric = _own(session, writer_id, lyric_id, deleted=True)
    _check_room(session, writer_id)
    lyric.deleted_at = None
    session.flush()
    return _view(lyric)


def versions(session: Session, writer_id: UUID, lyric_id: UUID) -> list[VersionView]:
    """What the lyric said before, the newest first."""
    lyric = _own(session, writer_id, lyric_id)
    rows = session.scalars(
        select(LyricVersion)
        .where(LyricVersion.lyric_id == lyric.id)
        .order_by(LyricVersion.created_at.desc(), LyricVersion.id)
        .limit(MAX_VERSIONS)
    )
    return [VersionView(v.id, v.revision, v.title, v.text, v.reason.value, v.created_at) for v in rows]


def restore(session: Session, writer_id: UUID, lyric_id: UUID, version_id: UUID) -> LyricView:
    """Make the lyric say what a version says; what it says now becomes a version itself, and a title is never lost."""
    lyric = _own(session, writer_id, lyric_id)
    version = session.scalar(
        select(LyricVersion).where(LyricVersion.id == version_id, LyricVersion.lyric_id == lyric.id)
    )
    if version is None:
        raise NotFound("This lyric has no such version.")
    keep_version(session, writer_id, lyric_id, VersionReason.RESTORED)
    if not save_if_current(
        session, lyric, title=version.title or lyric.title, text=version.text, revision=lyric.revision
    ):
        raise LyricChanged(_view(lyric))
    return _view(lyric)


def _summaries(session: Session, writer_id: UUID, which: ColumnElement[bool], limit: int) -> list[LyricSummary]:
    opening = func.left(Lyric.text, 300)
    rows = session.execute(
        select(Lyric.id, Lyric.title, opening.label("opening"), Lyric.updated_at)
        .where(Lyric.user_id == writer_id, which)
        .order_by(Lyric.updated_at.desc(), Lyric.id)
        .limit(limit)
    )
    return [LyricSummary(row.id, row.title, _first_line(row.opening), row.updated_at) for row in rows]


def _own(session: Session, writer_id: UUID, lyric_id: UUID, *, deleted: bool = False) -> Lyric:
    lyric = session.get(Lyric, lyric_id)
    if lyric is None or lyric.user_id != writer_id or (lyric.deleted_at is not None) != deleted:
        raise NotFound("There is no such lyric in your library.")
    return lyric


def _put_aside(session: Session, lyric: Lyric, title: str, text: str, reason: VersionReason) -> None:
    """Keep a text as a version, unless it is empty or the last version says the same; the oldest make room."""
    newest = select(LyricVersion).where(LyricVersion.lyric_id == lyric.id).order_by(LyricVersion.created_at.desc())
    last = session.scalar(newest.limit(1))
    if text and (last is None or (last.title, last.text) != (title, text)):
        put_aside(session, lyric, title=title, text=text, reason=reason)
        kept = newest.with_only_columns(LyricVersion.id).limit(MAX_VERSIONS)
        session.execute(
            delete_rows(LyricVersion).where(LyricVersion.lyric_id == lyric.id, LyricVersion.id.not_in(kept))
        )


def _put_aside_now_and_then(session: Session, lyric: Lyric, new_text: str) -> None:
    """While a writer types, keep a version every few minutes; when most of a text goes away, keep one at once."""
    last = session.scalar(select(func.max(LyricVersion.created_at)).where(LyricVersion.lyric_id == lyric.id))
    is_due = datetime.now(UTC) - (last or lyric.created_at) >= VERSION_EVERY
    if lyric.text and (is_due or len(new_text) < len(lyric.text) / 2):
        keep_version(session, lyric.user_id, lyric.id, VersionReason.EDITED)


def _check_room(session: Session, writer_id: UUID) -> None:
    """Raises AllowanceSpent when the library is full. Holds the account's row: two cannot take the last place."""
    limit = session.scalar(select(Account.max_lyrics).where(Account.user_id == writer_id).with_for_update()) or 0
    query = select(func.count()).select_from(Lyric).where(Lyric.user_id == writer_id, Lyric.deleted_at.is_(None))
    if (session.scalar(query) or 0) >= limit:
        raise AllowanceSpent(
            f"Your library holds {limit:,} lyrics and is full. Delete one, or sign up for more room.",
            code="library_full",
        )


def _checked(title: str, text: str) -> tuple[str, str]:
    return (
        checked_line(title, field="title", max_chars=MAX_TITLE_CHARS),
        checked_text(text, field="text", max_chars=MAX_TEXT_CHARS),
    )


def _first_line(opening: str) -> str:
    return next((line.strip() for line in opening.splitlines() if line.strip()), "")


def _view(lyric: Lyric) -> LyricView:
    return LyricView(lyric.id, lyric.title, lyric.text, lyric.revision, lyric.created_at, lyric.updated_at)
