"""What all tests share: a real Postgres whose databases are cloned from a migrated one, and the fixed cast.

alice owns things, bob is another user, charlie is on the free plan and must see nothing of theirs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from sandbox.postgres import Cluster, running
from tests.services import TINY, InferenceService, make_tiny_checkpoint, publish_directory

ROOT = Path(__file__).parents[1]
TEMPLATE = "template_ghost"
LONGEST_FIRST = ("tests/worker/test_training.py", "tests/training/test_train.py", "tests/inference_service/")
"""Files that take minutes: begun last, they would keep one process busy while the others have nothing to do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; all else stays in its order."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST_FIRST))


@pytest.fixture(scope="session", autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No setting of the person who runs the tests may leak in."""
    for name in ("DATABASE_URL", "BUCKET_URL", "INFERENCE_URL", "PUBLIC_URL", "PORT", "INFERENCE_PORT"):
        os.environ.pop(name, None)
    os.environ["GHOST_HOME"] = str(tmp_path_factory.mktemp("home"))


def alembic_config(url: str) -> Config:
    """Alembic, pointed at one database."""
    config = Config(ROOT / "alembic.ini")
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A server of our own, with a migrated database to clone from."""
    with running(tmp_path_factory.mktemp("postgres"), fsync=False) as cluster:
        cluster.ensure_database(TEMPLATE)
        command.upgrade(alembic_config(cluster.url(TEMPLATE)), "head")
        yield cluster


@pytest.fixture(scope="session")
def _admin(postgres: Cluster) -> Iterator[Engine]:
    engine = create_engine(postgres.url(), isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


@pytest.fixture
def database_url(postgres: Cluster, _admin: Engine, request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated database for this test alone."""
    name = f"test_{abs(hash(request.node.nodeid))}"
    with _admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY"))
    yield make_url(postgres.url(name)).render_as_string(hide_password=False)
    with _admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on this test's database."""
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session on this test's database; the test commits."""
    with Session(engine, expire_on_commit=False) as session:
        yield session


@pytest.fixture(scope="session")
def inference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InferenceService]:
    """A real inference service with one tiny voice."""
    home = tmp_path_factory.mktemp("inference")
    folder = home / "tiny"
    make_tiny_checkpoint(folder)
    publish_directory(folder, home / "bucket", TINY, home)
    service = InferenceService(home)
    service.start()
    yield service
    service.kill()
