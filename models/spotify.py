"""A person's linked Spotify account. The tokens are encrypted before they come here; the key never does."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, LargeBinary, String, Text, Uuid, func
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt


class SpotifyLink(Base):
    """One account at Spotify. `token` is what their token endpoint gave, encrypted; access ends at `expires_at`."""

    __tablename__ = "spotify_link"

    user_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("app_user.id", ondelete="CASCADE"), primary_key=True)
    spotify_user_id: Mapped[str] = mapped_column(String(200))
    display_name: Mapped[str] = mapped_column(Text, default="", server_default="")
    token: Mapped[bytes] = mapped_column(LargeBinary)
    scopes: Mapped[str] = mapped_column(Text, default="", server_default="")
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )
