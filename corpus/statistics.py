"""What a dataset is like, in figures and for plots: its size, its shapes, how it rhymes and scans, how explicit it is.

Knows texts only. Counting goes over all of them; what is slow to hear is taken of a sample that depends on the texts
alone, so the same dataset has the same figures in whatever order it is read.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field

from corpus.tongue import language
from lyrics.arpabet import Phones
from lyrics.clean import is_heading, normalised_words, stanzas_of
from lyrics.explicit import is_explicit
from lyrics.meters import rhyme_factor
from lyrics.metre import scan
from lyrics.phones import Lexicon
from lyrics.rhyme import RhymeKind, rhyme_kind
from lyrics.syllables import words_of

HEARD_SONGS = 500
"""Of these, chosen by hash, come rhyme factor and metre."""
SAMPLED_SONGS = 2_000
"""Of these, chosen by hash, come language and explicit words."""
HEARD_LINES = 80  # of a song, for metre and rhyme factor
MAX_SHAPES = 24  # that are named; the rest is "other"
MAX_SYLLABLES = 24  # of a line in the histogram; longer ones count as this

_SHAPE_LETTERS = {
    "verse": "V", "chorus": "C", "refrain": "C", "hook": "C", "pre-chorus": "P", "post-chorus": "T", "bridge": "B",
    "intro": "I", "outro": "O", "interlude": "N", "break": "N", "breakdown": "N", "instrumental": "N", "solo": "N",
}  # fmt: skip
_LABEL = re.compile(r"\s*\[\s*([a-z-]+)", re.IGNORECASE)
_RHYMES = frozenset({RhymeKind.PERFECT, RhymeKind.FAMILY, RhymeKind.MULTI})


class Statistics(BaseModel):
    """Figures of one dataset, or of one version of it."""

    model_config = ConfigDict(frozen=True)

    songs: int = 0
    lines: int = Field(0, description="sung lines, without blank ones and names of sections")
    words: int = 0
    vocabulary: int = Field(0, description="different words, whatever their case")
    section_shapes: dict[str, int] = Field(
        default_factory=dict, description='songs by their sections, "VCVC", or lines a stanza, "4-4-4", where unnamed'
    )
    couplets: int = Field(0, description="pairs of neighbouring lines that rhyme; no line is in two")
    abab_pairs: int = Field(0, description="four lines that rhyme crosswise; no line is in two")
    rhyme_factor: float = Field(0.0, description="mean over a sample of songs; see lyrics.meters.rhyme_factor")
    syllables: dict[int, int] = Field(default_factory=dict, description="lines by their number of syllables")
    metre: dict[str, float] = Field(default_factory=dict, description="share of the lines of a sample by foot, or free")
    explicit_share: float = Field(0.0, description="songs of a sample with an explicit word / all of the sample")
    languages: dict[str, float] = Field(default_factory=dict, description="share of the songs of a sample by language")
    heard_songs: int = Field(0, description="size of the sample for rhyme factor and metre")
    sampled_songs: int = Field(0, description="size of the sample for languages and explicit words")


def statistics(texts: Iterable[str]) -> Statistics:
    """Figures of all texts; they are read once, and at most `SAMPLED_SONGS` are held.

    >>> found = statistics(["[Verse 1]\\nI walk in the night\\nI carry a light\\n[Chorus]\\nOh the tide\\nOh the sea"])
    >>> found.songs, found.lines, found.couplets, found.section_shapes
    (1, 4, 1, {'VC': 1})
    """
    count = _Count()
    for text in texts:
        count.add(text)
    return count.result()


class _Count:
    """What is known of the texts so far."""

    def __init__(self) -> None:
        self._ear = _Ear()
        self._songs = self._lines = self._words = self._couplets = self._crossed = 0
        self._vocabulary: set[str] = set()
        self._shapes: Counter[str] = Counter()
        self._syllables: Counter[int] = Counter()
        self._sample: list[tuple[int, int, str]] = []  # the least hashes, as a heap with the greatest first

    def add(self, text: str) -> None:
        """Count a song."""
        stanzas = stanzas_of(text)
        self._songs += 1
        self._shapes[shape_of(text)] += 1
        for stanza in stanzas:
            words = normalised_words("\n".join(stanza))
            self._lines += len(stanza)
            self._words += len(words)
            self._vocabulary.update(words)
            heard = [words_of(line) for line in stanza]
            self._syllables.update(min(MAX_SYLLABLES, self._ear.num_syllables(line)) for line in heard if line)
            couplets, crossed = self._ear.rhymes([line[-1] if line else "" for line in heard])
            self._couplets += couplets
            self._crossed += crossed
        number = int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big")
        entry = (-number, self._songs, text)
        if len(self._sample) < SAMPLED_SONGS:
            heapq.heappush(self._sample, entry)
        elif entry > self._sample[0]:
            heapq.heapreplace(self._sample, entry)

    def result(self) -> Statistics:
        """The figures."""
        sampled = [text for _, _, text in sorted(self._sample, reverse=True)]
        heard = ["\n".join(_sung(text)) for text in sampled[:HEARD_SONGS]]
        factors = [rhyme_factor(text, self._ear.lexicon) for text in heard if text]
        feet = Counter(self._ear.foot(line) for text in heard for line in text.splitlines())
        tongues = Counter(language(text)[0] for text in sampled)
        common = dict(self._shapes.most_common(MAX_SHAPES))
        rest = self._songs - sum(common.values())
        return Statistics(
            songs=self._songs,
            lines=self._lines,
            words=self._words,
            vocabulary=len(self._vocabulary),
            section_shapes=common | ({"other": rest} if rest else {}),
            couplets=self._couplets,
            abab_pairs=self._crossed,
            rhyme_factor=round(sum(factors) / len(factors), 4) if factors else 0.0,
            syllables=dict(sorted(self._syllables.items())),
            metre=_shares(feet),
            explicit_share=round(sum(map(is_explicit, sampled)) / len(sampled), 4) if sampled else 0.0,
            languages=_shares(tongues),
            heard_songs=len(heard),
            sampled_songs=len(sampled),
        )


def shape_of(text: str) -> str:
    """Sections of a song by their letters, repeats of one as one; lines of its stanzas where no section has a name.

    >>> shape_of("[Verse 1]\\na\\n\\nb\\n[Chorus]\\nc\\n[Verse 2]\\nd"), shape_of("a\\nb\\n\\nc\\nd"), shape_of("")
    ('VCV', '2-2', '')
    """
    letters: list[str] = []
    for line in text.splitlines():
        found = _LABEL.match(line) if is_heading(line) else None
        letter = _SHAPE_LETTERS.get(found[1].lower()) if found else None
        if letter:
            letters.append(letter)
    if letters:
        return "".join(letters[:24])
    return "-".join(str(len(stanza)) for stanza in stanzas_of(text)[:16])


def _sung(text: str) -> list[str]:
    return [line for stanza in stanzas_of(text) for line in stanza][:HEARD_LINES]


def _shares(counted: Counter[str]) -> dict[str, float]:
    total = counted.total()
    return {name: round(number / total, 4) for name, number in counted.most_common()}


class _Ear:
    """Likeliest sounds of words, remembered."""

    def __init__(self) -> None:
        self.lexicon = Lexicon()
        self._phones = lru_cache(maxsize=100_000)(self._look_up)
        self._do_rhyme = lru_cache(maxsize=100_000)(self._compare)

    def num_syllables(self, words: Sequence[str]) -> int:
        return sum(self._phones(word)[1] for word in words)

    def foot(self, line: str) -> str:
        return scan(line, self.lexicon).metre or "free"

    def rhymes(self, ends: Sequence[str]) -> tuple[int, int]:
        """Couplets and crosswise fours among the last words of the lines of a stanza."""
        couplets = crossed = at = 0
        while at + 1 < len(ends):
            if self._do_rhyme(ends[at], ends[at + 1]):
                couplets, at = couplets + 1, at + 2
            elif at + 3 < len(ends) and all(self._do_rhyme(ends[at + k], ends[at + k + 2]) for k in (0, 1)):
                crossed, at = crossed + 1, at + 4
            else:
                at += 1
        return couplets, crossed

    def _look_up(self, word: str) -> tuple[Phones, int]:
        ways = self.lexicon.pronunciations(word)
        phones = ways[0].phones if ways else ()
        return phones, sum(phone[-1].isdigit() for phone in phones)

    def _compare(self, one: str, other: str) -> bool:
        a, b = self._phones(one), self._phones(other)
        return bool(a[1] and b[1]) and rhyme_kind(a[0], b[0]) in _RHYMES
