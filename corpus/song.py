"""What goes through this room: a track that lyrics are looked for, a song that was read, and what could not be read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Track:
    """What a playlist or a list says of a song."""

    artist: str
    title: str
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A song with its words as they were read: not cleaned, and nobody has said yet whose they are."""

    artist: str
    """Empty where the source does not say."""
    title: str
    text: str
    source: str
    """What it was read from, for people: the name of a file, or of a file in an archive."""
    url: str = ""
    line: int | None = None
    """Of the source, from 1; None where a source holds one song, or is not made of lines."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be read, in words for the person who brought it."""

    where: str
    """`songs.csv, line 12`."""
    message: str
    """What is wrong and what to do about it."""
