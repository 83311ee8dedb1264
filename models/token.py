"""API tokens. The secret is shown once; the row holds its SHA-256, which is enough for 256 random bits."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import DateTime, String, func, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, CreatedAt, Id, OwnerId

PREFIX = "gr_"


class ApiToken(Base):
    """One token of one user."""

    __tablename__ = "api_token"

    id: Mapped[Id]
    user_id: Mapped[OwnerId] = mapped_column(index=True)
    name: Mapped[str] = mapped_column(String(100))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


def new_secret() -> str:
    """A fresh token: 256 random bits behind a prefix that secret scanners can find."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """What the row holds of a token.

    >>> hash_of("gr_x")[:8]
    '58d28d45'
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def user_of_token(session: Session, secret: str) -> UUID | None:
    """The owner of a token that is neither expired nor revoked, and note that it was used (at most once a minute)."""
    token = session.scalar(
        select(ApiToken).where(
            ApiToken.token_hash == hash_of(secret),
            ApiToken.revoked_at.is_(None),
            or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > func.now()),
        )
    )
    if token is None:
        return None
    session.execute(
        update(ApiToken)
        .where(
            ApiToken.id == token.id,
            or_(
                ApiToken.last_used_at.is_(None),
                ApiToken.last_used_at < func.now() - timedelta(minutes=1),
            ),
        )
        .values(last_used_at=func.now())
    )
    return token.user_id
