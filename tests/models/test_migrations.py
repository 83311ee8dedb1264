"""The database's shape: every step goes up and down, and the rows say what the migrations say."""

from __future__ import annotations

from alembic import command
from sqlalchemy import create_engine, inspect, text

from sandbox.postgres import Cluster
from tests.conftest import alembic_config


def test_it_works(database_url: str) -> None:
    command.check(alembic_config(database_url))


def test_every_step_goes_down_and_up_again(postgres: Cluster) -> None:
    postgres.ensure_database("updown")
    config = alembic_config(postgres.url("updown"))
    command.upgrade(config, "head")
    command.downgrade(config, "base")
    engine = create_engine(postgres.url("updown"))
    assert set(inspect(engine).get_table_names()) == {"alembic_version"}
    command.upgrade(config, "head")
    with engine.connect() as connection:
        assert connection.scalar(text("select count(*) from account")) == 0
    engine.dispose()
