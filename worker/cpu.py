"""`python -m worker.cpu`: keeps the house. Ends generations whose process died, and clears away what is old."""

from __future__ import annotations

import signal
import threading
import time
from datetime import timedelta
from types import FrameType

import structlog
from sqlalchemy import Engine, create_engine, delete, exists, func, literal, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from contracts import logs
from contracts.settings import load_settings, require
from models import Generation, GenerationEvent, Lyric, Throttle, User
from models.generation import SILENT_FOR, give_up_lost

EVERY_S = 3.0
SLOW_S = 2.0
PATIENCE_S = SILENT_FOR.total_seconds()
CLEAR_EVERY = 100
"""In turns: about every five minutes."""
ONE_KEEPER_AT_A_TIME = 7_469_002
EVENTS_KEPT = timedelta(days=1)
DELETED_KEPT = timedelta(days=30)
THROTTLES_KEPT = timedelta(days=1)

log = structlog.get_logger()


def main() -> None:
    """Keep house until told to stop."""
    logs.configure()
    engine = create_engine(
        require(load_settings(), "database_url", "the worker keeps house in Postgres"), pool_pre_ping=True, pool_size=1
    )
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    log.info("worker.started")
    turn, well_since = 0, time.monotonic()
    while not stop.is_set():
        if not _take_turn(
            engine, may_give_up=time.monotonic() - well_since > PATIENCE_S, clear=turn % CLEAR_EVERY == 0
        ):
            well_since = time.monotonic()
        turn += 1
        stop.wait(EVERY_S)
    log.info("worker.stopped")


def _take_turn(engine: Engine, *, may_give_up: bool, clear: bool) -> bool:
    """One round through the house; False when Postgres was away or slow.

    After that no generation is given up for a while: its process could not say either that it lives.
    """
    began = time.monotonic()
    try:
        with Session(engine) as session, session.begin():
            if not session.scalar(text("select pg_try_advisory_xact_lock(:key)"), {"key": ONE_KEEPER_AT_A_TIME}):
                return True  # another worker keeps house just now
            if time.monotonic() - began > SLOW_S:
                return False
            given_up = give_up_lost(session) if may_give_up else 0
            cleared = clear_old(session) if clear else {}
    except DBAPIError as error:
        log.warning("worker.database_away", error=type(error).__name__)
        return False
    if given_up or any(cleared.values()):
        log.info("worker.kept_house", given_up=given_up, **cleared)
    return True


def clear_old(session: Session) -> dict[str, int]:
    """Remove what nobody will ask for again; returns how many rows of each kind."""
    now = func.now()
    empty_guest = (
        User.email.is_(None)
        & (User.created_at < now - DELETED_KEPT)
        & ~exists(select(Lyric.id).where(Lyric.user_id == User.id))
        & ~exists(
            select(Generation.id).where(Generation.user_id == User.id, Generation.created_at > now - DELETED_KEPT)
        )
    )
    statements = {
        "events": delete(GenerationEvent).where(GenerationEvent.created_at < now - EVENTS_KEPT),
        "lyrics": delete(Lyric).where(Lyric.deleted_at < now - DELETED_KEPT),
        "throttles": delete(Throttle).where(Throttle.since < now - THROTTLES_KEPT),
        "guests": delete(User).where(empty_guest),
    }
    return {name: len(session.execute(statement.returning(literal(1))).all()) for name, statement in statements.items()}


if __name__ == "__main__":
    main()
