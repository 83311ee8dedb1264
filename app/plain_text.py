"""Text from outside, made safe to keep: no control characters, no halves of characters, bounded length."""

from __future__ import annotations

import unicodedata

from app.errors import BadInput
from contracts.wire import NOT_TEXT

_JOINERS = "\u200c\u200d"


def checked_text(value: str, *, field: str, max_chars: int) -> str:
    """`value` with plain line ends.

    >>> checked_text("one\\r\\ntwo", field="text", max_chars=10)
    'one\\ntwo'

    Raises:
        BadInput: it is too long, or holds bytes that are not text.
    """
    if len(value) > max_chars:
        raise BadInput(
            f"{field} has {len(value):,} characters; {max_chars:,} are possible. Shorten it, or keep a part of it.",
            code=f"{field}_too_long",
            field=field,
        )
    if found := NOT_TEXT.search(value):
        raise BadInput(
            f"{field} holds a control character (U+{ord(found.group()):04X}) at position {found.start()}; "
            "only text, tabs and line ends can be kept.",
            code="not_text",
            field=field,
        )
    return value.replace("\r\n", "\n").replace("\r", "\n")


def checked_line(value: str, *, field: str, max_chars: int) -> str:
    """`value` on one line, for names and titles: what cannot be seen, or turns the direction of others, is left out.

    Joiners stay: some scripts need them.

    >>> checked_line(" \u202eA\u200b  song\n", field="title", max_chars=10)
    'A song'
    >>> checked_line("\u200d", field="title", max_chars=10)
    ''

    Raises:
        BadInput: as `checked_text`.
    """
    text = checked_text(value, field=field, max_chars=max_chars)
    seen = "".join(char for char in text if char in _JOINERS or unicodedata.category(char) != "Cf")
    return " ".join(seen.split()) if seen.strip(_JOINERS + " \n\t") else ""
