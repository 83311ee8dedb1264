"""How far the songs that are new in a dataset are from those that a voice was trained on, and whether that matters.

Four measures, each a Jensen-Shannon divergence between what the old songs do and what the new ones do: the words they
use, the syllables of their lines, how their line ends rhyme, and what they are about. A few songs differ from many by
chance alone, so each is held against what as many of the *old* songs differ by from the rest of them, and it has moved
when the whole of its 95 % interval lies above that. Knows texts and vectors; where vectors come from is the caller's
affair.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from lyrics.clean import normalised_words, stanzas_of
from lyrics.hearing import HeardLine, hear
from lyrics.phones import Lexicon

Name = Literal["vocabulary", "line_length", "rhyme", "topic"]
Floats = NDArray[np.float64]

MIN_SONGS = 5
"""On either side: of fewer nothing can be told."""
MAX_SONGS = 300
"""On either side; of more these are taken, by the hash of their words."""
MAX_LINES = 120
"""Of a song."""
MAX_PASSAGES = 4
"""Of a song, for what it is about."""
MAX_WORDS = 1_500
"""Words that are told apart; all others are one."""
MAX_SYLLABLES = 20
"""Of a line; longer ones count as this. Even."""
MAX_TOPICS = 12
NUM_RESAMPLES = 400
NUM_SPLITS = 200
NUM_TOLD = 4
MIN_TOLD = 4
"""Letters of a word that is told of, so that it is not `the`."""
MUCH_MORE = 1.0
"""So many new songs for each old one, and retraining is worth a try though nothing moved."""

TITLES: dict[Name, str] = {
    "vocabulary": "Vocabulary",
    "line_length": "Line length",
    "rhyme": "Rhyme style",
    "topic": "Topics",
}
_PLACES = ("neighbouring lines", "every other line", "lines further apart")
_KINDS = ("perfect", "near", "same vowels")
_STRENGTHS = {"perfect": "perfect", "near": "near", "assonance": "same vowels"}
NO_RHYME = "no rhyme"
OTHER_WORDS = "rarer words"


class Shift(BaseModel):
    """What there is more or less of: a word, a length, a kind of rhyme, a topic; shares of the old and of the new."""

    model_config = ConfigDict(frozen=True)

    what: str
    before: float
    after: float


class Measure(BaseModel):
    """One measure, in bits: 0 where old and new are alike, 1 where they have nothing in common.

    `low` and `high` are its 95 % interval, `baseline` what the old songs differ by among themselves.
    """

    model_config = ConfigDict(frozen=True)

    name: Name
    title: str
    divergence: float
    low: float
    high: float
    baseline: float
    has_moved: bool
    shifts: tuple[Shift, ...]


class DriftCard(BaseModel):
    """What was measured, and what follows from it in words."""

    model_config = ConfigDict(frozen=True)

    num_old: int = Field(description="songs that were compared, not more than `MAX_SONGS`")
    num_new: int
    measures: tuple[Measure, ...]
    is_worth_it: bool
    words: str


class Sung(NamedTuple):
    """A song, and a vector for each of its `passages_of`: [num_passages, num_dimensions], all of one length."""

    text: str
    vectors: Floats | None = None


class TooFew(ValueError):
    """There are not enough songs to tell drift from chance."""

    def __init__(self, num_old: int, num_new: int) -> None:
        super().__init__(
            f"There are {num_old} old songs and {num_new} new ones: to tell a change from chance it takes at least "
            f"{MIN_SONGS} of each."
        )


def divergence(p: Floats, q: Floats) -> Floats:
    """Jensen-Shannon divergence in bits, of the last axis; what is counted need not add up to 1.

    >>> float(divergence(np.array([1.0, 1.0]), np.array([4.0, 4.0]))), float(divergence(np.eye(2)[0], np.eye(2)[1]))
    (0.0, 1.0)

    Source: Lin, Divergence Measures Based on the Shannon Entropy, IEEE Trans. Inf. Theory 37 (1991).
    """
    p, q = _shares(p), _shares(q)
    found: Floats = np.maximum(0.0, _entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2)
    return found


def passages_of(text: str) -> list[str]:
    """The parts of a song that are looked at for what it is about: its stanzas, by four lines, up to `MAX_PASSAGES`.

    >>> passages_of("[Verse]\\na cat\\na hat\\n\\na dog")
    ['a cat\\na hat', 'a dog']
    """
    pieces = [stanza[at : at + 4] for stanza in stanzas_of(text) for at in range(0, len(stanza), 4)]
    return ["\n".join(piece) for piece in pieces[:MAX_PASSAGES]]


def sample(texts: Iterable[str]) -> list[str]:
    """At most `MAX_SONGS` of these, whatever their order: those with the least hashes, in that order."""
    return sorted(set(texts), key=lambda text: hashlib.sha256(text.encode("utf-8", "replace")).digest())[:MAX_SONGS]


def drift(old: Sequence[Sung], new: Sequence[Sung], *, seed: int = 0) -> DriftCard:
    """Measure how far the new songs are from the old. Topics are left out where a song comes without vectors.

    Raises:
        TooFew: there are less than `MIN_SONGS` on a side.
    """
    if min(len(old), len(new)) < MIN_SONGS:
        raise TooFew(len(old), len(new))
    songs, lexicon = [*old, *new], Lexicon()
    sung = [_sung(song.text) for song in songs]
    heard = [hear(text, lexicon) for text in sung]
    tables: dict[Name, _Table] = {
        "vocabulary": _table([Counter(normalised_words(text)) for text in sung], MAX_WORDS, OTHER_WORDS),
        "line_length": _table([_lengths(lines) for lines in heard], MAX_SYLLABLES // 2 + 1),
        "rhyme": _table([_rhymes(lines) for lines in heard], len(_PLACES) * len(_KINDS) + 1),
    }
    vectors = [song.vectors for song in songs if song.vectors is not None]
    if len(vectors) == len(songs) and any(len(of_one) for of_one in vectors):
        tables["topic"] = _topics(sung, vectors, seed)
    measure = partial(_measured, num_old=len(old), seed=seed)
    measures = tuple(measure(name, table) for name, table in tables.items())
    is_worth_it, words = _verdict(measures, len(old), len(new))
    return DriftCard(num_old=len(old), num_new=len(new), measures=measures, is_worth_it=is_worth_it, words=words)


class _Table(NamedTuple):
    """What was counted of each song, by what it is: [num_songs, num_labels]."""

    labels: list[str]
    counts: Floats


def _sung(text: str) -> str:
    """The song's lines, without names of sections, with a blank line between stanzas; up to `MAX_LINES`."""
    stanzas, left = [], MAX_LINES
    for stanza in stanzas_of(text):
        stanzas.append("\n".join(stanza[:left]))
        left -= len(stanza)
        if left <= 0:
            break
    return "\n\n".join(stanzas)


