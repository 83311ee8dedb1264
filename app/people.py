"""What a person must be to have something."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from app.errors import NeedsAccount
from models import User


def check_member(session: Session, user_id: UUID, what: str) -> None:
    """Raises NeedsAccount when this person is a guest; `what` begins the sentence: "Datasets can be made"."""
    user = session.get(User, user_id)
    if user is None or user.is_guest:
        raise NeedsAccount(f"{what} with an account only. Sign up, it is free, and your lyrics come along.")
