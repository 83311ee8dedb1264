"""Stand-ins of the outside services, shared by the tests of this room; each test finds them as they start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from contracts.settings import Settings
from sandbox.standins.desk import Call, Desk
from sandbox.standins.server import Addresses, serving


@dataclass
class StandIns:
    """Three services, and what one may ask and tell the desk before them."""

    desk: Desk
    addresses: Addresses

    @property
    def settings(self) -> Settings:
        """Settings that name them, and no key."""
        return Settings(**{name.lower(): value for name, value in self.addresses.environment.items()})  # type: ignore[arg-type]

    def calls(self, service: str) -> list[Call]:
        """What a service was asked in this test."""
        return [call for call in self.desk.calls if call.service == service]

    def turn(self, service: str, **knobs: Any) -> None:
        """Make a service behave otherwise until the test ends."""
        self.desk.turn({service: knobs})


@pytest.fixture(scope="session")
def _running() -> Iterator[StandIns]:
    desk = Desk()
    with serving(desk) as addresses:
        yield StandIns(desk, addresses)


@pytest.fixture
def standins(_running: StandIns) -> StandIns:
    """The stand-ins, unasked and as they start."""
    _running.desk.reset()
    return _running
