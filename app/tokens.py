"""API tokens: made for a user, shown once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from app.account import grant_free_plan
from app.errors import NotFound
from app.sign_in import normal_email
from contracts.settings import load_settings
from models import ApiToken, User
from models.token import hash_of, new_secret
from models.user import user_by_email


def create_for_email(session: Session, email: str, *, name: str = "", expires_days: int | None = None) -> str:
    """A new token for the user with this address, who is made if there is none, without a password.

    Raises:
        BadInput: it is not an e-mail address.
    """
    address = normal_email(email)
    user = user_by_email(session, address)
    if user is None:
        user = User(email=address)
        session.add(user)
        session.flush()
        grant_free_plan(session, user, load_settings())
    secret = new_secret()
    expires_at = None if expires_days is None else datetime.now(UTC) + timedelta(days=expires_days)
    session.add(
        ApiToken(user_id=user.id, name=name or "command line", token_hash=hash_of(secret), expires_at=expires_at)
    )
    session.flush()
    return secret


class TokenView(NamedTuple):
    """A token as it may be shown; the secret is known to its owner alone."""

    id: UUID
    name: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


def find_for_email(session: Session, email: str) -> list[TokenView]:
    """The tokens of a user that are good now, the newest first.

    Raises:
        NotFound: there is no such user.
    """
    user = user_by_email(session, normal_email(email))
    if user is None:
        raise NotFound(f"There is no user {email}.")
    rows = session.scalars(
        select(ApiToken)
        .where(
            ApiToken.user_id == user.id,
            ApiToken.revoked_at.is_(None),
            or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > func.now()),
        )
        .order_by(ApiToken.created_at.desc())
    )
    return [TokenView(row.id, row.name, row.created_at, row.expires_at, row.last_used_at) for row in rows]


def revoke(session: Session, token_id: UUID) -> None:
    """Make a token good for nothing, from now on.

    Raises:
        NotFound: there is no such token, or it is revoked already.
    """
    revoked = session.execute(
        update(ApiToken)
        .where(ApiToken.id == token_id, ApiToken.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(ApiToken.id)
    )
    if revoked.first() is None:
        raise NotFound(f"There is no token {token_id}; `ghost token ls` shows those that are good.")
