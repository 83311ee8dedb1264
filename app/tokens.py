"""API tokens: made for a user, shown once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from app.account import grant_free_plan
from app.sign_in import normal_email
from contracts.settings import load_settings
from models import ApiToken, User
from models.token import hash_of, new_secret
from models.user import user_by_email


def create_for_email(session: Session, email: str, *, name: str = "", expires_days: int | None = None) -> str:
    """A new token for the user with this address, who is made if there is none (and can set a password later).

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
