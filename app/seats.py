"""Who may follow how many streams at once: each holds a thread of this process, so nobody may take them all."""

from __future__ import annotations

import threading
from collections import Counter
from uuid import UUID

from app.errors import ServiceAway, TooMany


class Seats:
    """`num_seats` readers in all, and for each writer no more than their account allows."""

    def __init__(self, num_seats: int) -> None:
        self._num_seats = num_seats
        self._taken: Counter[UUID] = Counter()
        self._lock = threading.Lock()

    def take(self, writer_id: UUID, limit: int) -> None:
        """Take a seat; give it back with `leave`.

        Raises:
            TooMany: this writer has `limit` of them.
            ServiceAway: all are taken.
        """
        with self._lock:
            if self._taken[writer_id] >= limit:
                raise TooMany(
                    f"You follow {limit} texts at once already: close one.", code="too_many_streams", retry_after_s=2
                )
            if self._taken.total() >= self._num_seats:
                raise ServiceAway(
                    "All lines are busy; your text is being written: look again.", code="busy", retry_after_s=1
                )
            self._taken[writer_id] += 1

    def leave(self, writer_id: UUID) -> None:
        """Give a seat back."""
        with self._lock:
            self._taken[writer_id] -= 1
            if not self._taken[writer_id]:
                del self._taken[writer_id]