def _lengths(lines: Sequence[HeardLine]) -> Counter[str]:
    return Counter(_length(line.num_syllables) for line in lines if line.words)


def _length(num_syllables: int) -> str:
    """Two lengths in one, for a song keeps to a metre and not to a number.

    >>> _length(9), _length(30)
    ('8 or 9 syllables', '20 syllables or more')
    """
    least = num_syllables - num_syllables % 2
    most = f"{MAX_SYLLABLES} syllables or more"
    return most if least >= MAX_SYLLABLES else f"{least} or {least + 1} syllables"


def _rhymes(lines: Sequence[HeardLine]) -> Counter[str]:
    """Each line's end by how far off and how closely the nearest line of its stanza rhymes with it."""
    counted: Counter[str] = Counter()
    stanza: list[HeardLine] = []
    for line in [*lines, None]:
        if line is not None and line.words:
            stanza.append(line)
            continue
        counted.update(_end(stanza, at) for at in range(len(stanza)))
        stanza = []
    return counted


def _end(stanza: Sequence[HeardLine], at: int) -> str:
    mark = stanza[at].rhyme
    if mark is None:
        return NO_RHYME
    off = [
        abs(other - at)
        for other, line in enumerate(stanza)
        if other != at and line.rhyme and line.rhyme.group == mark.group
    ]
    place = _PLACES[min(min(off, default=len(_PLACES)), len(_PLACES)) - 1]
    return f"{place}, {_STRENGTHS[mark.strength]}"


