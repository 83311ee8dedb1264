"""A person's linked Spotify account. The tokens are encrypted when they are stored; whoever asks brings the seal."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, LargeBinary, String, Text, Uuid, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, CreatedAt

EARLY = timedelta(minutes=2)
"""A token that ends so soon is refreshed first: one page of a playlist must not end it."""


class Seal(Protocol):
    """What encrypts and decrypts (`contracts.seal`)."""

    def close(self, content: bytes) -> bytes: ...

    def open(self, sealed: bytes) -> bytes: ...


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


def store_token(link: SpotifyLink, seal: Seal, token: dict[str, Any]) -> None:
    """Keep what the token endpoint gave: `access_token`, `refresh_token`, `expires_at` in Unix seconds, `scope`."""
    link.token = seal.close(json.dumps(token).encode())
    link.scopes = str(token.get("scope") or link.scopes or "")
    link.expires_at = datetime.fromtimestamp(token["expires_at"], UTC)


def access_token(
    session: Session, user_id: UUID, seal: Seal, refresh: Callable[[dict[str, Any]], dict[str, Any]]
) -> str | None:
    """A token to call Spotify with, refreshed when it is stale; None when the person has linked no account.

    Holds the row while it refreshes, for a refresh token may be good only once; commit soon after. What `seal.open` and
    `refresh` raise passes through.
    """
    link = session.scalar(
        select(SpotifyLink)
        .where(SpotifyLink.user_id == user_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if link is None:
        return None
    token: dict[str, Any] = json.loads(seal.open(link.token))
    if link.expires_at <= datetime.now(UTC) + EARLY:
        token = refresh(token)
        store_token(link, seal, token)
        session.flush()
    return str(token["access_token"])
