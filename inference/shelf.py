"""What the bucket lists, asked at most every two seconds and remembered while the bucket is away.

Lives on the event loop; the bucket itself is only touched in worker threads, one at a time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from time import monotonic

from contracts.bucket import Bucket, BucketAway
from inference.checkpoints import Listing, list_checkpoints

FRESH_S = 2.0
PATIENCE_S = 2.0
"""Callers ask with a time limit of about three seconds; they get an answer before it."""


class Shelf:
    """The listings of one bucket, which is opened by the first question and again after a failure to open."""

    def __init__(self, open_bucket: Callable[[], Bucket], url: str) -> None:
        self.away: BucketAway | None = None
        self.url = url
        self._open = open_bucket
        self._bucket: Bucket | None = None
        self._opening = threading.Lock()
        self._listings: dict[str, Listing] = {}
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    def bucket(self) -> Bucket:
        """The open bucket; call it in a worker thread.

        Raises:
            BucketAway: it cannot be opened, for want of credentials for instance.
        """
        with self._opening:
            if self._bucket is None:
                self._bucket = self._open()
            return self._bucket

    def known(self) -> dict[str, Listing]:
        """The last listing that came, at once; a stale one is asked for again behind the caller's back."""
        if monotonic() - self._asked_at > FRESH_S:
            self._ask()
        return self._listings

    async def fresh(self) -> dict[str, Listing]:
        """A listing at most `FRESH_S` old.

        Raises:
            BucketAway: the bucket cannot be listed, or does not answer in `PATIENCE_S`.
        """
        if self.away is not None or monotonic() - self._asked_at > FRESH_S:
            try:
                await asyncio.wait_for(asyncio.shield(self._ask()), PATIENCE_S)
            except TimeoutError:
                raise BucketAway(self.url, f"no answer in {PATIENCE_S:.0f} s") from None
        if self.away is not None:
            raise self.away
        return self._listings

    def _ask(self) -> asyncio.Task[None]:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._list())
        return self._asking

    async def _list(self) -> None:
        try:
            self._listings = await asyncio.to_thread(lambda: list_checkpoints(self.bucket()))
            self.away = None
        except BucketAway as error:
            self.away = error
        self._asked_at = monotonic()
