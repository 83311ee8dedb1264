"""How likely two line ends are meant to rhyme, as the logarithm of an odds ratio, from how they sound and are spelled.

This is the judgement of a reader of old and new verse, who takes love/prove and majesty/die for rhymes because poets
do; what a writer is promised stands in `lyrics.rhyme`. The odds were fitted by `python -m bench.scheme` on verse with
known schemes; this module only adds them up. Knows nothing of stanzas.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

from lyrics.arpabet import Phones, bare, is_vowel
from lyrics.phones import Lexicon, Pronunciation

ODDS_FILE = Path(__file__).parent / "dictionary" / "scheme_odds.json"
_UNSEEN_VOWELS = -1.0  # two vowels of which the fitted verse has no pair
_MANNER = {
    "T": "t", "D": "t", "S": "s", "Z": "s", "F": "f", "V": "f", "TH": "f", "DH": "f", "K": "k", "G": "k", "P": "p",
    "B": "p", "M": "n", "N": "n", "NG": "n", "SH": "sh", "ZH": "sh", "CH": "sh", "JH": "sh",
}  # fmt: skip
_SPELLED_TAIL = re.compile(r"[aeiouy]+[^aeiouy]*(?:e|es|ed)?$")


class Ending(NamedTuple):
    """One way the end of a word sounds, without stress digits.

    `rhyming` runs from the last stressed vowel, `last` from the last vowel; `num_after` counts the syllables from the
    stress on.
    """

    phones: Phones
    rhyming: Phones
    last: Phones
    num_after: int


@cache
def load_odds() -> Mapping[str, Mapping[str, float]]:
    """What was fitted: `pair` by feature, `next` by what came before in a stanza."""
    odds: dict[str, dict[str, float]] = json.loads(ODDS_FILE.read_text(encoding="utf-8"))
    return odds


class Likeness:
    """Log odds that two words rhyme, remembered per pair. `weights` are the fitted ones unless others are given."""

    def __init__(self, lexicon: Lexicon, weights: Mapping[str, float] | None = None) -> None:
        self._lexicon = lexicon
        self._weights = load_odds()["pair"] if weights is None else weights
        self._endings: dict[str, tuple[Ending, ...]] = {}
        self._known: dict[tuple[str, str], float] = {}

    def __call__(self, word: str, other: str) -> float:
        """Above 0 the pair speaks for a rhyme, below against; the order does not matter.

        >>> like = Likeness(Lexicon())
        >>> like("mind", "kind") > like("love", "prove") > 0 > like("love", "kind")
        True
        """
        pair = (word, other) if word < other else (other, word)
        odds = self._known.get(pair)
        if odds is None:
            odds = self._known[pair] = sum(self._weight(feature) for feature in self.features(*pair))
        return odds

    def _weight(self, feature: str) -> float:
        return self._weights.get(feature, _UNSEEN_VOWELS if feature.startswith("vowels ") else 0.0)

    def features(self, word: str, other: str) -> tuple[str, ...]:
        """What speaks for and against a rhyme of two words, by name."""
        if word == other:
            return ("always", "same word")
        num_same = _num_same_letters(word, other)
        seen = ["always", f"letters {min(num_same, 5)}"]
        if _spelled_tail(word) == _spelled_tail(other):
            seen.append("spelled alike")
        ways = list(product(self.endings(word), self.endings(other)))
        if not ways:
            return (*seen, "unheard", f"unheard letters {min(num_same, 4)}")
        return (*seen, *max((_heard(*way) for way in ways), key=lambda heard: heard[0])[1])

    def endings(self, word: str) -> tuple[Ending, ...]:
        """All ways the word ends; () when it has no sound."""
        if word not in self._endings:
            ways = (way.phones for way in _pronounced(word, self._lexicon))
            self._endings[word] = tuple(dict.fromkeys(_ending(phones) for phones in ways))
        return self._endings[word]


def _ending(phones: Phones) -> Ending:
    vowels = [index for index, phone in enumerate(phones) if is_vowel(phone)]
    stressed = next((index for index in reversed(vowels) if phones[index][-1] != "0"), vowels[-1])
    plain = tuple(bare(phone) for phone in phones)
    return Ending(plain, plain[stressed:], plain[vowels[-1] :], sum(index >= stressed for index in vowels))


def _heard(one: Ending, other: Ending) -> tuple[int, tuple[str, ...]]:
    """How alike two endings are, to choose among pronunciations, and the features that say so."""
    after = "{} {}".format(*sorted((min(one.num_after, 3), min(other.num_after, 3))))
    if one.rhyming == other.rhyming:
        kind = "perfect" if one.rhyming == one.last else "perfect feminine"
        return 100, (kind, "homophones") if one.phones == other.phones else (kind,)
    if one.last == other.last:
        return 50, ("last syllable", f"last syllable {after}")
    vowels = (
        "same vowel" if one.last[0] == other.last[0] else "vowels {} {}".format(*sorted((one.last[0], other.last[0])))
    )
    rank, coda = _codas(one.last[1:], other.last[1:])
    return rank + 15 * (one.last[0] == other.last[0]), (vowels, coda, f"stress {after}")


def _codas(one: Phones, other: Phones) -> tuple[int, str]:
    if one == other:
        return 20, "same coda" if one else "both open"
    if not one or not other:
        return 0, "one open"
    manners, others = [_MANNER.get(phone, phone) for phone in one], [_MANNER.get(phone, phone) for phone in other]
    if manners == others:
        return 10, "like coda"
    return (5, "like last consonant") if manners[-1] == others[-1] else (0, "other coda")


@cache
def _spelled_tail(word: str) -> str:
    found = _SPELLED_TAIL.search(word)
    return found.group() if found else word


def _num_same_letters(word: str, other: str) -> int:
    num = 0
    while num < min(len(word), len(other)) and word[-1 - num] == other[-1 - num]:
        num += 1
    return num


def modern_spellings(word: str) -> tuple[str, ...]:
    """The word, then what it may be in today's spelling, for verse of 1500 to 1900.

    >>> modern_spellings("kiss'd"), modern_spellings("dampt"), modern_spellings("o'er")[-1]
    (("kiss'd", 'kissd', 'kissed'), ('dampt', 'dampped', 'damped'), 'ore')
    """
    plain = word.replace("'", "")
    forms = [word, plain]
    if plain.endswith("d"):
        forms.append(plain[:-1] + "ed")
    if re.search(r"[^aeiou]t$", plain):
        forms += [plain[:-1] + plain[-2] + "ed", plain[:-1] + "ed"]
    for old, new in (("our", "or"), ("eth", "es"), ("eer", "ever"), ("oer", "ore"), ("ere", "er"), ("owr", "ower")):
        if plain.endswith(old):
            forms.append(plain[: -len(old)] + new)
    return tuple(dict.fromkeys(forms))


def _pronounced(word: str, lexicon: Lexicon) -> tuple[Pronunciation, ...]:
    """The ways to say the first spelling that is known; else the end that is a known word; else the network's guess."""
    for form in modern_spellings(word):
        ways = lexicon.pronunciations(form)
        if ways and ways[0].source != "g2p":
            return ways
    for start in range(2, len(word) - 2):
        ways = lexicon.pronunciations(word[start:])
        if ways and ways[0].source in ("cmudict", "misaki", "slang"):
            return ways
    return lexicon.pronunciations(word)
