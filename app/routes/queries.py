"""Reading what stands after the question mark."""

from __future__ import annotations

from flask import request

from app.errors import BadInput


def number_in_query(name: str, default: int) -> int:
    """A whole number, or `default` where none is given.

    Raises:
        BadInput: it is none.
    """
    text = request.args.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise BadInput(f"{name} must be a whole number.", field=name)
    return int(text)
