"""A builder's songs: the dataset, its songs, what was looked up for them, its frozen versions and what can be undone.

Every song is settled one by one, so what a job has done stays done whatever happens to the job. Knows nothing of where
words come from; the texts themselves lie here, frozen ones in the bucket.
"""

from __future__ import annotations

import enum
import hashlib
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    DateTime,
    Enum,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    and_,
    false,
    func,
    select,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, CreatedAt, Id, Json, OwnerId

MAX_NAME = 200
MAX_TRACK_KEY = 400
"""In characters: Postgres indexes no more than some 2,700 bytes of a key."""


class SongState(enum.StrEnum):
    """What is known of a song's words. Every state but `WANTED` is settled."""

    WANTED = "wanted"
    FOUND = "found"
    CHECK = "check"
    BLOCKED = "blocked"
    NOT_FOUND = "not_found"
    INSTRUMENTAL = "instrumental"

    @property
    def is_settled(self) -> bool:
        """Whether it has been looked for."""
        return self is not SongState.WANTED


class Rights(enum.StrEnum):
    """By what right a song may train a voice; `LICENSED` needs a note, `PUBLIC_DOMAIN` a link to the source."""

    UNKNOWN = "unknown"
    MINE = "mine"
    LICENSED = "licensed"
    PUBLIC_DOMAIN = "public_domain"


def _words(kind: type[enum.StrEnum]) -> Enum:
    return Enum(kind, native_enum=False, length=16, values_callable=lambda kinds: [k.value for k in kinds])


class Dataset(Base):
    """A named collection of songs. `rules_off` names the cleaning rules that its owner has switched off."""

    __tablename__ = "dataset"
    __table_args__ = (Index("ix_dataset_user_id_updated_at", "user_id", "updated_at"),)

    id: Mapped[Id]
    user_id: Mapped[OwnerId]
    name: Mapped[str] = mapped_column(String(MAX_NAME))
    rules_off: Mapped[list[str]] = mapped_column(JSONB, default=list, server_default=sql("'[]'"))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )
    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Song(Base):
    """One entry. `track_key` is unique in its dataset, so a song comes in once however often it is asked for.

    `original` is what the source gave, `text` what cleaning made of it; `content_sha` is the SHA-256 of `text`.
    `attempt` is the attempt of a job that wrote it last, `duplicate_of` the song of its dataset that is kept instead.
    `prompt` is what stood before a line that a writer kept, whose source is "feedback"; no part of its words.
    """

    __tablename__ = "song"
    __table_args__ = (
        UniqueConstraint("dataset_id", "track_key"),
        Index("ix_song_dataset_id_position", "dataset_id", "position"),
        Index("ix_song_content_sha", "content_sha"),
        Index("ix_song_duplicate_of", "duplicate_of", postgresql_where=sql("duplicate_of is not null")),
        Index("ix_song_wanted", "dataset_id", "position", postgresql_where=sql("state = 'wanted'")),
    )

    id: Mapped[Id]
    dataset_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("dataset.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(Integer)
    track_key: Mapped[str] = mapped_column(String(MAX_TRACK_KEY))
    artist: Mapped[str] = mapped_column(Text, default="", server_default="")
    title: Mapped[str] = mapped_column(Text, default="", server_default="")
    duration_s: Mapped[float | None] = mapped_column(Float)
    state: Mapped[SongState] = mapped_column(
        _words(SongState), default=SongState.WANTED, server_default=SongState.WANTED.value
    )
    is_dropped: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    source: Mapped[str] = mapped_column(String(32), default="", server_default="")
    url: Mapped[str] = mapped_column(Text, default="", server_default="")
    matched_artist: Mapped[str] = mapped_column(Text, default="", server_default="")
    matched_title: Mapped[str] = mapped_column(Text, default="", server_default="")
    score: Mapped[float | None] = mapped_column(Float)
    why: Mapped[str] = mapped_column(Text, default="", server_default="")
    original: Mapped[str | None] = mapped_column(Text)
    text: Mapped[str | None] = mapped_column(Text)
    content_sha: Mapped[str | None] = mapped_column(String(64))
    prompt: Mapped[str] = mapped_column(Text, default="", server_default="")
    rights: Mapped[Rights] = mapped_column(_words(Rights), default=Rights.UNKNOWN, server_default=Rights.UNKNOWN.value)
    rights_note: Mapped[str] = mapped_column(Text, default="", server_default="")
    rights_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    rights_by: Mapped[UUID | None] = mapped_column(Uuid)  # no foreign key: who attested stays known
    duplicate_of: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("song.id", ondelete="SET NULL"))
    language: Mapped[str | None] = mapped_column(String(16))
    is_explicit: Mapped[bool | None] = mapped_column(Boolean)
    attempt: Mapped[UUID | None] = mapped_column(Uuid)


