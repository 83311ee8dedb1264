"""The songs that Cowboy is trained on: Lomax's book split, cleaned, rid of copies, and of what nobody should sing on.

A song is left out whole, not in part: what is said around such a word is seldom better than the word. It is better to
lose a song too many than to keep one too few.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from corpus.cleaning import clean
from corpus.matching import key
from corpus.near import duplicates
from corpus.song import Draft
from corpus.uploads import read_upload
from corpus.version import FrozenSong
from lyrics.explicit import is_explicit

NAME = "Cowboy Songs and Other Frontier Ballads"
URL = "https://www.gutenberg.org/ebooks/21300"
NOTE = f"John A. Lomax, {NAME} (1910), Project Gutenberg 21300: {URL}"

SLURS = re.compile(
    r"""\b(?: nigg\w* | nigs? | negro\w* | coons? | dark(?:y|ie|ey)s? | darkies | sambo | pickaninn\w* | mulatto\w*
    | chinks? | chinee\w* | chinam[ae]n | celestials | japs? | coolies?
    | greasers? | spics? | dagos?
    | squaws? | injuns? | redskins? | red[ ]skins? | half-?breeds? | papooses? | savages?
    | heathens? | siwash\w* )\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Words of contempt for peoples that the book's time wrote without a thought, in whatever sense a song has them. What
`lyrics.explicit` lists, which knows today's, is left out besides."""


class Chosen(NamedTuple):
    """The songs, and how many were left out for each reason."""

    songs: list[FrozenSong]
    left_out: dict[str, int]


def read_book(path: Path) -> Chosen:
    """The songs of the book's plain text that may be trained on, in its order.

    Raises:
        ValueError: there are no songs in it.
    """
    drafts = [found for found in read_upload("book.txt", path) if isinstance(found, Draft)]
    if not drafts:
        raise ValueError(f"{path} holds no songs: bring the plain text of Project Gutenberg's book 21300, {URL}")
    return choose(drafts)


def choose(drafts: Iterable[Draft]) -> Chosen:
    """The drafts that may be trained on, cleaned.

    >>> range_song = "I ride the range\\nfrom dawn to dark"
    >>> verses = [range_song, "the greaser rode\\nthe greaser fell", range_song, "O bury me not\\non the lone prairie"]
    >>> songs, left_out = choose(Draft("", f"Song {n}", verse, "book") for n, verse in enumerate(verses))
    >>> [song.title for song in songs], left_out
    (['Song 0', 'Song 3'], {'a slur': 1, 'a copy of another': 1})
    """
    left_out: dict[str, int] = {}
    held: list[FrozenSong] = []
    for draft in drafts:
        text = clean(draft.text).text
        why = "a slur" if SLURS.search(f"{draft.title}\n{text}") else "an explicit word" if is_explicit(text) else ""
        if why:
            left_out[why] = left_out.get(why, 0) + 1
            continue
        held.append(
            FrozenSong(
                key=str(key(draft.artist, draft.title)),
                artist=draft.artist,
                title=draft.title,
                text=text,
                source="book",
                url=URL,
                rights="public_domain",
                rights_note=NOTE,
            )
        )
    copies = duplicates((str(place), song.text) for place, song in enumerate(held))
    if copies:
        left_out["a copy of another"] = len(copies)
    return Chosen([song for place, song in enumerate(held) if str(place) not in copies], left_out)
