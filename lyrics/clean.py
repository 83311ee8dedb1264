"""A line as it is compared: lower case, no punctuation, no accents. Knows nothing of sound.

Two lines that differ only in case, marks, spacing or typographic apostrophes are the same line here.
"""

from __future__ import annotations

import re
import unicodedata

_APOSTROPHES = re.compile("['\u2018\u2019\u02bc\u0060\u00b4\u2032]")
_NOT_WORD = re.compile(r"[\W_]+")
_HEADING = re.compile(  # of a stripped line; it must take no more steps than a few for each character of a hostile one
    r"[\[<{].*[\]>}](?:\s*:)?|#.*|(?:pre-?chorus|verse|chorus|bridge|hook|intro|outro)\s*(?:\d+\s*)?:", re.IGNORECASE
)


def fold(text: str) -> str:
    """Lower case without accents, ligatures or full-width letters.

    >>> fold("Café ﬁre ＭＯＯＮ")
    'cafe fire moon'
    """
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def normalised_words(text: str) -> tuple[str, ...]:
    """The words of a text, across its line breaks, as they are compared.

    An apostrophe disappears, any other mark parts two words.

    >>> normalised_words("Don't stop, rock-'n'-roll\\nall NIGHT!")
    ('dont', 'stop', 'rock', 'n', 'roll', 'all', 'night')
    """
    return tuple(_NOT_WORD.sub(" ", _APOSTROPHES.sub("", fold(text))).split())


def clean_line(line: str) -> str:
    """A line as one string to compare.

    >>> clean_line("  Oh,  DON’T   stop! ")
    'oh dont stop'
    """
    return " ".join(normalised_words(line))


def is_heading(line: str) -> bool:
    """Whether a line names a section and is not sung.

    >>> is_heading("[Chorus]"), is_heading("Verse 2:"), is_heading("(I know)"), is_heading("Sing it")
    (True, True, False, False)
    """
    return bool(_HEADING.fullmatch(line.strip()))


def stanzas_of(text: str) -> list[list[str]]:
    """Sung lines, stanza by stanza; blank lines and headings part stanzas.

    >>> stanzas_of("[Verse]\\na cat\\na hat\\n\\n\\na dog\\n")
    [['a cat', 'a hat'], ['a dog']]
    """
    stanzas: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.strip() and not is_heading(line):
            stanzas[-1].append(line.strip())
        elif stanzas[-1]:
            stanzas.append([])
    return [stanza for stanza in stanzas if stanza]
