"""What a training is told from outside while it works: to stop early, or to hand its work back.

SIGUSR1 sets a flag. SIGTERM and SIGINT raise `HandedBack` where the main thread stands, so that nothing has to be asked
between two long operations; a shield holds it off while something is half done.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class HandedBack(BaseException):
    """The training was told to stop; what it has is to be kept. No `except Exception` is to catch it."""


class Wishes:
    """Nobody's wishes until `listen` is called, which only the main thread may."""

    def __init__(self) -> None:
        self.stop_early = False
        self.is_told_to_stop = False
        self._shields = 0

    def listen(self) -> None:
        """From now on signals are wishes."""
        signal.signal(signal.SIGUSR1, self._on_stop_early)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)

    @contextmanager
    def shield(self) -> Iterator[None]:
        """What is done inside is done whole.

        Raises:
            HandedBack: afterwards, when it was wished meanwhile.
        """
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        self.obey()

    def obey(self) -> None:
        """Stop here if that was wished.

        Raises:
            HandedBack: it was.
        """
        if self.is_told_to_stop and not self._shields:
            self._shields += 1  # told once: who now saves and tidies up is not told again
            raise HandedBack

    def _on_stop_early(self, _number: int, _frame: FrameType | None) -> None:
        self.stop_early = True

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.is_told_to_stop = True
        if threading.current_thread() is threading.main_thread():
            self.obey()
