"""From the engine's thread to the event loop: pieces of text, one wake-up per step however many requests it served."""

from __future__ import annotations

import asyncio
import threading

from inference.sequence import Piece


class Inbox:
    """What has come for one request and was not taken yet. Lives on the event loop."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._filled = asyncio.Event()

    def put(self, pieces: list[Piece]) -> None:
        """Add what one step brought."""
        self._pieces.extend(pieces)
        self._filled.set()

    async def take(self, timeout_s: float) -> list[Piece]:
        """Everything that has come, waiting for the first piece; nothing when none came in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._filled.wait()
        except TimeoutError:
            return []
        taken, self._pieces = self._pieces, []
        self._filled.clear()
        return taken


class Postman:
    """Carries pieces across. Waking the loop costs a system call, so it is done once for all that is in the bag."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._bag: list[tuple[Inbox, list[Piece]]] = []

    def drop(self, inbox: Inbox, pieces: list[Piece]) -> None:
        """Send pieces to an inbox; from any thread. After the loop has closed they are lost, as is who waited."""
        with self._lock:
            self._bag.append((inbox, pieces))
            first = len(self._bag) == 1
        if first and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._go_round)

    def _go_round(self) -> None:
        with self._lock:
            bag, self._bag = self._bag, []
        for inbox, pieces in bag:
            inbox.put(pieces)
