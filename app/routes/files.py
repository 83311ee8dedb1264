"""Giving a file out, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from flask import Response


def file_answer(file_name: str, mime_type: str, pieces: Iterator[bytes]) -> Response:
    """A download; its name may hold any letters."""
    answer = Response(pieces, mimetype=mime_type)
    plain_name = file_name.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_")
    answer.headers["Content-Disposition"] = (
        f"attachment; filename=\"{plain_name}\"; filename*=UTF-8''{quote(file_name)}"
    )
    return answer
