"""Phoneme tasks: what a network is given beside songs, so that it learns how words sound and which of them rhyme.

Four kinds, all made from the songs' own lines: `next` (a line, then the next one, where the two truly rhyme), `g2p` (a
line, then its phones), `p2g` (the other way) and `p2p` (the phones of a line, then those of the next one that rhymes).
They are plain text with plain marks, so any tokenizer can write them, and each is a prompt and an answer: only the
answer is learned. Pure; knows `lyrics` and nothing of networks.

Phones are ARPAbet without digits: a stressed vowel stands in capitals, everything else in small letters, and ` | `
parts words. That is a quarter fewer tokens than `AY1` takes, and rhyme and beat need not know main from second stress.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, Protocol

from lyrics.arpabet import Phones, bare, is_vowel
from lyrics.clean import stanzas_of
from lyrics.phones import Lexicon
from lyrics.rhyme import RhymeKind, is_allowed, rhyme_of_ends
from lyrics.syllables import words_of

TaskKind = Literal["next", "g2p", "p2g", "p2p"]
KINDS: tuple[TaskKind, ...] = ("next", "g2p", "p2p", "p2g")
"""In the order in which they take turns."""
MAX_WORDS = 16  # of a line: longer ones are mostly prose, and their phones would fill a training
MAX_END = 4  # words of a line's end, for mosaic rhymes
_RHYMES = frozenset({RhymeKind.PERFECT, RhymeKind.MOSAIC})


class Song(Protocol):
    """All that is asked of a song."""

    @property
    def text(self) -> str:
        """Its words, line by line."""


class Task(NamedTuple):
    """One task. A network reads `prompt` and learns `answer`, which goes on right behind it."""

    kind: TaskKind
    prompt: str
    answer: str


class _Line(NamedTuple):
    """A line and the likeliest way to say it, word by word."""

    text: str
    words: tuple[str, ...]
    phones: tuple[Phones, ...]


def tasks(songs: Sequence[Song], seed: int) -> list[Task]:
    """All tasks that the songs have in them, each once.

    The four kinds take turns for as long as each lasts, so that any beginning of the list has as many of each; within
    a kind the order hangs on `seed` alone. Lines with a word that no dictionary knows are left out: nobody can tell
    whether what would be learned of them is true.

    >>> class Verse(NamedTuple):
    ...     text: str
    >>> for task in tasks([Verse("I walk in the night\\nI carry a light\\nand sing")], seed=0)[:4]:
    ...     task.kind, task.prompt + task.answer
    ('next', '[line] I walk in the night\\n[next] I carry a light\\n')
    ('g2p', '[line] I carry a light\\n[phones] AY | k AE r iy | ah | l AY t\\n')
    ('p2p', '[phones] AY | w AO k | ih n | dh ah | n AY t\\n[next phones] AY | k AE r iy | ah | l AY t\\n')
    ('p2g', '[phones] ah n d | s IH ng\\n[line] and sing\\n')
    """
    lexicon = Lexicon()
    found: dict[TaskKind, dict[Task, None]] = {kind: {} for kind in KINDS}
    for song in songs:
        for stanza in stanzas_of(song.text):
            for task in _of_stanza(stanza, lexicon):
                found[task.kind][task] = None
    chance = random.Random(seed)  # noqa: S311 - an order, not a secret
    decks = [sorted(found[kind]) for kind in KINDS]
    for deck in decks:
        chance.shuffle(deck)
    longest = max(map(len, decks))
    return [deck[turn] for turn in range(longest) for deck in decks if turn < len(deck)]


def spelled_phones(words: Iterable[Phones]) -> str:
    """The phones of words as tasks write them.

    >>> spelled_phones([("DH", "AH0"), ("M", "IH1", "D", "N", "AY2", "T")])
    'dh ah | m IH d n AY t'
    """
    return " | ".join(" ".join(map(_spelled, phones)) for phones in words)


def g2p_prompt(line: str) -> str:
    """What asks for the phones of a line.

    >>> g2p_prompt("and sing")
    '[line] and sing\\n[phones]'
    """
    return f"[line] {line}\n[phones]"


def said(line: str, lexicon: Lexicon) -> tuple[Phones, ...]:
    """The likeliest way to say a line, word by word; () when a dictionary misses one of its words, or it is too long.

    >>> said("zorbly night", Lexicon()), len(said("the night", Lexicon()))
    ((), 2)
    """
    words = words_of(line)
    ways = [lexicon.pronunciations(word) for word in words]
    if not 1 <= len(words) <= MAX_WORDS or any(not way or way[0].source == "g2p" for way in ways):
        return ()
    return tuple(way[0].phones for way in ways)


def _of_stanza(stanza: Sequence[str], lexicon: Lexicon) -> Iterator[Task]:
    lines = [_Line(line, words_of(line), said(line, lexicon)) for line in stanza]
    for line in lines:
        if line.phones:
            yield Task("g2p", g2p_prompt(line.text), f" {spelled_phones(line.phones)}\n")
            yield Task("p2g", f"[phones] {spelled_phones(line.phones)}\n[line]", f" {line.text}\n")
    for one, other in pairwise(lines):
        if _do_rhyme(one, other):
            yield Task("next", f"[line] {one.text}\n[next]", f" {other.text}\n")
            phones, following = spelled_phones(one.phones), spelled_phones(other.phones)
            yield Task("p2p", f"[phones] {phones}\n[next phones]", f" {following}\n")


def _do_rhyme(one: _Line, other: _Line) -> bool:
    """Whether two lines truly rhyme in the phones that the tasks will show; the same word, or sound, is no rhyme."""
    if not one.phones or not other.phones or one.words[-1] == other.words[-1]:
        return False
    rhyme = rhyme_of_ends(one.phones[-MAX_END:], other.phones[-MAX_END:])
    if rhyme.kind is RhymeKind.IDENTITY:
        return False
    return rhyme.kind in _RHYMES or is_allowed(one.phones[-1], other.phones[-1])


def _spelled(phone: str) -> str:
    if is_vowel(phone) and phone[-1] != "0":
        return bare(phone)
    return bare(phone).lower()
