"""Which runs of words stand in a text already, and which of its lines is nearest to a new one.

Words are compared as `lyrics.clean` leaves them, and runs go on across line breaks. An index answers for the text that
it was built from and for no other. It is a directory of arrays that are mapped, not read.

A run of n words is one uint64: 40 bits of a hash of the first n - 1, then 24 bits for the last one's place in the
vocabulary. Sorted, they tell both whether a run is known and which words would complete one. Two different beginnings
share 40 bits once in 50,000 questions to an index of 20 million words; then a word too many is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self, overload

import numpy as np
from numpy.typing import NDArray

from lyrics.clean import clean_line, normalised_words

SIZES = (4, 5, 6, 7, 8)
NEAR_DUPLICATE = 0.8
MIN_NEAR_WORDS = 4  # shorter lines are nobody's: "oh my love"
MAX_CANDIDATES = 32  # lines compared letter by letter
MAX_POSTINGS = 50_000  # places of shared words that are counted, the rarest words first
_WORD_BITS = 24
_WORD_MASK = (1 << _WORD_BITS) - 1
_FULL_MASK = (1 << 64) - 1
_FACTOR = 0x9E3779B97F4A7C15  # 2**64 / golden ratio: Knuth, TAOCP 3, 6.4
_MIX_1, _MIX_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_FORMAT = "ghost-rhymes originality 1"

Hashes = NDArray[np.uint64]


class Nearest(NamedTuple):
    """The line of the text that is nearest to another.

    `number` counts lines from 1; `ratio` is 2 x longest common subsequence / both lengths, in letters of the cleaned
    lines, so never less than `difflib`'s; `overlap` is the longest run of words that both have.
    """

    line: str
    number: int
    ratio: float
    overlap: int

    @property
    def is_near_duplicate(self) -> bool:
        """Whether a reader would call it the same line; never for lines of fewer than four words."""
        return self.ratio >= NEAR_DUPLICATE and len(normalised_words(self.line)) >= MIN_NEAR_WORDS


class Run(NamedTuple):
    """Words in a row that the text has too; `start` is the place of the first, counted in words."""

    start: int
    words: tuple[str, ...]


class IndexUnreadable(Exception):
    """What is named as an index is none."""


class OriginalityIndex:
    """Known runs of words of one text."""

    def __init__(
        self, name: str, num_words: int, vocabulary: Sequence[str], lines: Sequence[str], arrays: Mapping[str, Hashes]
    ) -> None:
        self.name = name
        self._vocabulary = vocabulary
        self._place = {word: place for place, word in enumerate(vocabulary)}
        self._lines = lines
        self._arrays = arrays
        self.num_lines = len(lines)
        self.num_words = num_words
        self.sizes = tuple(size for size in SIZES if f"runs{size}" in arrays)

    @classmethod
    def build(cls, lines: Iterable[str], name: str, sizes: Sequence[int] = SIZES) -> Self:
        """An index of a text, in memory. `name` is what receipts call it.

        >>> index = OriginalityIndex.build(["Twinkle, twinkle, little star,", "how I wonder what you are"], "nursery")
        >>> index.runs("My LITTLE star! How I wonder", 4)
        (Run(start=1, words=('little', 'star', 'how', 'i')), Run(start=2, words=('star', 'how', 'i', 'wonder')))
        >>> index.completions(("little", "star", "how"), 4)
        ('i',)
        """
        kept = [line.strip() for line in lines]
        words_of = [normalised_words(line) for line in kept]
        vocabulary = sorted({word for words in words_of for word in words})
        if len(vocabulary) > _WORD_MASK:
            raise ValueError(f"the text has {len(vocabulary)} different words; an index holds {_WORD_MASK}")
        place = {word: index for index, word in enumerate(vocabulary)}
        ids = np.fromiter((place[word] for words in words_of for word in words), np.uint64)  # [num_words]
        arrays = {f"runs{size}": _distinct(_runs(ids, size)) for size in sizes}
        line_of = np.repeat(np.arange(len(kept), dtype=np.uint64), [len(words) for words in words_of])  # [num_words]
        return cls(name, len(ids), vocabulary, kept, arrays | _postings(ids, line_of))

    def save(self, directory: Path) -> None:
        """Write the index; its manifest last, so that a directory with a manifest is whole."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "manifest.json").unlink(missing_ok=True)
        for name, array in self._arrays.items():
            np.save(directory / f"{name}.npy", array)
        (directory / "vocabulary.txt").write_text("\n".join(self._vocabulary), encoding="utf-8")
        _Strings.write(self._lines, directory / "lines")
        manifest = {"format": _FORMAT, "name": self.name, "sizes": self.sizes, "num_words": self.num_words}
        (directory / "manifest.json").write_text(json.dumps(manifest) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Map a saved index.

        Raises:
            IndexUnreadable: the directory has no whole index of this format.
        """
        try:
            manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
            if manifest["format"] != _FORMAT:
                raise IndexUnreadable(
                    f"{directory} is of format {manifest['format']!r}, not {_FORMAT!r}: build it again"
                )
            names = [
                "postings_keys",
                "postings_starts",
                "postings_lines",
                *(f"runs{size}" for size in manifest["sizes"]),
            ]
            arrays = {name: np.load(directory / f"{name}.npy", mmap_mode="r") for name in names}
            vocabulary = (directory / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
            lines = _Strings(directory / "lines")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IndexUnreadable(f"{directory} holds no index: {error}; `ghost lyrics index` builds one") from error
        return cls(manifest["name"], manifest["num_words"], vocabulary, lines, arrays)

    def runs(self, text: str, n: int) -> tuple[Run, ...]:
        """The runs of exactly `n` words that the index knows, in order, overlapping ones too."""
        words = normalised_words(text)
        ids, known = self._ids(words)
        if len(words) < n:
            return ()
        hashes = _runs(ids, n)
        whole = np.lib.stride_tricks.sliding_window_view(known, n).all(axis=1)  # [num_runs]
        starts = np.flatnonzero(_contains(self._runs_of(n), hashes) & whole)
        return tuple(Run(int(start), words[start : start + n]) for start in starts)

    def completions(self, before: Sequence[str], n: int) -> tuple[str, ...]:
        """The words that would make a known run of `n` with the last `n - 1` words written before; cleaned words.

        Raises:
            ValueError: the index was built without runs of `n`.
        """
        table = self._runs_of(n)
        places = [self._place.get(word) for word in before[len(before) - n + 1 :]]
        known = [place for place in places if place is not None]
        if len(known) < n - 1:
            return ()
        low = _beginning(known)
        first = int(table.searchsorted(np.uint64(low)))
        found = []
        while first < len(table) and (run := int(table[first])) >> _WORD_BITS == low >> _WORD_BITS:
            found.append(self._vocabulary[run & _WORD_MASK])
            first += 1
        return tuple(found)

    def longest_run(self, text: str) -> int:
        """Words in the longest known run, as far as sizes were indexed: 0 when none of the smallest size is known."""
        return max((size for size in self.sizes if self.runs(text, size)), default=0)

    def nearest(self, line: str) -> Nearest | None:
        """The nearest line, or None when no line shares a word with it."""
        words = normalised_words(line)
        candidates = self._candidates(words)
        found = [self._compared(" ".join(words), int(candidate)) for candidate in candidates]
        return max(found, key=lambda nearest: (nearest.ratio, nearest.overlap, -nearest.number), default=None)

    def _compared(self, cleaned: str, candidate: int) -> Nearest:
        line = self._lines[candidate]
        other = clean_line(line)
        return Nearest(line, candidate + 1, similarity(cleaned, other), common_run(cleaned.split(), other.split()))

    def _candidates(self, words: tuple[str, ...]) -> NDArray[np.intp]:
        """The lines that share most with these words, rare words and pairs counting more."""
        ids, known = self._ids(words)
        pairs_known = known[:-1] & known[1:]
        terms = np.unique(np.concatenate([ids[known], _pairs(ids)[pairs_known]]))
        keys, starts, places = (self._arrays[f"postings_{name}"] for name in ("keys", "starts", "lines"))
        at = np.searchsorted(keys, terms)
        at = at[(at < len(keys)) & (keys[np.minimum(at, len(keys) - 1)] == terms)] if len(keys) else at[:0]
        counts = (starts[at + 1] - starts[at]).astype(np.int64)
        order = np.argsort(counts, kind="stable")
        within = order[(np.cumsum(counts[order]) <= MAX_POSTINGS) | (np.arange(len(order)) == 0)]
        if not len(within):
            return np.empty(0, np.intp)
        lines = np.concatenate([places[starts[at[term]] : starts[at[term] + 1]][:MAX_POSTINGS] for term in within])
        weights = np.repeat(np.log(1 + len(self._lines) / counts[within]), np.minimum(counts[within], MAX_POSTINGS))
        distinct, where = np.unique(lines, return_inverse=True)
        scores = np.bincount(where, weights)
        return distinct[np.argsort(-scores, kind="stable")[:MAX_CANDIDATES]].astype(np.intp)

    def _ids(self, words: Sequence[str]) -> tuple[Hashes, NDArray[np.bool_]]:
        """Places in the vocabulary, and whether each word is there at all."""
        places = [self._place.get(word, -1) for word in words]
        signed = np.array(places, np.int64)
        return np.maximum(signed, 0).astype(np.uint64), signed >= 0

    def _runs_of(self, n: int) -> Hashes:
        if n not in self.sizes:
            raise ValueError(
                f"the index {self.name!r} knows runs of {', '.join(map(str, self.sizes))} words, not of {n}"
            )
        return self._arrays[f"runs{n}"]


def similarity(one: str, other: str) -> float:
    """2 x longest common subsequence / both lengths: 1.0 for equal strings. Bit-parallel, one step a letter.

    Source: Hyyro, Bit-Parallel LCS-length Computation Revisited (2004).

    >>> similarity("runnin through the night", "running through the night")
    0.9795918367346939
    """
    if not one or not other:
        return float(one == other)
    masks: dict[str, int] = {}
    for index, letter in enumerate(one):
        masks[letter] = masks.get(letter, 0) | 1 << index
    full = (1 << len(one)) - 1
    row = full
    for letter in other:
        matched = row & masks.get(letter, 0)
        row = ((row + matched) | (row - matched)) & full
    return 2 * (len(one) - row.bit_count()) / (len(one) + len(other))


def common_run(one: Sequence[str], other: Sequence[str]) -> int:
    """Words in the longest run that both have.

    >>> common_run("how i wonder what you are".split(), "and i wonder what it is".split())
    3
    """
    longest, row = 0, [0] * (len(other) + 1)
    for word in one:
        row = [0, *(row[index] + 1 if word == match else 0 for index, match in enumerate(other))]
        longest = max(longest, *row)
    return longest


def _mixed(values: Hashes) -> Hashes:
    """Source: the finaliser of SplitMix64, Steele et al., Fast Splittable Pseudorandom Number Generators (2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(_MIX_1)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(_MIX_2)
    mixed: Hashes = values ^ (values >> np.uint64(31))
    return mixed


def _beginnings(ids: Hashes, length: int) -> Hashes:
    """Of each run of `length` words the hash, with room below for the word that follows."""
    num = len(ids) - length + 1
    hashed = np.zeros(num, np.uint64)
    for offset in range(length):
        hashed = _mixed(hashed * np.uint64(_FACTOR) + ids[offset : offset + num] + np.uint64(1))
    cut: Hashes = hashed & np.uint64(_FULL_MASK - _WORD_MASK)
    return cut


def _beginning(ids: Sequence[int]) -> int:
    """What `_beginnings` computes, for one run: ten times faster while a text is being written."""
    hashed = 0
    for place in ids:
        hashed = (hashed * _FACTOR + place + 1) & _FULL_MASK
        hashed = (hashed ^ hashed >> 30) * _MIX_1 & _FULL_MASK
        hashed = (hashed ^ hashed >> 27) * _MIX_2 & _FULL_MASK
        hashed ^= hashed >> 31
    return hashed & ~_WORD_MASK


def _runs(ids: Hashes, size: int) -> Hashes:
    if len(ids) < size:
        return np.empty(0, np.uint64)
    runs: Hashes = _beginnings(ids[:-1], size - 1) | ids[size - 1 :]
    return runs


def _distinct(hashes: Hashes) -> Hashes:
    """Sorted, each once. Sorting first is four times faster here than `np.unique`, which hashes."""
    hashes.sort()
    once: Hashes = hashes[np.concatenate([[True], hashes[1:] != hashes[:-1]])] if len(hashes) else hashes
    return once


def _contains(table: Hashes, wanted: Hashes) -> NDArray[np.bool_]:
    if not len(table):
        return np.zeros(len(wanted), np.bool_)
    at = np.minimum(np.searchsorted(table, wanted), len(table) - 1)
    same: NDArray[np.bool_] = table[at] == wanted
    return same


def _pairs(ids: Hashes) -> Hashes:
    """Two words as one term, above all terms of one word."""
    pairs: Hashes = ((ids[:-1] + np.uint64(1)) << np.uint64(_WORD_BITS)) | ids[1:]
    return pairs


def _postings(ids: Hashes, line_of: Hashes) -> dict[str, Hashes]:
    """For each word and each pair of words within a line, the lines that have it."""
    inside = line_of[:-1] == line_of[1:]
    terms = np.concatenate([ids, _pairs(ids)[inside]])
    lines = np.concatenate([line_of, line_of[:-1][inside]])
    order = np.lexsort((lines, terms))
    terms, lines = terms[order], lines[order]
    fresh = np.ones(len(terms), np.bool_)
    fresh[1:] = (terms[1:] != terms[:-1]) | (lines[1:] != lines[:-1])
    terms, lines = terms[fresh], lines[fresh]
    keys, starts = np.unique(terms, return_index=True)
    return {
        "postings_keys": keys,
        "postings_starts": np.append(starts, len(terms)).astype(np.uint64),
        "postings_lines": lines.astype(np.uint32),
    }


class _Strings(Sequence[str]):
    """Many strings in one mapped file, each read when it is asked for."""

    def __init__(self, path: Path) -> None:
        self._bytes = np.load(path.with_suffix(".text.npy"), mmap_mode="r")  # [num_bytes]
        self._starts = np.load(path.with_suffix(".starts.npy"), mmap_mode="r")  # [num_strings + 1]

    @staticmethod
    def write(strings: Iterable[str], path: Path) -> None:
        encoded = [string.encode() for string in strings]
        starts = np.cumsum([0, *map(len, encoded)], dtype=np.uint64)
        np.save(path.with_suffix(".text.npy"), np.frombuffer(b"".join(encoded), np.uint8))
        np.save(path.with_suffix(".starts.npy"), starts)

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return bytes(self._bytes[self._starts[index] : self._starts[index + 1]]).decode()
