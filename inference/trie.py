"""All ways in which a tokenizer spells the words of a vocabulary, as a trie of token ids.

Two roots: one for words after a space (` night`, ` Night`), one for words that begin a line (`night`, `Night`). Nodes
are numbered level by level, children by token, so a node's children are one slice; spellings are numbered depth first,
so a node stands for one interval of them. Built once per tokenizer, kept as two arrays that are mapped.
"""

from __future__ import annotations

import hashlib
import os
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from inference.tokenizer import Tokenizer
from lyrics.vocabulary import Vocabulary, surfaces

AFTER_SPACE, AT_LINE_START = 0, 1
"""The roots."""
_VERSION = "3"
Ints = NDArray[np.int32]
Bits = NDArray[np.uint64]
_TOKEN, _PARENT, _FIRST, _NUM, _LOW, _HIGH = range(6)


class Unspellable(ValueError):
    """The tokenizer does not write words as they are, so no form can be kept with it."""


class TokenTrie:
    """`nodes` is `[6, num_nodes]`: token, parent, first child, number of children, first and last + 1 spelling below.
    `spellings` is `[3, num_spellings]`: the word, the node in which its spelling ends, and 1 if it is the plain one."""

    def __init__(self, vocabulary: Vocabulary, nodes: Ints, spellings: Ints) -> None:
        self.vocabulary = vocabulary
        plain = nodes.view(np.ndarray), spellings.view(np.ndarray)  # a mapped array is slow to slice
        self.token, self.parent, self.first, self.num, self.low, self.high = plain[0]
        self.words, self.nodes, self._is_plain = plain[1]
        self.ending: Ints = np.full(nodes.shape[1], -1, np.int32)  # [num_nodes], the spelling that ends here, or -1
        self.ending[self.nodes] = np.arange(len(self.nodes), dtype=np.int32)
        self._arrays = nodes, spellings
        self.usual: Ints = self._usual()
        """`[num_spellings]`: itself, or the same word in small letters where a capital within a line says nothing."""
        self._is_usual = self.usual == np.arange(len(self.usual))
        kept = np.flatnonzero(self._is_usual).astype(np.int32)
        self._by_word = _table(self.words[kept], kept, len(vocabulary.words))  # [num_words, 3]

    @classmethod
    def of(cls, tokenizer: Tokenizer, vocabulary: Vocabulary, folder: Path | None = None) -> Self:
        """The trie of a tokenizer, from `folder` when it lies there already; else it is built and laid there.

        Raises:
            Unspellable: words come out other than they went in, or a line break is no token of its own.
        """
        place = folder / _name(tokenizer, vocabulary) if folder else None
        if place and (place / "spellings.npy").is_file():
            nodes, spellings = (np.load(place / f"{name}.npy", mmap_mode="r") for name in ("nodes", "spellings"))
            return cls(vocabulary, nodes, spellings)
        nodes, spellings = _build(tokenizer, vocabulary)
        if place:
            place.mkdir(parents=True, exist_ok=True)
            for name, array in (("nodes", nodes), ("spellings", spellings)):  # the second one last: then it is whole
                temporary = place / f"{name}.{os.getpid()}.npy"
                np.save(temporary, array)
                temporary.replace(place / f"{name}.npy")
        return cls(vocabulary, nodes, spellings)

    @property
    def size_bytes(self) -> int:
        """What it takes on disk."""
        return sum(array.nbytes for array in self._arrays)

    @cached_property
    def num_tokens(self) -> Ints:  # [num_words]
        """How many tokens each word has after a space, in small letters: one for common words."""
        kept = np.flatnonzero(self._is_plain[: self.high[AFTER_SPACE]])
        counts: Ints = np.zeros(len(self.vocabulary.words), np.int32)
        counts[self.words[kept]] = self._num_tokens_of[kept]
        return counts

    @cached_property
    def _num_tokens_of(self) -> Ints:  # [num_spellings]
        depth = np.zeros(len(self.token), np.int32)
        for num, level in enumerate(self._levels):
            depth[level] = num
        counts: Ints = depth[self.nodes]
        return counts

    def _usual(self) -> Ints:
        """A tokenizer has met names with a capital more often than without: they take fewer tokens so."""
        end = int(self.high[AFTER_SPACE])
        plain = np.flatnonzero(self._is_plain[:end])
        plain_of = np.zeros(len(self.vocabulary.words), np.int32)
        plain_of[self.words[plain]] = plain
        small = plain_of[self.words[:end]]
        usual = np.arange(len(self.words), dtype=np.int32)
        is_name = self._num_tokens_of[:end] < self._num_tokens_of[small]
        usual[:end] = np.where(is_name, usual[:end], small)
        return usual

    def children(self, node: int) -> slice:
        """The nodes below a node."""
        first = int(self.first[node])
        return slice(first, first + int(self.num[node]))

    def child(self, node: int, token: int) -> int:
        """The node that a token leads to, or -1."""
        below = self.children(node)
        place = below.start + int(np.searchsorted(self.token[below], token))
        return place if place < below.stop and self.token[place] == token else -1

    def path(self, node: int) -> list[int]:
        """The tokens from the root to a node."""
        tokens = []
        while node > AT_LINE_START:
            tokens.append(int(self.token[node]))
            node = int(self.parent[node])
        return tokens[::-1]

    def spellings_of(self, words: NDArray[np.integer]) -> Ints:
        """The usual spellings of these words, sorted; those after a space come before those that begin a line."""
        found: Ints = self._by_word[words].ravel()
        found = found[found >= 0]
        found.sort()
        return found

    def patterns_of(self, is_in: NDArray[np.bool_]) -> Bits:
        """For each spelling the stress pattern, as a bit, of its word: 0 for what the set `[num_words]` lacks, and for
        unusual spellings."""
        signature = self.vocabulary.signature[self.words]
        own = np.left_shift(np.uint64(1), np.maximum(signature, 0).astype(np.uint64))
        return np.where(is_in[self.words] & (signature >= 0) & self._is_usual, own, np.uint64(0))

    def layer(self, patterns: Bits) -> Bits:
        """For each node the stress patterns, as bits, of the spellings below it, whose own are `[num_spellings]`."""
        bits = np.zeros(len(self.token), np.uint64)
        bits[self.nodes] = patterns
        for level in reversed(self._levels[1:]):
            above = self.parent[level]
            heads = np.concatenate([[0], np.flatnonzero(np.diff(above)) + 1])
            bits[above[heads]] |= np.bitwise_or.reduceat(bits[level], heads)
        return bits

    @cached_property
    def _levels(self) -> list[slice]:
        """The nodes of each depth."""
        levels = [slice(0, 2)]
        while True:
            above = levels[-1]
            num = int(self.num[above].sum())
            if not num:
                return levels
            levels.append(slice(above.stop, above.stop + num))