class Lookup(Base):
    """What a source said of a track, kept for one user: all of that user's datasets share it."""

    __tablename__ = "lookup"

    user_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("app_user.id", ondelete="CASCADE"), primary_key=True)
    source: Mapped[str] = mapped_column(String(32), primary_key=True)
    track_key: Mapped[str] = mapped_column(String(MAX_TRACK_KEY), primary_key=True)
    state: Mapped[SongState] = mapped_column(_words(SongState))
    text: Mapped[str] = mapped_column(Text, default="", server_default="")
    artist: Mapped[str] = mapped_column(Text, default="", server_default="")
    title: Mapped[str] = mapped_column(Text, default="", server_default="")
    url: Mapped[str] = mapped_column(Text, default="", server_default="")
    why: Mapped[str] = mapped_column(Text, default="", server_default="")
    score: Mapped[float | None] = mapped_column(Float)
    fetched_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), index=True)


class DatasetVersion(Base):
    """A frozen dataset. `manifest` is a copy of the bucket's; `content_sha256` is the same for the same content."""

    __tablename__ = "dataset_version"
    __table_args__ = (UniqueConstraint("dataset_id", "number"),)

    id: Mapped[Id]
    dataset_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("dataset.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(Integer)
    content_sha256: Mapped[str] = mapped_column(String(64))
    manifest: Mapped[Json]
    created_at: Mapped[CreatedAt]
    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class VersionSong(Base):
    """Which version holds which text: a song that must be taken down is found wherever it was frozen."""

    __tablename__ = "version_song"

    version_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("dataset_version.id", ondelete="CASCADE"), primary_key=True
    )
    content_sha: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)


class DatasetChange(Base):
    """Something its owner did and may undo. `words` say what; `before` is what there was, as the verb needs it."""

    __tablename__ = "dataset_change"
    __table_args__ = (Index("ix_dataset_change_dataset_id_created_at", "dataset_id", "created_at"),)

    id: Mapped[Id]
    dataset_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("dataset.id", ondelete="CASCADE"))
    words: Mapped[str] = mapped_column(Text)
    before: Mapped[Json]
    created_at: Mapped[CreatedAt]
    undone_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


def trainable() -> ColumnElement[bool]:
    """The songs that may train a voice: found, with words, kept, by a right that is known, and no duplicate."""
    return and_(
        Song.is_dropped.is_(False),
        Song.state == SongState.FOUND,
        func.length(Song.text) > 0,
        Song.rights != Rights.UNKNOWN,
        Song.duplicate_of.is_(None),
    )


def num_taken_back(session: Session, version_id: UUID) -> int:
    """How many texts of a frozen version may not train any more.

    Their songs were dropped, removed or given other words since, or their rights were taken back.
    """
    stands = select(Song.id).where(
        Song.dataset_id == DatasetVersion.dataset_id,
        Song.content_sha == VersionSong.content_sha,
        Song.is_dropped.is_(False),
        Song.state == SongState.FOUND,
        Song.rights != Rights.UNKNOWN,
    )
    gone = (
        select(func.count())
        .select_from(VersionSong)
        .join(DatasetVersion, DatasetVersion.id == VersionSong.version_id)
        .where(VersionSong.version_id == version_id, ~stands.exists())
    )
    return session.scalar(gone) or 0


def track_key(artist: str, title: str) -> str:
    """One key out of a normalised artist and title; what is too long for an index ends in its hash.

    >>> track_key("the invented", "harbour lights")
    'the invented|harbour lights'
    >>> len(track_key("a" * 5000, "b"))
    400
    """
    key = f"{artist.replace('|', ' ')}|{title}".replace("\0", "")
    if len(key) <= MAX_TRACK_KEY:
        return key
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{key[: MAX_TRACK_KEY - len(digest) - 1]}#{digest}"