def _table(counters: Sequence[Counter[str]], most: int, other: str = "") -> _Table:
    """The counters as a table. With `other`, that is where what only one song has goes, and what is beyond `most`."""
    in_songs = Counter(label for counter in counters for label in counter)
    ranked = sorted(in_songs, key=lambda label: (-in_songs[label], label))
    labels = [label for label in ranked if in_songs[label] > 1 or not other][:most] + ([other] if other else [])
    place = {label: at for at, label in enumerate(labels)}
    counts = np.zeros((len(counters), max(1, len(labels))))
    for row, counter in enumerate(counters):
        for label, number in counter.items():
            counts[row, place.get(label, len(labels) - 1)] += number
    return _Table(labels, counts)


def _topics(texts: Sequence[str], vectors: Sequence[Floats], seed: int) -> _Table:
    """Each song's passages by the cluster of vectors that they lie in, named by the words that are special to it."""
    of_song = np.repeat(np.arange(len(texts)), [len(of_one) for of_one in vectors])
    num_topics = int(np.clip(np.sqrt(len(of_song) / 4), 2, MAX_TOPICS))
    cluster = clusters(np.concatenate(vectors), num_topics, seed)
    counts = np.zeros((len(texts), num_topics))
    np.add.at(counts, (of_song, cluster), 1)
    passages = [passage for text in texts for passage in passages_of(text)]
    return _Table(_named(passages, cluster, num_topics), counts)


def clusters(vectors: Floats, num_clusters: int, seed: int) -> NDArray[np.intp]:
    """The cluster of each vector by k-means on their directions, the best of a few beginnings (k-means++).

    Source: Arthur & Vassilvitskii, k-means++: The Advantages of Careful Seeding (SODA 2007).
    """
    points = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    random = np.random.default_rng(seed)
    best: tuple[float, NDArray[np.intp]] = (-np.inf, np.zeros(len(points), np.intp))
    for _ in range(4):
        centres = _beginnings(points, num_clusters, random)
        for _ in range(30):
            cluster = np.argmax(points @ centres.T, axis=1)
            sums = np.zeros_like(centres)
            np.add.at(sums, cluster, points)
            lengths = np.linalg.norm(sums, axis=1, keepdims=True)
            moved = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), centres)
            if np.allclose(moved, centres):
                break
            centres = moved
        nearness = points @ centres.T
        total = float(nearness.max(axis=1).sum())
        if total > best[0] + 1e-9:
            best = total, np.argmax(nearness, axis=1)
    return best[1]


def _beginnings(points: Floats, num_clusters: int, random: np.random.Generator) -> Floats:
    """Points far from one another: each drawn by the square of its distance from those drawn before."""
    chosen = [int(random.integers(len(points)))]
    while len(chosen) < num_clusters:
        far = np.clip(1 - (points @ points[chosen].T).max(axis=1), 0, None)
        total = far.sum()
        chosen.append(int(random.choice(len(points), p=far / total)) if total > 0 else chosen[0])
    return points[chosen]


def _named(passages: Sequence[str], cluster: NDArray[np.intp], num_topics: int) -> list[str]:
    """Three words for each topic that more of its passages have than others do."""
    words = [set(normalised_words(passage)) for passage in passages]
    everywhere = Counter(word for held in words for word in held if len(word) >= MIN_TOLD)
    names: list[str] = []
    for topic in range(num_topics):
        here = Counter(word for held, at in zip(words, cluster, strict=True) if at == topic for word in held)
        size = max(1, int((cluster == topic).sum()))

        def special(word: str, here: Counter[str] = here, size: int = size) -> float:
            share = here[word] / size
            usual = (everywhere[word] - here[word] + 1) / (len(words) - size + 2)
            return float(share * np.log(share / usual))

        best = sorted((word for word in here if word in everywhere), key=lambda word: (-special(word), word))[:3]
        name = ", ".join(best) or f"topic {topic + 1}"
        names.append(name if name not in names else f"{name} ({topic + 1})")
    return names


