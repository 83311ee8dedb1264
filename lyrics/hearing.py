"""How a lyric sounds while it is being typed: syllables, stresses and rhymes, line by line and word by word.

What a line sounds like is remembered, and so are its rhymes with its neighbours, so that asking again after a key
costs one line. Says what is heard; knows nothing of what a form asks for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from string import ascii_uppercase
from typing import NamedTuple

from lyrics.arpabet import Phones, stresses
from lyrics.clean import is_heading
from lyrics.phones import Lexicon
from lyrics.rhyme import RhymeKind, rhyme_of_ends
from lyrics.syllables import words_of

REACH = 8  # lines back that a line is compared with
VOWEL_REACH = 3  # lines back over which equal vowels alone are heard as meant
MAX_END = 4  # words of a line's end, for mosaic rhymes
_REMEMBERED = 4_096  # lines and stanzas
_PIECE = re.compile(r"[^\s/\u2010-\u2015-]+")
_EDGES = re.compile(r"^[^\w'’&+@%$]+|[^\w'’&+@%$]+$")
_STRENGTHS = {
    RhymeKind.PERFECT: "perfect",
    RhymeKind.MOSAIC: "perfect",
    RhymeKind.FAMILY: "near",
    RhymeKind.ASSONANCE: "assonance",
    RhymeKind.MULTI: "assonance",
}
_ORDER = ("assonance", "near", "perfect")


class HeardWord(NamedTuple):
    """A word of a line. `start` and `end` count UTF-16 units, as browsers do; `word` is what is heard: `twenty four`
    for 24. `is_guessed` when no dictionary has it."""

    word: str
    start: int
    end: int
    num_syllables: int
    is_guessed: bool


class RhymeMark(NamedTuple):
    """What the last word of a line rhymes with: the letter of its group within the stanza, and how strongly."""

    group: str
    strength: str
    start: int
    end: int


class HeardLine(NamedTuple):
    """A line by its number from 1. Blank lines and headings have no words."""

    number: int
    num_syllables: int
    stresses: tuple[int, ...]
    words: tuple[HeardWord, ...]
    rhyme: RhymeMark | None


class End:
    """The end of a line in all the ways to say it. Compared by identity: the same line has the same end."""

    def __init__(self, word: str, ways: tuple[tuple[Phones, ...], ...]) -> None:
        self.word = word
        self.ways = ways


class Sound(NamedTuple):
    """A line without its place, in the likeliest way to say it."""

    num_syllables: int
    stresses: tuple[int, ...]
    words: tuple[HeardWord, ...]
    end: End


def hear(text: str, lexicon: Lexicon) -> tuple[HeardLine, ...]:
    """Each line of a text, blank ones too; a line's number is the one that an editor shows.

    >>> lines = hear("Midnight on the corner and the neon's running low\\nNo place to go", Lexicon())
    >>> lines[0].num_syllables, lines[0].stresses[:4], lines[0].words[0]
    (13, (1, 2, 1, 0), HeardWord(word='midnight', start=0, end=8, num_syllables=2, is_guessed=False))
    >>> lines[1].rhyme
    RhymeMark(group='A', strength='perfect', start=12, end=14)
    """
    sounds = [sound_of(line, lexicon) for line in text.split("\n")]
    lines: list[HeardLine] = []
    for stanza in _stanzas(sounds):
        marks = _marks(tuple(sound.end for sound in stanza))
        for sound, mark in zip(stanza, marks, strict=True):
            last = sound.words[-1] if sound.words else None
            rhyme = RhymeMark(*mark, last.start, last.end) if mark and last else None
            lines.append(HeardLine(len(lines) + 1, sound.num_syllables, sound.stresses, sound.words, rhyme))
    return tuple(lines)


def _stanzas(sounds: Sequence[Sound]) -> list[list[Sound]]:
    """Lines that stand together; what is not sung stands alone."""
    stanzas: list[list[Sound]] = []
    for index, sound in enumerate(sounds):
        if index and sound.words and sounds[index - 1].words:
            stanzas[-1].append(sound)
        else:
            stanzas.append([sound])
    return stanzas


@lru_cache(maxsize=_REMEMBERED)
def sound_of(line: str, lexicon: Lexicon) -> Sound:
    """How one line sounds; a blank line and a heading are silent.

    >>> sound_of("Midnight on the corner", Lexicon()).num_syllables
    6
    """
    if is_heading(line):
        return Sound(0, (), (), End("", ()))
    words: list[HeardWord] = []
    spoken: list[str] = []
    beat: list[int] = []
    for found in _PIECE.finditer(line):
        heard = words_of(found.group())
        if not heard:
            continue
        ways = [lexicon.pronunciations(word) for word in heard]
        said = [stress for way in ways if way for stress in stresses(way[0].phones)]
        is_guessed = any(not way or way[0].source == "g2p" for way in ways)
        words.append(HeardWord(" ".join(heard), *_place(line, found, heard), len(said), is_guessed))
        spoken += heard
        beat += said
    return Sound(len(beat), tuple(beat), tuple(words), _end_of(spoken, lexicon))


def _place(line: str, found: re.Match[str], heard: Sequence[str]) -> tuple[int, int]:
    """Where a word begins and ends, without its punctuation."""
    piece = found.group()
    start, end = found.span()
    edges = [mark.span() for mark in _EDGES.finditer(piece)]
    start, end = (
        start + next((after for before, after in edges if before == 0), 0),
        start + next((before for before, after in edges if after == len(piece)), len(piece)),
    )
    while end - start > 1 and line[start] in "'’" and not heard[0].startswith("'"):
        start += 1
    while end - start > 1 and line[end - 1] in "'’" and not heard[-1].endswith("'"):
        end -= 1
    return _in_browser(line, start), _in_browser(line, end)


def _in_browser(line: str, offset: int) -> int:
    return offset if line.isascii() else offset + sum(char > "\uffff" for char in line[:offset])


def _end_of(words: Sequence[str], lexicon: Lexicon) -> End:
    """All ways to say the last word, the likeliest to say those before it."""
    if not words:
        return End("", ())
    before = [known[0].phones for word in words[-MAX_END:-1] if (known := lexicon.pronunciations(word))]
    last = dict.fromkeys(way.phones for way in lexicon.pronunciations(words[-1]))
    return End(words[-1], tuple((*before, phones) for phones in last))


@lru_cache(maxsize=_REMEMBERED)
def _marks(ends: tuple[End, ...]) -> tuple[tuple[str, str] | None, ...]:
    """Per line of a stanza the letter of its group and its strength, or None when it rhymes with no other line."""
    pairs = [
        (strength, one, other)
        for other in range(len(ends))
        for one in range(other - 1, max(-1, other - 1 - REACH), -1)
        if (strength := _strength(ends[one], ends[other])) >= 0 and (strength or other - one <= VOWEL_REACH)
    ]
    groups = _grouped(ends, pairs)
    strengths = [-1] * len(ends)
    for strength, one, other in pairs:
        if groups[one] == groups[other]:
            strengths[one] = max(strengths[one], strength)
            strengths[other] = max(strengths[other], strength)
    letters: dict[int, str] = {}
    for group, strength in zip(groups, strengths, strict=True):
        if strength >= 0:
            letters.setdefault(group, _letter(len(letters)))
    return tuple(
        (letters[group], _ORDER[strength]) if strength >= 0 else None
        for group, strength in zip(groups, strengths, strict=True)
    )


def _grouped(ends: Sequence[End], pairs: Sequence[tuple[int, int, int]]) -> list[int]:
    """A group per line. Perfect rhymes make groups; what is less only takes in lines that stand alone, so that
    night, mind, light, kind are two groups and not one. A repeated word stays in its group."""
    groups = list(range(len(ends)))
    members = {group: [group] for group in groups}
    latest: dict[str, int] = {}

    def join(one: int, other: int) -> None:
        kept, gone = sorted((groups[one], groups[other]))
        if kept != gone:
            for line in members[gone]:
                groups[line] = kept
            members[kept] += members.pop(gone)

    for line, end in enumerate(ends):
        if end.word in latest and line - latest[end.word] <= REACH:
            join(latest[end.word], line)
        latest[end.word] = line
    for strength, one, other in sorted(pairs, key=lambda pair: -pair[0]):
        if strength == len(_ORDER) - 1 or 1 in (len(members[groups[one]]), len(members[groups[other]])):
            join(one, other)
    return groups


def _letter(number: int) -> str:
    """A to Z, then A2 to Z2."""
    turn, place = divmod(number, len(ascii_uppercase))
    return ascii_uppercase[place] + (str(turn + 1) if turn else "")


@lru_cache(maxsize=16 * _REMEMBERED)
def _strength(one: End, other: End) -> int:
    """The place in `_ORDER` of the closest rhyme in any way of saying both, or -1."""
    if one.word == other.word:
        return -1
    kinds = (rhyme_of_ends(*ways).kind for ways in product(one.ways, other.ways))
    return max((_ORDER.index(_STRENGTHS[kind]) for kind in kinds if kind in _STRENGTHS), default=-1)
