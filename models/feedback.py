"""What a writer thought of lines: kept, or rejected; and which of two voices they liked better, unseen.

Kept lines, as the writer left them, may train the next version of a voice. Knows nothing of how.
"""

from __future__ import annotations

import enum
from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, Enum, ForeignKey, Index, Integer, String, Text, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, Id, Json, OwnerId


class Verdict(enum.StrEnum):
    """What became of a text."""

    KEPT = "kept"
    REJECTED = "rejected"


class Feedback(Base):
    """One line or verse and its verdict. `text` is as the writer left it, `written` as the voice wrote it.

    `voice` is what wrote it; `prompt` what stood before. `used_at` is when it went into a dataset.
    """

    __tablename__ = "feedback"
    __table_args__ = (
        Index("ix_feedback_user_id_voice", "user_id", "voice"),
        UniqueConstraint("user_id", "generation_id", "take", "line"),
    )

    id: Mapped[Id]
    user_id: Mapped[OwnerId]
    voice: Mapped[str] = mapped_column(String(128))
    generation_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("generation.id", ondelete="SET NULL"))
    take: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    line: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    lyric_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("lyric.id", ondelete="SET NULL"))
    prompt: Mapped[str] = mapped_column(Text, default="", server_default="")
    written: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    verdict: Mapped[Verdict] = mapped_column(
        Enum(Verdict, native_enum=False, length=16, values_callable=lambda kinds: [k.value for k in kinds])
    )
    created_at: Mapped[CreatedAt]
    used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Comparison(Base):
    """Two voices against each other, unseen. `prompts` are the beginnings that both go on from."""

    __tablename__ = "comparison"
    __table_args__ = (Index("ix_comparison_user_id_created_at", "user_id", "created_at"),)

    id: Mapped[Id]
    user_id: Mapped[OwnerId]
    voice_a: Mapped[str] = mapped_column(String(128))
    voice_b: Mapped[str] = mapped_column(String(128))
    seed: Mapped[int] = mapped_column(Integer)
    prompts: Mapped[list[Json]]
    created_at: Mapped[CreatedAt]
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Pair(Base):
    """What both voices wrote for one prompt; `left_is_a` says which stands on the left, `pick` what was liked better.

    `pick` is "left", "right" or "tie"; None while it is open.
    """

    __tablename__ = "pair"

    comparison_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("comparison.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    generation_a: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("generation.id", ondelete="SET NULL"))
    generation_b: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("generation.id", ondelete="SET NULL"))
    left_is_a: Mapped[bool]
    pick: Mapped[str | None] = mapped_column(String(8))
    picked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Drift(Base):
    """How far the songs that are new in a dataset are from those of a version; `card` is None until it was measured.

    `new_mark` tells the new songs from others: when it is another by now, the card is of the past.
    """

    __tablename__ = "drift"

    dataset_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True)
    version_number: Mapped[int] = mapped_column(Integer)
    num_new: Mapped[int] = mapped_column(Integer)
    new_mark: Mapped[str] = mapped_column(String(32))
    job_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("job.id", ondelete="SET NULL"))
    card: Mapped[Json | None]
    created_at: Mapped[CreatedAt]
