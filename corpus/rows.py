"""Rows of CSV and TSV, read so that one broken quotation mark costs its own row and no other.

A plain CSV reader takes everything after a quotation mark that never closes for one field. Here such a row is handed
back as broken, and reading goes on with the line after it. Knows nothing of songs.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

MAX_ROW_CHARS = 400_000


class Row(NamedTuple):
    """Its fields and the line it begins in, from 1; no fields where the quotation marks of the line are broken."""

    line: int
    fields: list[str] | None


def read_rows(lines: Iterable[str], delimiter: str, max_lines: int = 1) -> Iterator[Row]:
    """Rows in order, without empty ones; a quoted field may go on over `max_lines` lines.

    >>> list(read_rows(['a,"b', 'c,"d, e"'], ","))
    [Row(line=1, fields=None), Row(line=2, fields=['c', 'd, e'])]
    >>> list(read_rows(['a,"b', 'c"', 'd,e'], ",", max_lines=9))
    [Row(line=1, fields=['a', 'b\\nc']), Row(line=3, fields=['d', 'e'])]
    """
    csv.field_size_limit(MAX_ROW_CHARS)  # of the process; what it is at first is too little for a long song
    source = iter(lines)
    ahead: deque[str] = deque()  # lines that were read in search of a closing mark
    number = 0
    while True:
        if not ahead:
            ahead.extend(islice(source, 1))
        if not ahead:
            return
        num_lines = _num_lines(ahead, source, max_lines)
        fields = _fields([ahead[at] for at in range(num_lines)], delimiter) if num_lines else None
        taken = num_lines if fields is not None else 1
        blank = not any(ahead[at].strip() for at in range(taken))
        for _ in range(taken):
            ahead.popleft()
        if not blank:
            yield Row(number + 1, fields)
        number += taken


def _num_lines(ahead: deque[str], source: Iterator[str], max_lines: int) -> int:
    """Of how many lines the row at the front is; 0 when its quotation marks stay open."""
    num_marks, num_chars = 0, 0
    for at in range(max_lines):
        if at == len(ahead):
            ahead.extend(islice(source, 1))
        if at == len(ahead):
            return 0
        num_marks += ahead[at].count('"')
        num_chars += len(ahead[at])
        if num_marks % 2 == 0:
            return at + 1
        if num_chars > MAX_ROW_CHARS:
            return 0
    return 0


def _fields(lines: list[str], delimiter: str) -> list[str] | None:
    text = "\n".join(line.rstrip("\r\n") for line in lines)
    try:
        rows = list(csv.reader([text], delimiter=delimiter, strict=True, skipinitialspace=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None
