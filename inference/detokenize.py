"""Bytes of tokens to text as they come: never half a character, never part of a stop string."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class TextStream:
    """The text of one take.

    >>> stream = TextStream(stops=("END",))
    >>> [stream.feed(part) for part in (b"caf", bytes([0xC3]), bytes([0xA9]), b" E", b"N", b"D!")]
    ['caf', '', 'é', ' ', '', '']
    >>> stream.stopped
    True
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self.so_far = ""
        """All text that was released."""
        self.stopped = False
        """Whether a stop string has come; what follows it is dropped."""
        self._stops = stops
        self._characters = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""  # what may yet turn out to be the start of a stop string

    def copy(self) -> TextStream:
        """A stream that has heard the same and goes its own way."""
        twin = TextStream(self._stops)
        twin.so_far, twin.stopped, twin._held = self.so_far, self.stopped, self._held
        twin._characters.setstate(self._characters.getstate())
        return twin

    def feed(self, part: bytes) -> str:
        """The text that is certain now that `part` has come."""
        text = self._release(self._characters.decode(part))
        self.so_far += text
        return text

    def finish(self) -> str:
        """The rest, at the end: an unfinished character as U+FFFD, an unfinished stop string as text."""
        text = self._release(self._characters.decode(b"", final=True)) + self._held
        self._held = ""
        return text

    def _release(self, text: str) -> str:
        if self.stopped:
            return ""
        text = self._held + text
        found = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)]
        hold = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - hold :]
        return text[: len(text) - hold]


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of `text` that begins `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