def _measured(name: Name, table: _Table, *, num_old: int, seed: int) -> Measure:
    old, new = table.counts[:num_old], table.counts[num_old:]
    random = np.random.default_rng([seed, len(name)])
    found = float(divergence(old.sum(axis=0), new.sum(axis=0)))
    again = divergence(_resampled(old, random), _resampled(new, random))
    # Songs that are drawn twice make two samples look farther apart than they are: that much is taken off again.
    low, high = np.quantile(again, (0.025, 0.975)) - (again.mean() - found)
    baseline = float(np.mean(_among_themselves(old, len(new), random)))
    return Measure(
        name=name,
        title=TITLES[name],
        divergence=round(found, 4),
        low=round(max(0.0, float(low)), 4),
        high=round(min(1.0, float(high)), 4),
        baseline=round(baseline, 4),
        has_moved=bool(low > baseline),
        shifts=_shifts(table.labels, old.sum(axis=0), new.sum(axis=0), words_alone=name == "vocabulary"),
    )


def _resampled(counts: Floats, random: np.random.Generator) -> Floats:
    """What as many songs count together, drawn again and again from these: [NUM_RESAMPLES, num_labels]."""
    num_songs = len(counts)
    times = random.multinomial(num_songs, np.full(num_songs, 1 / num_songs), size=NUM_RESAMPLES)
    found: Floats = times @ counts
    return found


def _among_themselves(counts: Floats, num_new: int, random: np.random.Generator) -> Floats:
    """How far as many of these songs as there are new ones, half of them at most, are from the rest: [NUM_SPLITS]."""
    size = min(num_new, len(counts) // 2)
    order = random.permuted(np.tile(np.arange(len(counts)), (NUM_SPLITS, 1)), axis=1)
    is_chosen = np.zeros((NUM_SPLITS, len(counts)))
    np.put_along_axis(is_chosen, order[:, :size], 1.0, axis=1)
    return divergence(is_chosen @ counts, (1 - is_chosen) @ counts)


def _shifts(labels: Sequence[str], old: Floats, new: Floats, *, words_alone: bool) -> tuple[Shift, ...]:
    """What the divergence is made of, for the most part; of words those that say something by themselves."""
    p, q = _shares(old), _shares(new)
    parts = (_plogp(p) + _plogp(q)) / 2 - _plogp((p + q) / 2)
    told = [
        at
        for at in np.argsort(-parts, kind="stable")
        if parts[at] > 0 and not (words_alone and (len(labels[at]) < MIN_TOLD or labels[at] == OTHER_WORDS))
    ]
    return tuple(
        Shift(what=labels[at], before=round(float(p[at]), 4), after=round(float(q[at]), 4)) for at in told[:NUM_TOLD]
    )


def _verdict(measures: Sequence[Measure], num_old: int, num_new: int) -> tuple[bool, str]:
    moved = [measure.title.lower() for measure in measures if measure.has_moved]
    if moved:
        which = moved[0] if len(moved) == 1 else f"{', '.join(moved[:-1])} and {moved[-1]}"
        verb = "has" if len(moved) == 1 and not moved[0].endswith("s") else "have"
        return True, f"Retraining is worth it: {which} {verb} moved by more than chance."
    if num_new >= MUCH_MORE * num_old:
        return True, (
            "Nothing has moved by more than chance. But there are at least as many new songs as old ones, and a voice "
            "learns more from more songs: retraining is worth a try."
        )
    return False, "Retraining is not worth it yet: the new songs do what the old ones do."


def _shares(counts: Floats) -> Floats:
    total = counts.sum(axis=-1, keepdims=True)
    shares: Floats = counts / np.where(total > 0, total, 1)
    return shares


def _entropy(p: Floats) -> Floats:
    entropy: Floats = -_plogp(p).sum(axis=-1)
    return entropy


def _plogp(p: Floats) -> Floats:
    found: Floats = p * np.log2(np.where(p > 0, p, 1))
    return found
