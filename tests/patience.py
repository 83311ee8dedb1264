"""Waiting for what will be so: asked now and then, since who asks without pause takes the time of who works."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

EVERY_S = 0.05

T = TypeVar("T")


def until(
    is_so: Callable[[], T], within_s: float = 60.0, why: object = "waited in vain", every_s: float = EVERY_S
) -> T:
    """What `is_so` says, once that is true; `why`, or what it answers when it can be called, is the failure's text."""
    deadline = time.monotonic() + within_s
    while not (said := is_so()):
        assert time.monotonic() < deadline, why() if callable(why) else why
        time.sleep(every_s)
    return said
