"""Explicit words in a text, also when they are disguised: sh1t, f*ck, f u c k, fuuuck, fu-ck, fu ck, ｆｕｃｋ, fuсk.

The list is `dictionary/explicit.txt`. A listed word counts as a whole word only, unless it has stars: so Scunthorpe,
class and cockpit pass. Knows nothing of meaning: what a word is used for makes no difference.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

LIST = Path(__file__).parent / "dictionary" / "explicit.txt"

# What a letter may be written as. A star hides any letter but a word's first.
_DISGUISES = {
    "a": "a4@", "b": "b8", "c": "ck(", "e": "e3", "g": "g9q", "h": "h#", "i": "i1!|l", "k": "kc", "l": "l1|", "o": "o0",
    "s": "sz5$", "t": "t7+", "u": "uv",
}  # fmt: skip
_LOOK_ALIKES = str.maketrans(
    "асеорухіѕкмнтвαοερυικντսոօհց€µ¡", "aceopyxiskmhtbaoepuikvtunohgeui"
)  # Cyrillic, Greek, Armenian
_MARKS = "4@8(39#1!|05$7+*"
_TOKEN = re.compile(rf"[a-z{re.escape(_MARKS)}][a-z'{re.escape(_MARKS)}]*")
_SPELLED_OUT = re.compile(r"(?<![a-z0-9'])[a-z@$!*0-9](?:[ \t.,\-_~/|·]{1,3}[a-z@$!*0-9](?![a-z0-9'])){2,}")
_PARTED = re.compile(r"[a-z@$!*0-9]+(?:[.\-_~/|·][a-z@$!*0-9]+)+")
# No English word is like this, so it is a piece of one: ck, sh, tch, s.
_PIECE = re.compile(r"(?=.*[a-z])[^aeiouy]+|(?:ck|tch|gg|ss|tt|zz|nt|rk|lt)[a-z]*")


class Found(NamedTuple):
    """An explicit word: where it stands in the text, and the listed word that it is."""

    start: int
    end: int
    word: str


def find_explicit(text: str) -> tuple[Found, ...]:
    """All explicit words of a text, in order, as they stand in it.

    >>> [found.word for found in find_explicit("Oh sh1t, what a f u c k i n g class in Scunthorpe, you b*tch")]
    ['shit', 'fuck', 'bitch']
    """
    folded, origin = _folded(text)
    folded = _clean_phrases().sub(lambda phrase: " " * len(phrase.group()), folded)
    found: list[Found] = []
    for start, end, token in _candidates(folded):
        word = _listed_as(token)
        if word and not any(other.start < origin[end] and origin[start] < other.end for other in found):
            found.append(Found(origin[start], origin[end], word))
    return tuple(sorted(found))


def is_explicit(text: str) -> bool:
    """Whether any explicit word stands in the text.

    >>> is_explicit("ASSES"), is_explicit("assess the bass"), is_explicit("kick your a$$")
    (True, False, True)
    """
    return bool(find_explicit(text))


def _candidates(folded: str) -> Iterator[tuple[int, int, str]]:
    """Stretches of the text that may be one word: tokens, letters spelled out, parts with marks or a space between."""
    tokens = [(match.start(), match.end(), match.group()) for match in _TOKEN.finditer(folded)]
    yield from tokens
    for match in _SPELLED_OUT.finditer(folded):
        joined = re.sub(r"[ \t.,\-_~/|·]", "", match.group())
        yield match.start(), match.end(), joined
        if joined[0] in "ai":  # "a f u c k"
            yield match.start(), match.end(), joined[1:]
    for match in _PARTED.finditer(folded):
        yield match.start(), match.end(), re.sub(r"[.\-_~/|·]", "", match.group())
    for left, right in pairwise(tokens):
        if (left[2], right[2]) in explicit_pairs() and folded[left[1] : right[0]].isspace():
            yield left[0], right[1], left[2] + right[2]
    for num in (2, 3):
        for parts in zip(*(tokens[offset:] for offset in range(num)), strict=False):
            gaps = (folded[left[1] : right[0]] for left, right in pairwise(parts))
            if all(gap.isspace() and len(gap) <= 2 for gap in gaps) and any(_is_piece(part[2]) for part in parts):
                yield parts[0][0], parts[-1][1], "".join(part[2] for part in parts)


def _is_piece(token: str) -> bool:
    return _PIECE.fullmatch(token) is not None


@lru_cache(maxsize=100_000)
def _listed_as(token: str) -> str | None:
    """The listed word that a token is, or None."""
    plain = token.replace("'", "")
    if not _clean().isdisjoint((token, plain, token.partition("'")[0])) or not _is_readable(plain):
        return None
    pattern, words = _pattern()
    for form in dict.fromkeys((plain, token.partition("'")[0], plain.strip("*"))):
        match = pattern.fullmatch(form)
        if match and match.lastgroup:
            return words[match.lastgroup]
    return None


def _is_readable(token: str) -> bool:
    """Whether a word can be guessed: not from 455, nor from zip****, but from f***."""
    num_letters = sum("a" <= letter <= "z" for letter in token)
    return num_letters >= 1 and (num_letters >= token.count("*") or token.rstrip("*") == token[0])


@cache
def _entries() -> tuple[str, ...]:
    lines = (line.partition("#")[0] for line in LIST.read_text(encoding="utf-8").splitlines())
    return tuple(word for line in lines for word in line.split())


@cache
def explicit_pairs() -> frozenset[tuple[str, str]]:
    """Clean words that are explicit side by side.

    >>> ("blow", "job") in explicit_pairs()
    True
    """
    pairs = (entry.partition("-") for entry in _entries() if entry[0] != "=" and "-" in entry)
    return frozenset((left, right) for left, _, right in pairs)


@cache
def _clean() -> frozenset[str]:
    return frozenset(entry[1:] for entry in _entries() if entry[0] == "=")


@cache
def _clean_phrases() -> re.Pattern[str]:
    phrases = (re.escape(entry).replace(r"\-", "[ -]") for entry in _clean() if "-" in entry)
    return re.compile(rf"\b(?:{'|'.join(sorted(phrases, reverse=True))})\b")


@cache
def _pattern() -> tuple[re.Pattern[str], dict[str, str]]:
    """One expression for the whole list, whose groups name the words."""
    words, alternatives = {}, []
    for index, entry in enumerate(entry for entry in _entries() if entry[0] != "="):
        word = words[f"w{index}"] = entry.strip("*")
        head, tail = (rf"[a-z{re.escape(_MARKS)}]*" if star == "*" else "" for star in (entry[0], entry[-1]))
        alternatives.append(f"(?P<w{index}>{head}{_disguised(word)}{tail})")
    return re.compile("|".join(alternatives)), words


def _disguised(word: str) -> str:
    """Each letter as any of its disguises and any number of times, but never fewer times than in the word."""
    parts = []
    for match in re.finditer(r"(.)\1*", word):
        hidden = "*" if match.start() else ""
        signs = re.escape(_DISGUISES.get(match.group(1), match.group(1)) + hidden)
        parts.append(f"[{signs}]{{{len(match.group())},}}")
    return "".join(parts)


def _folded(text: str) -> tuple[str, list[int]]:
    """The text in plain small letters, and for each of its letters, and its end, where it came from."""
    folded = [_plain(char) for char in text]
    origin = [index for index, plain in enumerate(folded) for _ in plain]
    return "".join(folded), [*origin, len(text)]


@lru_cache(maxsize=10_000)
def _plain(char: str) -> str:
    """One sign of a text as it is looked for; "" for what only stands between letters."""
    if unicodedata.category(char) in ("Cf", "Mn", "So"):  # zero-width and combining marks, and signs between letters
        return ""
    plain = char.lower() if char.isascii() else unicodedata.normalize("NFKD", char).casefold().translate(_LOOK_ALIKES)
    return "".join("'" if mark in "’‘ʼ" else mark for mark in plain if not unicodedata.combining(mark))
