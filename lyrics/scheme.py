"""The rhyme scheme of a text: which line ends belong together, decided for whole stanzas at once.

Four things speak: how alike two ends are (`lyrics.likeness`), which schemes English verse knows, how schemes go on from
line to line, and which scheme the stanzas around this one have, since a poem repeats its form. All are probabilities;
per stanza the likeliest scheme wins. Knows nothing of what a writer asked for.

Source of the idea: Reddy & Knight, Unsupervised Discovery of Rhyme Schemes (ACL 2011), whose stanzas of one poem also
share a prior over schemes; the beam, the line-to-line model and the neighbourhood are ours.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from heapq import nlargest
from typing import NamedTuple

from lyrics.likeness import Likeness, load_odds
from lyrics.phones import Lexicon
from lyrics.syllables import words_of

Scheme = tuple[int, ...]  # a group per line, numbered by first appearance: (0, 0, 1, 1) is AABB
Next = Mapping[str, Mapping[str, float]]  # what came before -> how often each distance to the rhyme followed

MAX_DISTANCE = 9  # lines back to the last line of the group; anything farther counts as this
_REACH = 14  # lines whose ends are compared
_BEAM = 48
_ROUNDS = 3  # the first without neighbours
_PAIRS_WEIGHT = 0.6  # pairs of one group are not independent
_MIN_PAIR_ODDS = -8.0  # one misheard word must not outvote a stanza
_KNOWN_FORMS = 0.35  # share of stanzas that have a scheme everybody knows
_OWN_WEIGHT = 2.0  # what a stanza's own prior weighs against its neighbours' schemes
_NEIGHBOURS = 40  # stanzas to either side
_NEAR = 20.0  # stanzas after which a neighbour counts 1/e

_COMMON = """AA AAA ABA AABB ABAB ABBA ABCB AAAA AABA AABBA AABCCB ABABCC ABABCDCD ABCBDEFE ABABABCC ABABBCC
ABABBCBCC ABABCDCDEFEFGG ABBAABBACDECDE ABBAABBACDCDCD"""
_RARE = """AAB ABB ABAAB ABABB ABBAB ABCCB ABBBA AAABB AAABAB AABAAB ABABAB ABBACC ABCABC AABCB ABCBDB AAABCCCB
AABBCCB ABABCCB ABBACDDC AAAABBBB ABABCCDD ABABABAB ABABCCDEED AABBCDCD ABABCBCB ABBAABBACDDCEE ABBAABBACDCDEE
ABBAABBACDEDCE ABBAABBACDDCDC ABBAABBACDEEDC ABBACDDCEFEFGG ABABBCBCCDCDEE ABBACDDCEFGEFG ABBAACCADEDEDE
ABBACDDCEFFEGG ABABCDCDEEFGGF ABABCDCDEFGEFG"""
_UNITS = {"AA": 4.0, "ABAB": 4.0, "ABCB": 2.0, "ABBA": 2.0, "AABCCB": 2.0, "ABA": 2.0}  # repeated to fill a stanza
_UNRHYMED = 2.0


class _Way(NamedTuple):
    """A scheme on its way through the beam: log odds of its pairs, log probability of its shape."""

    score: float
    shape: float
    scheme: Scheme
    distances: tuple[int, ...]


def scheme_of(lines: Sequence[str], lexicon: Lexicon) -> str:
    """The scheme of a text, a letter a line; a space and letters from A again where blank lines part stanzas.

    >>> from lyrics.phones import Lexicon
    >>> scheme_of(["a walk in the night", "a drop of rain", "I carry the light", "back home again"], Lexicon())
    'ABAB'
    """
    stanzas: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            stanzas[-1].append(line)
        elif stanzas[-1]:
            stanzas.append([])
    return " ".join(schemes_of([stanza for stanza in stanzas if stanza], lexicon))


def schemes_of(stanzas: Sequence[Sequence[str]], lexicon: Lexicon) -> tuple[str, ...]:
    """The scheme of each stanza of one text; lines that rhyme with no other have a letter of their own."""
    ends = [[_last_word(line) for line in stanza] for stanza in stanzas]
    return tuple("".join(map(_letter, scheme)) for scheme in Detector(lexicon).schemes(ends))


def _last_word(line: str) -> str:
    words = words_of(line)
    return words[-1] if words else line.strip().lower()


def _letter(group: int) -> str:
    """A to Z, a to z, then letters that no keyboard has, so that a long stanza still has one a group."""
    return chr(65 + group) if group < 26 else chr(71 + group) if group < 52 else chr(0x100 + group - 52)


def canonical(groups: Sequence[object]) -> Scheme:
    """Any labels as groups numbered by first appearance.

    >>> canonical("BBXB")
    (0, 0, 1, 0)
    """
    numbers: dict[object, int] = {}
    return tuple(numbers.setdefault(group, len(numbers)) for group in groups)


def distances_of(scheme: Scheme) -> tuple[int, ...]:
    """Per line how many lines back its group was last seen; 0 for a new group.

    >>> distances_of((0, 1, 0, 1))
    (0, 0, 2, 2)
    """
    last: dict[int, int] = {}
    distances = []
    for index, group in enumerate(scheme):
        distances.append(min(index - last[group], MAX_DISTANCE) if group in last else 0)
        last[group] = index
    return tuple(distances)


@cache
def known_forms(num_lines: int) -> Mapping[Scheme, float]:
    """Probabilities of the schemes that English verse knows for a stanza of so many lines; they sum to 1.

    >>> max(known_forms(14), key=known_forms(14).get) == canonical("ABABCDCDEFEFGG")
    True
    """
    weights: dict[Scheme, float] = defaultdict(float)
    for schemes, weight in ((_COMMON, 4.0), (_RARE, 1.0)):
        for letters in schemes.split():
            if len(letters) == num_lines:
                weights[canonical(letters)] += weight
    for unit, weight in _UNITS.items():
        times, rest = divmod(num_lines, len(unit))
        if times > 1 and not rest:
            weights[canonical([(turn, letter) for turn in range(times) for letter in unit])] += weight
    weights[tuple(range(num_lines))] += _UNRHYMED
    total = sum(weights.values())
    return {scheme: weight / total for scheme, weight in weights.items()}


class Detector:
    """Finds schemes. `odds` are the fitted ones unless others are given, as when they are being fitted."""

    def __init__(self, lexicon: Lexicon, odds: Mapping[str, Mapping[str, float]] | None = None) -> None:
        odds = load_odds() if odds is None else odds
        self._like = Likeness(lexicon, odds["pair"])
        self._next: dict[str, dict[str, float]] = defaultdict(dict)
        for key, num in odds["next"].items():
            before, _, distance = key.rpartition(" ")
            self._next[before][distance] = num

    def schemes(self, stanzas: Sequence[Sequence[str]]) -> list[Scheme]:
        """The likeliest scheme of each stanza, given as its last words, all of one text."""
        beliefs: list[dict[Scheme, float]] = []
        for _ in range(_ROUNDS if len(stanzas) > 1 else 1):
            beliefs = [self._belief(words, _neighbours(beliefs, index)) for index, words in enumerate(stanzas)]
        return [max(belief, key=lambda scheme: belief[scheme]) for belief in beliefs]

    def _belief(self, words: Sequence[str], around: Sequence[tuple[dict[Scheme, float], float]]) -> dict[Scheme, float]:
        """Probabilities of the schemes worth a thought."""
        num_lines = len(words)
        likeness = self._compared(words)
        shape = _Shape(self._next, around)
        weighed = {way.scheme: (way.score - way.shape, way.shape) for way in _beam(likeness, shape)}
        seen: dict[Scheme, float] = defaultdict(float)
        weight_seen = 0.0
        for belief, weight in around:
            if len(next(iter(belief))) == num_lines:
                weight_seen += weight
                for scheme, probability in belief.items():
                    seen[scheme] += weight * probability
        forms = known_forms(num_lines)
        for scheme in (*forms, *(scheme for scheme, num in seen.items() if num > 0.05)):
            if scheme not in weighed:
                weighed[scheme] = (_pairs(scheme, likeness), shape.of(scheme))
        scores = {}
        for scheme, (pairs, log_shape) in weighed.items():
            own = _KNOWN_FORMS * forms.get(scheme, 0.0) + (1 - _KNOWN_FORMS) * math.exp(log_shape)
            prior = (seen[scheme] + _OWN_WEIGHT * own) / (weight_seen + _OWN_WEIGHT)
            scores[scheme] = pairs + math.log(prior + 1e-300)
        return _normalised(scores)

    def _compared(self, words: Sequence[str]) -> list[list[float]]:
        """Weighted log odds of each line with the lines before it. Those out of reach count 0."""
        return [
            [
                _PAIRS_WEIGHT * max(_MIN_PAIR_ODDS, self._like(word, words[before]))
                if index - before <= _REACH
                else 0.0
                for before in range(index)
            ]
            for index, word in enumerate(words)
        ]


class _Shape:
    """How likely a scheme goes on, by the two lines before, from fitted counts and the stanzas around."""

    def __init__(
        self, fitted: Mapping[str, Mapping[str, float]], around: Sequence[tuple[dict[Scheme, float], float]]
    ) -> None:
        self._fitted = fitted
        self._around: dict[tuple[int, int], dict[int, float]] = defaultdict(lambda: defaultdict(float))
        for belief, weight in around:
            distances = (-1, -1, *distances_of(max(belief, key=lambda scheme: belief[scheme])))
            for before, between, distance in zip(distances, distances[1:], distances[2:], strict=False):
                self._around[before, between][distance] += 0.5 * weight
        self._known: dict[tuple[int, int, int], float] = {}

    def log(self, before: int, between: int, distance: int) -> float:
        """Log probability of `distance` after these two; -1 stands for the start of the stanza."""
        key = before, between, distance
        if key not in self._known:
            probability = 0.25 if distance == 0 else 0.75 / MAX_DISTANCE
            for counts, weight in (
                (self._fitted.get(f"{between}", {}), 2.0),
                (self._fitted.get(f"{before} {between}", {}), 3.0),
            ):
                total = sum(counts.values())
                probability = (counts.get(f"{distance}", 0.0) + weight * probability) / (total + weight)
            seen = self._around.get((before, between), {})
            self._known[key] = math.log((seen.get(distance, 0.0) + 6.0 * probability) / (sum(seen.values()) + 6.0))
        return self._known[key]

    def of(self, scheme: Scheme) -> float:
        """Log probability of a whole scheme."""
        distances = (-1, -1, *distances_of(scheme))
        return sum(self.log(*three) for three in zip(distances, distances[1:], distances[2:], strict=False))


def _beam(likeness: list[list[float]], shape: _Shape) -> list[_Way]:
    """The best schemes line by line: each line opens a group or joins one that was seen not long before."""
    ways = [_Way(0.0, 0.0, (), ())]
    for index, odds in enumerate(likeness):
        ways = nlargest(_BEAM, (grown for way in ways for grown in _grown(way, index, odds, shape)))
    return ways


def _grown(way: _Way, index: int, odds: list[float], shape: _Shape) -> list[_Way]:
    before, between = (-1, -1, *way.distances)[-2:]
    log = shape.log(before, between, 0)
    num_groups = max(way.scheme, default=-1) + 1
    grown = [_Way(way.score + log, way.shape + log, (*way.scheme, num_groups), (*way.distances, 0))]
    sums: dict[int, float] = defaultdict(float)
    nearest: dict[int, int] = {}
    for line in range(index - 1, -1, -1):
        sums[way.scheme[line]] += odds[line]
        nearest.setdefault(way.scheme[line], index - line)
    for group, distance in nearest.items():
        if distance <= MAX_DISTANCE:
            log = shape.log(before, between, distance)
            score = way.score + sums[group] + log
            grown.append(_Way(score, way.shape + log, (*way.scheme, group), (*way.distances, distance)))
    return grown


def _pairs(scheme: Scheme, likeness: list[list[float]]) -> float:
    return sum(
        odds for index, row in enumerate(likeness) for line, odds in enumerate(row) if scheme[index] == scheme[line]
    )


def _normalised(scores: Mapping[Scheme, float]) -> dict[Scheme, float]:
    most = max(scores.values())
    weights = {scheme: math.exp(score - most) for scheme, score in scores.items() if score > most - 12}
    total = sum(weights.values())
    return {scheme: weight / total for scheme, weight in weights.items()}


def _neighbours(beliefs: Sequence[dict[Scheme, float]], index: int) -> list[tuple[dict[Scheme, float], float]]:
    """What is believed of the stanzas around one, each with its weight."""
    first, last = max(0, index - _NEIGHBOURS), min(len(beliefs), index + _NEIGHBOURS + 1)
    return [(beliefs[other], math.exp(-abs(other - index) / _NEAR)) for other in range(first, last) if other != index]
