"""Syllables of words and of lines: how a line is cut into words that are heard, and all the ways it can be said.

Knows nothing of rhyme and metre; says only which stresses a dictionary gives, not which the beat will ask for.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from lyrics.arpabet import Phones, bare, is_vowel, num_syllables, stresses
from lyrics.numerals import spoken_number
from lyrics.phones import Lexicon

__all__ = ["Reading", "Syllable", "num_syllables", "readings", "stresses", "syllabify", "words_of"]

MAX_READINGS = 256  # a line of ten words with two readings each has 1,024; nobody asks for the last of them

# What English lets a syllable begin with, beside any one consonant but NG.
# Source: Hammond, The Phonology of English (1999), chapter 3.
_ONSETS = frozenset(
    tuple(cluster.split())
    for cluster in (
        "P R,P L,P Y,B R,B L,B Y,T R,T W,D R,D W,K R,K L,K W,K Y,G R,G L,G W,G Y,F R,F L,F Y,V Y,V R,V L,TH R,TH W,"
        "SH R,SH M,SH N,SH L,S P,S T,S K,S M,S N,S L,S W,S F,S V,M Y,HH Y,S P R,S P L,S P Y,S T R,S K R,S K W,"
        "S K L,S K Y"
    ).split(",")
)


class Syllable(NamedTuple):
    """One syllable: what stands before the vowel, the vowel without its digit, what stands after it, and its stress."""

    onset: Phones
    nucleus: str
    coda: Phones
    stress: int


def syllabify(phones: Phones) -> tuple[Syllable, ...]:
    """The syllables of a word; consonants between two vowels go to the second as far as English lets them.

    >>> [syllable.onset for syllable in syllabify(tuple("M IH0 S T EY1 K".split()))]
    [('M',), ('S', 'T')]
    >>> syllabify(tuple("S T R IY1 T".split()))
    (Syllable(onset=('S', 'T', 'R'), nucleus='IY', coda=('T',), stress=1),)
    """
    at = [index for index, phone in enumerate(phones) if is_vowel(phone)]
    starts = [_onset_start(phones, before, vowel) for before, vowel in zip([-1, *at[:-1]], at, strict=True)]
    ends = [*starts[1:], len(phones)]
    return tuple(
        Syllable(phones[start:vowel], bare(phones[vowel]), phones[vowel + 1 : end], int(phones[vowel][-1]))
        for start, vowel, end in zip(starts, at, ends, strict=True)
    )


def _onset_start(phones: Phones, before: int, vowel: int) -> int:
    """Where the onset of `vowel` starts; `before` is the vowel before it, or -1 where the word begins."""
    if before < 0:
        return 0
    start = vowel
    while start - 1 > before and _can_begin(phones[start - 1 : vowel]):
        start -= 1
    return start


def _can_begin(onset: Phones) -> bool:
    return onset in _ONSETS if len(onset) > 1 else onset != ("NG",)


_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ`´′", "'"))
_TOKEN = re.compile(
    r"\$?\d[\d,]*(?:\.\d+)?(?:st|nd|rd|th|'?s|k|%)?(?![a-z\d])|\d+|(?:[a-z]\.){2,}|'?[a-z]+(?:'[a-z]+)*'?|[&+@%]"
)
_SIGNS = {"&": "and", "+": "plus", "@": "at", "%": "percent"}


def words_of(line: str) -> tuple[str, ...]:
    """The words of a line as the ear hears them: lower case, hyphens open, numbers and signs spoken, no punctuation.

    An apostrophe stays where it may be part of the word (`trappin'`, `'cause`, `o'er`); quotation marks go.

    >>> words_of("Ridin' 24/7 in a low-key '64, 'cause I'm the best")
    ("ridin'", 'twenty', 'four', 'seven', 'in', 'a', 'low', 'key', 'sixty', 'four', "'cause", "i'm", 'the', 'best')
    >>> words_of('She said “don’t” & left')
    ('she', 'said', "don't", 'and', 'left')
    >>> words_of("Café à 9:30 -- R.I.P.")
    ('cafe', 'a', 'nine', 'thirty', 'r', 'i', 'p')
    """
    plain = unicodedata.normalize("NFKD", line.translate(_APOSTROPHES)).lower()
    plain = "".join(mark for mark in plain if not unicodedata.combining(mark))
    words: list[str] = []
    for found in _TOKEN.finditer(plain):
        token = found.group()
        if token in _SIGNS:
            words.append(_SIGNS[token])
        elif token[-1] == ".":
            words.extend(token.replace(".", ""))
        elif any(mark.isdigit() for mark in token):
            words.extend(spoken_number(token))
        else:
            words.append(_without_quotes(token))
    return tuple(word for word in words if word)


# Words that have lost their beginning or their end, and say so by an apostrophe.
_CLIPPED = frozenset(
    "'bout 'cause 'cuz 'cept 'course 'em 'er 'fore 'fraid 'gain 'gainst 'id 'im 'is 'kay 'lone 'long 'mid 'midst 'mong "
    "'mongst 'n 'nother 'neath 'nough 'nuff 'pon 'round 'scuse 'spose 'stead 'sup 'til 'till 'tude 'tis 'tisn't 'tween "
    "'twas 'twasn't 'twere 'twill 'twixt 'twould 'un 'uns 've 'way 'ere 'ome 'ead 'ouse 'eart 'n' an' ain' bes' bro' "
    "can' cap' didn' doan' don' fas' firs' fo' fr' gon' gran' han' i' jes' jus' lan' las' lea' lil' li'l' lo' mo' mos' "
    "mus' nex' no' o' ol' ole' ov' pas' po' san' sho' slep' so' sol' sta' t' th' tha' thro' tho' tol' wi' wid' worl' "
    "wan' whe' wha' yo' ya' y'".split()
)


def _without_quotes(token: str) -> str:
    """The token without the apostrophes at its ends that are quotation marks, as far as one token can tell."""
    if token in _CLIPPED:
        return token
    word = token[1:] if token[0] == "'" and token.rstrip("'") not in _CLIPPED else token
    return word if word in _CLIPPED or word.endswith("in'") else word.rstrip("'")


class Reading(NamedTuple):
    """One way to say a line. `words` has the phones word by word, so that metre knows where words begin."""

    num_syllables: int
    stresses: tuple[int, ...]
    phones: Phones
    words: tuple[Phones, ...]


def readings(line: str, lexicon: Lexicon) -> tuple[Reading, ...]:
    """All plausible ways to say the line, the likeliest first, at most 256; a line without words has one, of nothing.

    >>> [reading.num_syllables for reading in readings("Midnight on the corner", Lexicon())]
    [6, 6, 6, 6, 6, 6]
    >>> sorted({reading.num_syllables for reading in readings("set the night on fire", Lexicon())})
    [5, 6]
    """
    ways = [_distinct(lexicon, word) for word in words_of(line)]
    return tuple(islice(map(_reading, _likeliest_first([way for way in ways if way])), MAX_READINGS))


def _distinct(lexicon: Lexicon, word: str) -> tuple[Phones, ...]:
    return tuple(dict.fromkeys(pronunciation.phones for pronunciation in lexicon.pronunciations(word)))


def _likeliest_first(ways: list[tuple[Phones, ...]]) -> Iterator[tuple[Phones, ...]]:
    """Every choice of one way a word, first the one with only first ways, then those with one second way, and so on."""
    most = sum(len(way) - 1 for way in ways)
    for distance in range(most + 1):
        yield from _at_distance(ways, distance)


def _at_distance(ways: list[tuple[Phones, ...]], distance: int) -> Iterator[tuple[Phones, ...]]:
    if not ways:
        if distance == 0:
            yield ()
        return
    rest = sum(len(way) - 1 for way in ways[1:])
    for rank, phones in enumerate(ways[0]):
        if distance - rest <= rank <= distance:
            for tail in _at_distance(ways[1:], distance - rank):
                yield (phones, *tail)


def _reading(words: tuple[Phones, ...]) -> Reading:
    phones = tuple(phone for word in words for phone in word)
    return Reading(num_syllables(phones), stresses(phones), phones, words)