def _table(words: Ints, spellings: Ints, num_words: int) -> Ints:
    """The spellings of each word, filled up with -1."""
    order = np.argsort(words, kind="stable")
    words = words[order]
    nth = np.arange(len(order)) - np.searchsorted(words, words)
    table = np.full((num_words, int(nth.max(initial=0)) + 1), -1, np.int32)
    table[words, nth] = spellings[order]
    return table


def _name(tokenizer: Tokenizer, vocabulary: Vocabulary) -> str:
    digest = hashlib.sha256(_VERSION.encode())
    for part in (tokenizer.serialised().encode(), "\n".join(vocabulary.words).encode()):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:32]


def _build(tokenizer: Tokenizer, vocabulary: Vocabulary) -> tuple[Ints, Ints]:
    children: list[dict[int, int]] = [{}, {}]
    ends: dict[int, tuple[int, bool]] = {}  # by node, the word, and whether it is spelled plainly
    for root, opening in ((AFTER_SPACE, " "), (AT_LINE_START, "")):
        written = [
            (number, opening + surface) for number, word in enumerate(vocabulary.words) for surface in surfaces(word)
        ]
        for (number, surface), ids in zip(written, tokenizer.spell([surface for _, surface in written]), strict=True):
            if b"".join(tokenizer.bytes_of[token] for token in ids) != surface.encode():
                raise Unspellable(f"this tokenizer does not write {surface!r} as it is; a form needs a byte-level one")
            node = root
            for token in ids:
                below = children[node]
                if token not in below:
                    below[token] = len(children)
                    children.append({})
                node = below[token]
            ends[node] = number, surface == opening + next(iter(surfaces(vocabulary.words[number])))
    return _numbered(children, ends)


def _numbered(children: list[dict[int, int]], ends: dict[int, tuple[int, bool]]) -> tuple[Ints, Ints]:
    """Level by level, with the spellings below each node."""
    order = [AFTER_SPACE, AT_LINE_START]
    nodes = np.zeros((6, len(children)), np.int32)
    nodes[_PARENT] = -1
    place = 0
    while place < len(order):
        below = children[order[place]]
        nodes[_FIRST, place], nodes[_NUM, place] = len(order), len(below)
        for token in sorted(below):
            nodes[_TOKEN, len(order)], nodes[_PARENT, len(order)] = token, place
            order.append(below[token])
        place += 1
    number = {node: index for index, node in enumerate(order)}
    word_at, is_plain = np.full(len(order), -1, np.int32), np.zeros(len(order), np.int32)
    for node, ending in ends.items():
        word_at[number[node]], is_plain[number[node]] = ending
    num_below = (word_at >= 0).astype(np.int32)
    for node in range(len(order) - 1, AT_LINE_START, -1):
        num_below[nodes[_PARENT, node]] += num_below[node]
    nodes[_HIGH, AFTER_SPACE] = nodes[_LOW, AT_LINE_START] = num_below[AFTER_SPACE]
    nodes[_HIGH, AT_LINE_START] = num_below[AFTER_SPACE] + num_below[AT_LINE_START]
    for node in range(len(order)):
        low = int(nodes[_LOW, node]) + int(word_at[node] >= 0)
        for child in range(nodes[_FIRST, node], nodes[_FIRST, node] + nodes[_NUM, node]):
            nodes[_LOW, child] = low
            low += num_below[child]
            nodes[_HIGH, child] = low
    at = np.flatnonzero(word_at >= 0)
    spellings = np.zeros((3, len(at)), np.int32)
    spellings[0, nodes[_LOW, at]] = word_at[at]
    spellings[1, nodes[_LOW, at]] = at
    spellings[2, nodes[_LOW, at]] = is_plain[at]
    return nodes, spellings
