"""How words sound. One question: which ways are there to say this word, the likeliest first?

Five sources answer, the first that knows: the writer's own pronunciations, a hand-checked list of slang, two
dictionaries (CMUdict and misaki's), rules over these, and a small network for the rest. Knows nothing of lines.
"""

from __future__ import annotations

import lzma
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from lyrics.arpabet import Phones, num_syllables, parse
from lyrics.g2p import guess
from lyrics.rules import by_rule

__all__ = ["Lexicon", "Phones", "Pronunciation", "normal"]

DICTIONARY = Path(__file__).parent / "dictionary"
MAX_RULES = 3  # rules upon rules: un-follow-er-s
_SOURCES = {"c": "cmudict", "m": "misaki"}
_SPELLED = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'", "æ": "ae", "œ": "oe", "ø": "o", "ß": "ss", "ł": "l"})


class Pronunciation(NamedTuple):
    """One way to say a word, and who says so: personal, slang, cmudict, misaki, rule or g2p."""

    phones: Phones
    source: str


class Lexicon:
    """All words, as one writer says them. Cheap to make: what is shipped is read once a process, when first asked."""

    def __init__(self, personal: Mapping[str, Phones] | None = None) -> None:
        self._personal = {normal(word): (phones,) for word, phones in (personal or {}).items()}
        self._found: dict[str, tuple[Pronunciation, ...]] = {}

    def with_personal(self, entries: Mapping[str, Phones]) -> Lexicon:
        """This lexicon for a writer who says these words so; a later entry replaces an earlier one.

        >>> mine = Lexicon().with_personal({"orange": ("AO1", "R", "IH0", "N", "JH")})
        >>> mine.pronunciations("orange"), "orange" in mine.consensus()
        ((Pronunciation(phones=('AO1', 'R', 'IH0', 'N', 'JH'), source='personal'),), True)
        """
        return Lexicon({word: ways[0] for word, ways in self._personal.items()} | dict(entries))

    def pronunciations(self, word: str) -> tuple[Pronunciation, ...]:
        """All ways to say the word, best first, all from the one source that knows it best; () without letters.

        >>> Lexicon().pronunciations("midnight")
        (Pronunciation(phones=('M', 'IH1', 'D', 'N', 'AY2', 'T'), source='cmudict'),)
        >>> [way.source for word in ("finna", "Trappin’", "zorbly", "---") for way in Lexicon().pronunciations(word)]
        ['slang', 'rule', 'g2p']
        """
        word = normal(word)
        found = self._found.get(word)
        if found is None:
            found = self._look_up(word)
            if len(self._found) < len(_words()):  # a bound: the keys come from what people type
                self._found[word] = found
        return found

    def consensus(self) -> Mapping[str, Phones]:
        """The words allowed in rhyme position: on their sound two independent pronouncers agree, and this writer's own.

        >>> " ".join(Lexicon().consensus()["delight"]), "live" in Lexicon().consensus()
        ('D IH0 L AY1 T', False)
        """
        return self._with_own(_marked("R"))

    def steady(self) -> Mapping[str, Phones]:
        """The words allowed anywhere in a line of counted syllables: all pronouncers count alike, and so do singers.

        >>> "live" in Lexicon().steady(), "fire" in Lexicon().steady()
        (True, False)
        """
        return self._with_own(_marked("RS"))

    def slang(self) -> Mapping[str, Phones]:
        """The words of the slang list on whose number of syllables nobody differs.

        >>> " ".join(Lexicon().slang()["tryna"])
        'T R AY1 N AH0'
        """
        ways = _slang().items()
        return {word: said[0] for word, said in ways if len({num_syllables(way) for way in said}) == 1}

    def _with_own(self, words: Mapping[str, Phones]) -> Mapping[str, Phones]:
        return MappingProxyType(
            {**words, **{word: ways[0] for word, ways in self._personal.items()}} if self._personal else words
        )

    def _look_up(self, word: str) -> tuple[Pronunciation, ...]:
        if not any(letter.isalpha() for letter in word):
            return ()
        if known := self._listed(word):
            return known
        if ways := self._ruled(word, MAX_RULES):
            return tuple(Pronunciation(way, "rule") for way in dict.fromkeys(ways))
        guessed = guess(word)
        return (Pronunciation(guessed, "g2p"),) if guessed else ()

    def _listed(self, word: str) -> tuple[Pronunciation, ...]:
        if word in self._personal:
            return tuple(Pronunciation(phones, "personal") for phones in self._personal[word])
        if word in _slang():
            return tuple(Pronunciation(phones, "slang") for phones in _slang()[word])
        entry = _words().get(word)
        if entry is None or self._is_clipped(word, entry):
            return ()
        return tuple(Pronunciation(tuple(way[2:].split()), _SOURCES[way[0]]) for way in entry[2:].split("|"))

    def _is_clipped(self, word: str, entry: str) -> bool:
        """Whether a rule knows better: dictionaries write -in' at random, and take `rollin` for a name."""
        return word.endswith("in'") or (word.endswith("in") and entry[0] == "-" and self._is_common(word + "g"))

    def _ruled(self, word: str, depth: int) -> tuple[Phones, ...]:
        def known(stem: str) -> tuple[Phones, ...]:
            listed = tuple(way.phones for way in self._listed(stem))
            return listed or (self._ruled(stem, depth - 1) if depth > 1 and len(stem) > 2 else ())

        return by_rule(word, known, self._is_common)

    def _is_common(self, word: str) -> bool:
        return word in self._personal or word in _slang() or _words().get(word, "-")[0] in "RS"


def normal(word: str) -> str:
    """The word as the dictionaries write it: lower case, straight apostrophes, no accents, nothing but letters.

    >>> normal("Beyoncé’s"), normal("“Yo!”")
    ("beyonce's", 'yo')
    """
    plain = unicodedata.normalize("NFKD", word.lower().translate(_SPELLED))
    return "".join(letter for letter in plain if "a" <= letter <= "z" or letter == "'")


@cache
def _words() -> dict[str, str]:
    """Word to `mark source:phones|source:phones`; read apart when asked for, since few are."""
    with lzma.open(DICTIONARY / "words.txt.xz", "rt", encoding="ascii") as lines:
        words_and_entries = lines.read().replace("\t", "\n").split("\n")
    return dict(zip(words_and_entries[::2], words_and_entries[1::2], strict=False))


@cache
def _marked(marks: str) -> dict[str, Phones]:
    entries = ((word, entry) for word, entry in _words().items() if entry[0] in marks)
    return {word: tuple(entry[2:].partition("|")[0][2:].split()) for word, entry in entries if word not in _slang()}


@cache
def _slang() -> dict[str, tuple[Phones, ...]]:
    """`slang.txt`: a word, a colon and its phones a line; other ways to say it after `|`; `#` begins a comment."""
    slang: dict[str, tuple[Phones, ...]] = {}
    for line in (DICTIONARY / "slang.txt").read_text(encoding="ascii").splitlines():
        entry = line.partition("#")[0].strip()
        if entry:
            word, _, ways = entry.partition(":")
            slang[word.strip()] = tuple(parse(way) for way in ways.split("|"))
    return slang
