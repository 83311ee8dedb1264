"""Stand-ins that a module shares, and a bench to do jobs at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from sandbox.standins.desk import Desk
from sandbox.standins.server import Addresses, serving
from tests.worker.benches import Bench


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk()


@pytest.fixture(scope="module")
def addresses(desk: Desk) -> Iterator[Addresses]:
    with serving(desk) as addresses:
        yield addresses


@pytest.fixture
def bench(engine: Engine, database_url: str, tmp_path: Path, desk: Desk, addresses: Addresses) -> Bench:
    desk.calls.clear()
    desk.turn({service: {"latency_ms": 0.0, "rate_per_s": 0.0, "status": 0} for service in desk.knobs})
    return Bench(engine, database_url, tmp_path, addresses.environment)
