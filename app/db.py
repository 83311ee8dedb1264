"""Sessions: one engine a process, short units of work, and a clear error when Postgres is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, TimeoutError
from sqlalchemy.orm import Session, sessionmaker

from app.errors import ServiceAway
from contracts.settings import Settings, require

_sessions: sessionmaker[Session] | None = None


def connect(settings: Settings, *, pool_size: int = 20) -> Engine:
    """The engine of this process. Connections are tested before use, so a restarted Postgres costs nobody an error."""
    url = require(settings, "database_url", "accounts and lyrics live in Postgres")
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=10,
        connect_args={"connect_timeout": 3, "application_name": "ghost-rhymes"},
    )


def bind(engine: Engine) -> None:
    """Make `unit_of_work` use this engine; the factory calls it once, tests once per database."""
    global _sessions  # one process serves one database
    _sessions = sessionmaker(engine, expire_on_commit=False)


@contextmanager
def unit_of_work() -> Iterator[Session]:
    """A session that commits at the end and rolls back on an error. A verb may commit in between.

    Raises:
        ServiceAway: Postgres does not answer. Nothing was saved.
    """
    if _sessions is None:
        raise RuntimeError("the database is not bound: create_app() does it")
    try:
        with _sessions() as session:  # closing rolls back what was not committed
            yield session
            session.commit()
    except (OperationalError, InterfaceError, TimeoutError) as error:
        raise _away() from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise _away() from error
        raise


@contextmanager
def open_session(settings: Settings) -> Iterator[Session]:
    """A unit of work for the command line, which has no app."""
    engine = connect(settings, pool_size=1)
    bind(engine)
    try:
        with unit_of_work() as session:
            yield session
    finally:
        engine.dispose()


def _away() -> ServiceAway:
    return ServiceAway(
        "The database does not answer just now. Your text is kept in this browser: try again in a few seconds.",
        code="database_away",
        retry_after_s=3,
    )
