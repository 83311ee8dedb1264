"""Entitlement as numbers on a row: what a user may spend, and the conditional updates that spend it.

Whoever races for the same tokens is settled by row count: the update that finds too few changes nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Integer, Uuid, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base

PERIOD = timedelta(days=30)


class Account(Base):
    """One user's entitlement. Minutes are of training; `max_adapters` counts the titles of adapters that are kept.

    `renews_at` is None for an allowance that never comes back (a guest's).
    """

    __tablename__ = "account"
    __table_args__ = (
        CheckConstraint("tokens_left >= 0", name="tokens_left_not_negative"),
        CheckConstraint("minutes_left >= 0", name="minutes_left_not_negative"),
    )

    user_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("app_user.id", ondelete="CASCADE"), primary_key=True)
    tokens_allowance: Mapped[int] = mapped_column(BigInteger)
    tokens_left: Mapped[int] = mapped_column(BigInteger)
    max_generations: Mapped[int] = mapped_column(Integer)
    max_lyrics: Mapped[int] = mapped_column(Integer)
    minutes_allowance: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    minutes_left: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    max_adapters: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    renews_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


def reserve_tokens(session: Session, user_id: UUID, num_tokens: int) -> bool:
    """Take `num_tokens` off the allowance, all or nothing; a period that has passed is renewed first."""
    _renew(session, user_id)
    spent = session.execute(
        update(Account)
        .where(Account.user_id == user_id, Account.tokens_left >= num_tokens)
        .values(tokens_left=Account.tokens_left - num_tokens)
        .returning(Account.user_id)
    )
    return spent.first() is not None


def reserve_minutes(session: Session, user_id: UUID, num_minutes: int) -> bool:
    """Take training minutes off the allowance, all or nothing; a period that has passed is renewed first."""
    _renew(session, user_id)
    spent = session.execute(
        update(Account)
        .where(Account.user_id == user_id, Account.minutes_left >= num_minutes)
        .values(minutes_left=Account.minutes_left - num_minutes)
        .returning(Account.user_id)
    )
    return spent.first() is not None


def give_back_minutes(session: Session, user_id: UUID, num_minutes: int) -> None:
    """Return what a reservation did not use, never beyond the allowance (a renewal may lie between)."""
    session.execute(
        update(Account)
        .where(Account.user_id == user_id)
        .values(minutes_left=func.least(Account.minutes_left + num_minutes, Account.minutes_allowance))
    )


def give_back_tokens(session: Session, user_id: UUID, num_tokens: int) -> None:
    """Return what a reservation did not use, never beyond the allowance (a renewal may lie between)."""
    session.execute(
        update(Account)
        .where(Account.user_id == user_id)
        .values(tokens_left=func.least(Account.tokens_left + num_tokens, Account.tokens_allowance))
    )


def hold_account(session: Session, user_id: UUID) -> None:
    """Hold the account until the transaction ends: what is counted meanwhile, nobody else of this user can change.

    Who charges runs too does so before: runs are locked first, then accounts.
    """
    session.execute(select(Account.user_id).where(Account.user_id == user_id).with_for_update())


def account_of(session: Session, user_id: UUID) -> Account:
    """The user's account, renewed when its period has passed."""
    _renew(session, user_id)
    return session.execute(
        select(Account).where(Account.user_id == user_id), execution_options={"populate_existing": True}
    ).scalar_one()


def _renew(session: Session, user_id: UUID) -> None:
    session.execute(
        update(Account)
        .where(Account.user_id == user_id, Account.renews_at <= func.now())
        .values(
            tokens_left=Account.tokens_allowance,
            minutes_left=Account.minutes_allowance,
            renews_at=func.now() + PERIOD,
        )
    )
