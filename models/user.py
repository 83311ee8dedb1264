"""A person. A guest is a user without an e-mail address: signing up fills the row in, so nothing has to move."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, CreatedAt, Id


class User(Base):
    """One person; `email` is lower case and None for guests."""

    __tablename__ = "app_user"
    __table_args__ = (CheckConstraint("email = lower(email)", name="email_lower"),)

    id: Mapped[Id]
    email: Mapped[str | None] = mapped_column(String(320), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[CreatedAt]

    @property
    def is_guest(self) -> bool:
        """Whether this person has not signed up yet."""
        return self.email is None


def user_by_email(session: Session, email: str) -> User | None:
    """The user who signed up with `email`, however it was capitalised."""
    return session.scalar(select(User).where(User.email == email.strip().lower()))
