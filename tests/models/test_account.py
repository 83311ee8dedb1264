"""The allowance: all or nothing, never below zero, renewed when its period has passed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from models import Account, User
from models.account import account_of, give_back_tokens, reserve_tokens


@pytest.fixture
def alice(session: Session) -> UUID:
    user = User(email="alice@example.org")
    session.add(user)
    session.flush()
    session.add(Account(user_id=user.id, tokens_allowance=100, tokens_left=100, max_generations=9, max_lyrics=9))
    session.commit()
    return user.id


def test_it_works(session: Session, alice: UUID) -> None:
    assert reserve_tokens(session, alice, 60)
    assert not reserve_tokens(session, alice, 41)
    give_back_tokens(session, alice, 1)
    assert reserve_tokens(session, alice, 41)
    assert account_of(session, alice).tokens_left == 0


def test_concurrent_reservations_never_overdraw(engine: Engine, alice: UUID) -> None:
    def one(_: int) -> bool:
        with Session(engine) as session, session.begin():
            return reserve_tokens(session, alice, 7)

    with ThreadPoolExecutor(12) as pool:
        granted = sum(pool.map(one, range(60)))
    assert granted == 100 // 7
    with Session(engine) as session:
        assert account_of(session, alice).tokens_left == 100 - 7 * granted


def test_a_passed_period_fills_the_allowance_up(session: Session, alice: UUID) -> None:
    account = account_of(session, alice)
    account.tokens_left, account.renews_at = 3, datetime.now(UTC) - timedelta(seconds=1)
    session.commit()
    assert reserve_tokens(session, alice, 90)
    renewed = account_of(session, alice)
    assert renewed.tokens_left == 10
    assert renewed.renews_at is not None
    assert renewed.renews_at > datetime.now(UTC) + timedelta(days=29)


def test_giving_back_never_exceeds_the_allowance(session: Session, alice: UUID) -> None:
    give_back_tokens(session, alice, 1_000)
    assert account_of(session, alice).tokens_left == 100
