"""Counters that slow guessing down, kept in Postgres so that every process counts together."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import DateTime, Integer, String, case, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base


class Throttle(Base):
    """How often `key` happened since `since`."""

    __tablename__ = "throttle"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    count: Mapped[int] = mapped_column(Integer)
    since: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)


def hit(session: Session, key: str, window: timedelta) -> int:
    """Count one more of `key` and return how many fell into the current window."""
    fresh = Throttle.since < func.now() - window
    statement = insert(Throttle).values(key=key, count=1, since=func.now())
    counted = session.execute(
        statement.on_conflict_do_update(
            index_elements=[Throttle.key],
            set_={
                "count": case((fresh, 1), else_=Throttle.count + 1),
                "since": case((fresh, func.now()), else_=Throttle.since),
            },
        ).returning(Throttle.count)
    )
    return int(counted.scalar_one())


def seconds_left(session: Session, key: str, window: timedelta) -> int:
    """How long until the current window of `key` ends, in whole seconds, at least 1."""
    since = session.scalar(select(func.extract("epoch", func.now() - Throttle.since)).where(Throttle.key == key))
    return max(1, int(window.total_seconds() - float(since or 0)) + 1)


def forget(session: Session, key: str) -> None:
    """Start counting `key` anew."""
    session.execute(delete(Throttle).where(Throttle.key == key))
