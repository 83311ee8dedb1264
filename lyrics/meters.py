"""What can be measured of a text: how densely it rhymes, how much it repeats, how many of its phrases are worn.

Each figure has one definition, named at its function; none of them says whether a text is good.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from lyrics.arpabet import bare, is_vowel
from lyrics.clean import normalised_words
from lyrics.phones import Lexicon
from lyrics.syllables import words_of

LOOK_BACK = 15  # words before a word in which its rhyme is looked for
CLICHES = Path(__file__).parent / "dictionary" / "cliches.txt"


class RhymeMark(NamedTuple):
    """The best rhyme of one word with those before it: over how many vowels, and the place of the word it ends in."""

    word: str
    length: int
    partner: int | None


class Cliche(NamedTuple):
    """A worn phrase or a worn pair of rhymes, and where it stands, in words from the start."""

    start: int
    words: tuple[str, ...]


def rhyme_marks(text: str, lexicon: Lexicon) -> tuple[RhymeMark, ...]:
    """For each word the longest run of vowels, back from its last one, that a word of the 15 before ends in too.

    Runs go on over word borders; they start from different words, and one vowel alone is none.
    """
    spoken = [(word, _vowels(word, lexicon)) for word in words_of(text.replace("\n", " "))]
    heard = [(word, vowels) for word, vowels in spoken if vowels]
    flat: list[str] = []
    ends: list[int] = []  # of each word, the place after its last vowel
    for _, vowels in heard:
        flat += vowels
        ends.append(len(flat))
    marks = []
    for place, (word, _) in enumerate(heard):
        best, partner = 0, None
        for before in range(max(0, place - LOOK_BACK), place):
            if heard[before][0] == word:
                continue
            length = _common_suffix(flat, ends[before], ends[place])
            if length > best:
                best, partner = length, before
        marks.append(RhymeMark(word, best, partner) if best > 1 else RhymeMark(word, 0, None))
    return tuple(marks)


def rhyme_factor(text: str, lexicon: Lexicon) -> float:
    """Mean length of the longest vowel rhyme per word; words without a rhyme of two vowels count 0.

    Source: Malmi et al., DopeLearning (KDD 2016), after Raplyzer. The best human rapper there has 1.187.

    >>> rhyme_factor("a cat sat", Lexicon()), rhyme_factor("", Lexicon())
    (0.0, 0.0)
    """
    marks = rhyme_marks(text, lexicon)
    return sum(mark.length for mark in marks) / len(marks) if marks else 0.0


def rhyme_density(text: str, lexicon: Lexicon) -> float:
    """Share of syllables that are part of some vowel rhyme of two or more, or of a rhyme at line ends.

    Source: the notion of Hirjee & Brown, Using Automated Rhyme Detection (2010), on exact vowels instead of their odds.
    It is not the rhyme factor.
    """
    marks = rhyme_marks(text, lexicon)
    nums = [len(_vowels(mark.word, lexicon)) for mark in marks]
    ends = [sum(nums[: place + 1]) for place in range(len(nums))]
    rhymed: set[int] = set()
    for mark, end in zip(marks, ends, strict=True):
        if mark.partner is not None:
            partner_end = ends[mark.partner]
            rhymed.update(range(end - mark.length, end), range(partner_end - mark.length, partner_end))
    return len(rhymed) / sum(nums) if nums else 0.0


def distinct_n(texts: Sequence[str], n: int = 2) -> float:
    """Different runs of n words / all runs of n words, over all texts together; 0.0 when there are none.

    Source: Li et al., A Diversity-Promoting Objective Function (NAACL 2016).

    >>> distinct_n(["la la la la"], 2)
    0.3333333333333333
    """
    runs = [run for text in texts for run in _ngrams(normalised_words(text), n)]
    return len(set(runs)) / len(runs) if runs else 0.0


def self_bleu(texts: Sequence[str], n: int = 4) -> float:
    """Mean BLEU-n of each text against all others: 1.0 when they are all the same. Precisions of 0 are smoothed.

    Source: Zhu et al., Texygen (SIGIR 2018); smoothing 1 of Chen & Cherry (2014), with a count of 0.1.

    >>> self_bleu(["the cat sat on the mat"] * 2), self_bleu(["one"])
    (1.0, 0.0)
    """
    words = [normalised_words(text) for text in texts]
    if len(words) < 2:
        return 0.0
    counted = [[Counter(_ngrams(text, size)) for size in range(1, n + 1)] for text in words]
    return sum(_bleu(index, words, counted) for index in range(len(words))) / len(words)


def repetition(text: str) -> float:
    """Share of lines that are sung again, word for word.

    >>> repetition("la la\\nhey you\\nLa, la!")
    0.33333333333333337
    """
    lines = [words for words in map(normalised_words, text.splitlines()) if words]
    return 1 - len(set(lines)) / len(lines) if lines else 0.0


def repeated_pairs(text: str, before: str = "") -> float:
    """The share of the pairs of words that came earlier, in the text itself or in what stands before it.

    >>> repeated_pairs("no more, no more"), repeated_pairs("no more", "No more!"), repeated_pairs("no")
    (0.33333333333333337, 1.0, 0.0)
    """
    pairs = _ngrams(normalised_words(text), 2)
    fresh = set(pairs).difference(_ngrams(normalised_words(before), 2))
    return 1 - len(fresh) / len(pairs) if pairs else 0.0


def cliches(text: str) -> tuple[Cliche, ...]:
    """Worn phrases, and lines whose ends are a worn pair of rhymes: the ones of `dictionary/cliches.txt`.

    >>> [" ".join(cliche.words) for cliche in cliches("set my heart on fire\\nyou are my desire")]
    ['heart on fire', 'fire desire']
    """
    phrases, pairs = _worn()
    words = normalised_words(text)
    longest = max(map(len, phrases))
    found = [
        Cliche(start, words[start : start + size])
        for start in range(len(words))
        for size in range(2, longest + 1)
        if words[start : start + size] in phrases and start + size <= len(words)
    ]
    at = 0
    ends: list[tuple[int, str]] = []
    for line in map(normalised_words, text.splitlines()):
        at += len(line)
        if line:
            ends.append((at - 1, line[-1]))
    for index, (place, word) in enumerate(ends):
        found += [Cliche(place, (word, other)) for _, other in ends[index + 1 : index + 4] if {word, other} in pairs]
    return tuple(sorted(found))


@cache
def _worn() -> tuple[frozenset[tuple[str, ...]], frozenset[frozenset[str]]]:
    """Phrases, and pairs of rhymes, which are written with a slash."""
    lines = [line.partition("#")[0].strip() for line in CLICHES.read_text(encoding="utf-8").splitlines()]
    phrases = frozenset(tuple(line.split()) for line in lines if line and "/" not in line)
    pairs = frozenset(frozenset(pair.split("/")) for line in lines if "/" in line for pair in line.split())
    return phrases, pairs


def _vowels(word: str, lexicon: Lexicon) -> list[str]:
    ways = lexicon.pronunciations(word)
    return [bare(phone) for phone in ways[0].phones if is_vowel(phone)] if ways else []


def _common_suffix(flat: Sequence[str], end: int, later: int) -> int:
    length = 0
    while length < end and flat[end - 1 - length] == flat[later - 1 - length]:
        length += 1
    return min(length, later - end)


def _ngrams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]


def _bleu(index: int, words: Sequence[Sequence[str]], counted: Sequence[Sequence[Counter[tuple[str, ...]]]]) -> float:
    size = len(words[index])
    if not size:
        return 0.0
    log_precision = 0.0
    for order, counts in enumerate(counted[index]):
        most: Counter[tuple[str, ...]] = Counter()
        for other, reference in enumerate(counted):
            if other != index:
                most |= reference[order]
        total = counts.total()
        hits = (counts & most).total()
        log_precision += math.log((hits or 0.1) / max(1, total)) if total else math.log(0.1)
    nearest = min((len(other) for at, other in enumerate(words) if at != index), key=lambda num: (abs(num - size), num))
    brevity = min(0.0, 1 - nearest / size)
    return math.exp(brevity + log_precision / len(counted[index]))
