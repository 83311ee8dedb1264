"""What a person may still spend, and how new accounts begin."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from contracts.settings import Settings
from models import Account, User
from models.account import PERIOD, account_of

GUEST_GENERATIONS = 2
USER_GENERATIONS = 128
GUEST_LYRICS = 20
USER_LYRICS = 5_000
USER_ADAPTERS = 3


class Usage(NamedTuple):
    """The usage bar's numbers."""

    tokens_left: int
    tokens_allowance: int
    renews_at: datetime | None
    is_guest: bool


def usage(session: Session, writer_id: UUID) -> Usage:
    """What is left of this person's allowance."""
    account = account_of(session, writer_id)
    user = session.get_one(User, writer_id)
    return Usage(account.tokens_left, account.tokens_allowance, account.renews_at, user.is_guest)


def open_guest(session: Session, settings: Settings) -> User:
    """A new guest with the guest's allowance, which does not come back."""
    guest = User()
    session.add(guest)
    session.flush()
    session.add(
        Account(
            user_id=guest.id,
            tokens_allowance=settings.guest_tokens,
            tokens_left=settings.guest_tokens,
            max_generations=GUEST_GENERATIONS,
            max_lyrics=GUEST_LYRICS,
        )
    )
    session.flush()
    return guest


def grant_free_plan(session: Session, user: User, settings: Settings) -> None:
    """Give a user who has just signed up the free plan's numbers."""
    account = session.get(Account, user.id)
    if account is None:
        account = Account(user_id=user.id)
        session.add(account)
    account.tokens_allowance = settings.free_tokens
    account.tokens_left = settings.free_tokens
    account.minutes_allowance = settings.free_minutes
    account.minutes_left = settings.free_minutes
    account.max_adapters = USER_ADAPTERS
    account.max_generations = USER_GENERATIONS
    account.max_lyrics = USER_LYRICS
    account.renews_at = datetime.now(UTC) + PERIOD
    session.flush()
