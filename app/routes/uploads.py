"""Receiving a file: read as it comes into a temporary file, never into memory, and gone when the request is over."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from flask import request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from app.errors import BadInput, TooLarge

OVERHEAD_BYTES = 1 << 20
"""What a multipart body may have besides the file."""
MAX_PARTS = 20
MAX_FIELD_BYTES = 1 << 20
"""More than the pieces that a body is read in: their buffer counts."""


class Received(NamedTuple):
    """A file that has arrived whole; `name` is what the sender calls it."""

    name: str
    path: Path


class _Bounded:
    """A file that takes no more than it may, and remembers that there was more.

    What is too much is read and thrown away: a sender that is cut off in the middle never reads why.
    """

    def __init__(self, file: IO[bytes], max_bytes: int) -> None:
        self._file = file
        self._left = max_bytes
        self.has_more = False

    def write(self, piece: bytes) -> int:
        if len(piece) > self._left:
            self.has_more = True
            self._left = 0
        if not self.has_more:
            self._left -= self._file.write(piece)
        return len(piece)

    def seek(self, offset: int) -> int:
        return self._file.seek(offset)


@contextmanager
def received_file(
    field: str, *, max_bytes: Callable[[str], int], most_bytes: int, too_large: Callable[[str], TooLarge]
) -> Iterator[Received]:
    """The one file of a multipart request, which must be the part called `field`.

    `max_bytes` tells by its name how large it may be, and refuses names by raising; `most_bytes` is the largest that
    it ever tells, and `too_large` makes the refusal of a file by name.

    Raises:
        BadInput: there is no such part, there are several files, or the request broke off.
        TooLarge: there is more than may be.
    """
    request.max_content_length = most_bytes + OVERHEAD_BYTES
    with tempfile.NamedTemporaryFile(prefix="ghost-upload-") as file:
        started: list[tuple[str, _Bounded]] = []

        def begin(
            total_content_length: int | None,  # noqa: ARG001 (werkzeug names them)
            content_type: str | None,  # noqa: ARG001
            filename: str | None,
            content_length: int | None = None,  # noqa: ARG001
        ) -> Any:
            name = filename or ""
            if started:
                raise BadInput("Send one file at a time.", code="several_files", field=field)
            bounded = _Bounded(file, max_bytes(name))
            started.append((name, bounded))
            return bounded

        parser = FormDataParser(
            stream_factory=begin, max_form_memory_size=MAX_FIELD_BYTES, max_form_parts=MAX_PARTS, silent=False
        )
        try:
            _, _, files = parser.parse(
                request.stream, request.mimetype, request.content_length, dict(request.mimetype_params)
            )
        except RequestEntityTooLarge:
            raise too_large(started[0][0] if started else "The file") from None
        except (ClientDisconnected, ValueError):
            raise BadInput(
                "The file broke off before all of it had arrived; nothing of it was kept. Send it again.",
                code="cut_off",
                field=field,
            ) from None
        if not started or files.get(field) is None:
            raise BadInput(f"Send the file as multipart/form-data, in the part `{field}`.", code="no_file", field=field)
        name, bounded = started[0]
        if bounded.has_more:
            raise too_large(name)
        file.flush()
        yield Received(name, Path(file.name))
