"""Alembic's entry: online only, against DATABASE_URL, leaving the job queue's own tables out of the comparison."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import create_engine, pool, text

from contracts.settings import load_settings, require
from models import Base

ONE_MIGRATION_AT_A_TIME = 7_469_001
"""An advisory lock's number: two releases that start together migrate one after the other."""


def ours(_object: Any, name: str | None, _kind: str, _reflected: bool, _compare_to: Any) -> bool:
    """Whether autogenerate should look at it; procrastinate keeps its own tables."""
    return not (name or "").startswith("procrastinate_")


def migrate() -> None:
    """Run the migrations that are due, in one transaction."""
    given = context.config.get_main_option("sqlalchemy.url")
    url = given or require(load_settings(), "database_url", "migrations need the database")
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection, connection.begin():
        connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": ONE_MIGRATION_AT_A_TIME})
        context.configure(connection=connection, target_metadata=Base.metadata, include_object=ours)
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("migrations run online only: set DATABASE_URL")
migrate()
