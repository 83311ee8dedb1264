"""The writer's document and its versions.

`revision` counts the saves: whoever saves names the revision they started from, and a save that comes from an older
one changes nothing. Deleting only hides; the worker removes what has been hidden for long.
"""

from __future__ import annotations

import enum
from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, Enum, ForeignKey, Index, Integer, Text, Uuid, func, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, CreatedAt, Id, Moment, OwnerId


class Lyric(Base):
    """One song's words."""

    __tablename__ = "lyric"
    __table_args__ = (Index("ix_lyric_user_id_updated_at", "user_id", "updated_at"),)

    id: Mapped[Id]
    user_id: Mapped[OwnerId]
    title: Mapped[str] = mapped_column(Text, default="")
    text: Mapped[str] = mapped_column(Text, default="")
    revision: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[Moment] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class VersionReason(enum.StrEnum):
    """Why a version was put aside."""

    EDITED = "edited"
    BEFORE_WRITE = "before_write"
    RESTORED = "restored"
    CONFLICT = "conflict"


class LyricVersion(Base):
    """What a lyric said at one revision."""

    __tablename__ = "lyric_version"
    __table_args__ = (Index("ix_lyric_version_lyric_id_created_at", "lyric_id", "created_at"),)

    id: Mapped[Id]
    lyric_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("lyric.id", ondelete="CASCADE"))
    revision: Mapped[int] = mapped_column(Integer)
    title: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    reason: Mapped[VersionReason] = mapped_column(
        Enum(VersionReason, native_enum=False, length=32, values_callable=lambda kinds: [kind.value for kind in kinds])
    )
    created_at: Mapped[CreatedAt]


def save_if_current(session: Session, lyric: Lyric, *, title: str, text: str, revision: int) -> bool:
    """Save when `revision` is still the newest; True when it was."""
    saved = session.execute(
        update(Lyric)
        .where(Lyric.id == lyric.id, Lyric.revision == revision, Lyric.deleted_at.is_(None))
        .values(title=title, text=text, revision=Lyric.revision + 1, updated_at=func.now())
        .returning(Lyric.id)
    ).first()
    session.refresh(lyric)
    return saved is not None


def put_aside(session: Session, lyric: Lyric, *, title: str, text: str, reason: VersionReason) -> None:
    """Keep a text of this lyric as a version."""
    session.add(LyricVersion(lyric_id=lyric.id, revision=lyric.revision, title=title, text=text, reason=reason))
    session.flush()
