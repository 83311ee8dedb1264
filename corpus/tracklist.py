"""Pasted lists of songs: lines of "Artist - Title", or CSV or TSV as spreadsheets and playlist exporters write it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from corpus.rows import Row, read_rows
from corpus.song import Problem, Track

MAX_TRACKS = 10_000
MAX_PROBLEMS = 1_000  # the rest is counted, by line numbers
MAX_NAME = 300
MAX_DURATION_S = 36_000.0

_ARTIST = (
    "artist",
    "artist name",
    "artist name(s)",
    "artists",
    "artist(s)",
    "performer",
    "band",
    "track artist",
    "singer",
)
_TITLE = ("title", "track", "track name", "song", "song title", "name", "track title", "song name")
_DURATION = (
    "duration",
    "length",
    "time",
    "duration_s",
    "duration (s)",
    "duration_ms",
    "duration (ms)",
    "track duration (ms)",
)
_DASH = re.compile(r"\s+[-–—]+\s+|\s*[–—]\s*|\t+")
_ENUMERATED = re.compile(r"^\s*\d{1,5}\s*[.):]\s+")
_TRAILING_TIME = re.compile(r"\s+[\[(]?(\d{1,3}:\d\d(?::\d\d)?)[\])]?\s*$")


class Tracks(NamedTuple):
    """What was read, in order, and what could not be: each line of a list is in one of the two."""

    tracks: list[Track]
    problems: list[Problem]


class _Columns(NamedTuple):
    artist: int
    title: int
    duration: int | None
    is_ms: bool


def read_tracks(text: str) -> Tracks:
    """The tracks of a list; blank lines and a header are neither tracks nor problems.

    >>> read_tracks("Ada Quill - Low Tide\\nHarbour Lights").tracks
    [Track(artist='Ada Quill', title='Low Tide', duration_s=None)]
    >>> read_tracks("title,artist,duration\\n\\"Low Tide, Part 2\\",Ada Quill,3:25").tracks
    [Track(artist='Ada Quill', title='Low Tide, Part 2', duration_s=205.0)]
    """
    lines = text.lstrip("\ufeff").replace("\0", "").splitlines()
    first = next((line for line in lines if line.strip()), "")
    for delimiter in ("\t", ";", ","):
        header = next(iter(read_rows([first], delimiter)), Row(0, None)).fields
        columns = _columns(header or [])
        if columns:
            return _gathered(_from_rows(lines, delimiter, columns, first))
    found = _delimiter(lines)
    if found:
        return _gathered(_from_rows(lines, found, _Columns(0, 1, 2, is_ms=False), None))
    return _gathered(_from_lines(lines))


def seconds(written: str, is_ms: bool = False) -> float | None:
    """A duration as people and programs write it: 3:25, 1:02:03, 205, 205.4, 205000 (milliseconds); None if it is none.

    >>> seconds("3:25"), seconds("205.4"), seconds("205000"), seconds("soon")
    (205.0, 205.4, 205.0, None)
    """
    written = written.strip()
    if re.fullmatch(r"(?:\d{1,2}:)?\d{1,3}:\d\d", written):
        total = 0.0
        for part in written.split(":"):
            total = total * 60 + int(part)
        return total if total <= MAX_DURATION_S else None
    if not re.fullmatch(r"\d{1,9}(?:\.\d{1,6})?", written):
        return None
    number = float(written)
    number = number / 1000 if is_ms or number >= MAX_DURATION_S else number
    return number if 0 < number <= MAX_DURATION_S else None


def _gathered(found: Iterator[tuple[int, Track | str]]) -> Tracks:
    """Tracks and problems, up to the limits; what is beyond them is told by its lines."""
    tracks: list[Track] = []
    problems: list[Problem] = []
    unread: list[int] = []
    beyond: list[int] = []
    for line, what in found:
        if isinstance(what, str):
            if len(problems) < MAX_PROBLEMS:
                problems.append(Problem(f"line {line}", what))
            else:
                unread.append(line)
        elif len(tracks) < MAX_TRACKS:
            tracks.append(what)
        else:
            beyond.append(line)
    if unread:
        words = f"{len(unread):,} more lines could not be read either: mend the list and paste it again"
        problems.append(Problem(f"lines {unread[0]:,} to {unread[-1]:,}", words))
    if beyond:
        words = (
            f"a list may have {MAX_TRACKS:,} songs and this one has {len(beyond):,} more, which were left out:"
            " put them into a second list"
        )
        problems.insert(0, Problem(f"lines {beyond[0]:,} to {beyond[-1]:,}", words))
    return Tracks(tracks, problems)


def _columns(header: Sequence[str]) -> _Columns | None:
    names = [" ".join(name.casefold().split()) for name in header]
    artist = next((names.index(name) for name in _ARTIST if name in names), None)
    title = next((names.index(name) for name in _TITLE if name in names), None)
    if artist is None or title is None or artist == title:
        return None
    duration = next((names.index(name) for name in _DURATION if name in names), None)
    return _Columns(artist, title, duration, is_ms=duration is not None and "ms" in names[duration])


def _delimiter(lines: Sequence[str]) -> str | None:
    """What parts the columns of a list without a header; None for a list of lines."""
    some = [line for line in lines if line.strip()][:50]
    if not some or sum(bool(_DASH.search(line.replace("\t", ""))) for line in some) * 2 > len(some):
        return None
    for delimiter in ("\t", ";", ","):
        sizes = [len(row.fields) for row in read_rows(some, delimiter) if row.fields]
        if sizes and sum(size in (2, 3) for size in sizes) * 2 > len(some):
            return delimiter
    return None


def _from_rows(
    lines: Sequence[str], delimiter: str, columns: _Columns, header: str | None
) -> Iterator[tuple[int, Track | str]]:
    rows = read_rows(lines, delimiter)
    if header is not None:
        next(rows, None)
    for line, fields in rows:
        if fields is None:
            yield line, f"a quotation mark has no partner: {_quoted(lines[line - 1])}"
        elif len(fields) <= max(columns.artist, columns.title):
            yield line, f"an artist and a title are expected: {_quoted(lines[line - 1])}"
        else:
            at = columns.duration
            duration = seconds(fields[at], columns.is_ms) if at is not None and at < len(fields) else None
            yield line, _track(fields[columns.artist], fields[columns.title], duration)


def _from_lines(lines: Sequence[str]) -> Iterator[tuple[int, Track | str]]:
    filled = [line for line in lines if line.strip()]
    is_enumerated = sum(bool(_ENUMERATED.match(line)) for line in filled) * 2 > len(filled)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        words = _ENUMERATED.sub("", line) if is_enumerated else line
        time = _TRAILING_TIME.search(words)
        words = words[: time.start()] if time else words
        artist, dash, title = _parted(words.strip())
        if dash:
            yield number, _track(artist, title, seconds(time[1]) if time else None)
        else:
            yield number, f"write it as Artist - Title: {_quoted(line)}"


def _parted(line: str) -> tuple[str, bool, str]:
    found = _DASH.search(line)
    return (line[: found.start()], True, line[found.end() :]) if found else (line, False, "")


def _track(artist: str, title: str, duration_s: float | None) -> Track | str:
    artist, title = " ".join(artist.split()), " ".join(title.split())
    if not artist:
        return f"there is no artist: {_quoted(title)}"
    if not title:
        return f"there is no title: {_quoted(artist)}"
    if len(artist) > MAX_NAME or len(title) > MAX_NAME:
        return f"a name may have {MAX_NAME} letters: {_quoted(f'{artist} - {title}')}"
    return Track(artist, title, duration_s)


def _quoted(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= 80 else line[:79] + "…"
