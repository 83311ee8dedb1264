"""Keeping to so and so many calls a second, so that a source whose limit is known never has to refuse us.

Knows no source and no job. A `Pace` belongs to a process: whoever calls the same source shares it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import lru_cache

SHARE = 0.97
"""Of the limit: calls that leave evenly do not arrive evenly, and one too many costs far more than one too few."""


class Pace:
    """Turns at an even distance, to be taken from any thread. A turn that nobody took in time is not made up for.

    A token bucket of one: with more, a burst after a silence would go over the limit of whoever counts by seconds.
    """

    def __init__(
        self,
        per_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._distance_s = 1 / (per_s * SHARE) if per_s > 0 else 0.0
        self._clock = clock
        self._wait = wait
        self._lock = threading.Lock()
        self._next_at = float("-inf")

    def take(self) -> None:
        """Wait for one's turn: as long as those before in line take, so keep the line short."""
        if not self._distance_s:
            return
        with self._lock:
            now = self._clock()
            at = max(now, self._next_at)
            self._next_at = at + self._distance_s
        if at > now:
            self._wait(at - now)


@lru_cache(maxsize=64)
def shared(source: str, per_s: float) -> Pace:  # noqa: ARG001 - two sources of one limit keep a pace each
    """The pace of this process for a source; 0 a second is no limit at all."""
    return Pace(per_s)
