"""Which tokens spell the words that may come: sets of words, looked up in the trie.

Large sets are layers: for each node of the trie the stress patterns of the words below it, so that a whole level is
asked at once. Small ones are sorted spellings. `Choice` is what may come at one place of a line, and answers node by
node. Knows nothing of lines and forms.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inference.tokenizer import Tokenizer
from inference.trie import Bits, Ints, TokenTrie, Unspellable
from lyrics.ends import Foreign, WordBook, WordSet
from lyrics.vocabulary import Words

MARKS = (",", ".", "!", "?", ";")  # no colon: "Hook:" is a heading
MAX_LAYERS, MAX_ROOTS, MAX_COUNTS = 64, 4096, 64
Packed = NDArray[np.uint8]
"""Which tokens are allowed, `[ceil(vocab / 8)]`: token t is bit t % 8 of byte t // 8."""
NO_SPELLINGS = np.empty(0, np.int32)
_BIT = np.left_shift(1, np.arange(8)).astype(np.uint8)


class Layer(NamedTuple):
    """A large set of words over the trie: the stress patterns below each node, and that of each spelling."""

    nodes: Bits
    spellings: Bits


class Speller:
    """The words of one engine, and what was worked out about them. For the engine's thread."""

    def __init__(self, tokenizer: Tokenizer, trie: TokenTrie, vocab_size: int) -> None:
        """Raises:
        Unspellable: there is no token for a line break alone.
        """
        self.tokenizer = tokenizer
        self.trie = trie
        self.vocab_size = vocab_size
        newline = self._token("\n")
        if newline is None:
            raise Unspellable("this tokenizer has no token of its own for a line break, so no form can be kept with it")
        self.newline = newline
        self.marks = tuple(token for mark in MARKS if (token := self._token(mark)) is not None)
        self.commas = tuple(token for token in self.marks if tokenizer.bytes_of[token] == b",")
        opens_large = [token for token, spelled in enumerate(tokenizer.bytes_of[:vocab_size]) if spelled[:1].isupper()]
        self.capitals = self.none()
        """The tokens that begin with a capital letter."""
        allow(self.capitals, np.array(opens_large, np.int32))
        self.tokens_per_syllable = float(trie.num_tokens.sum() / trie.vocabulary.num_syllables.sum())
        """On the mean of all words, each counted once: rare ones weigh as much as common ones, so a text has fewer."""
        self._root = lru_cache(MAX_ROOTS)(self._packed_root)
        self._counts = lru_cache(MAX_COUNTS)(self._count_of_layer)
        self._plain: dict[Hashable, Choice] = {}
        self.book = WordBook(trie.vocabulary, trie.num_tokens)
        self._layers: dict[Hashable, Layer] = {}
        self._names: dict[Hashable, int] = {}

    def layer(self, words: WordSet) -> Layer:
        """The layer of a large set; the last ones are remembered by name."""
        if words.key not in self._layers:
            if len(self._layers) >= MAX_LAYERS:
                self._layers.clear()
                self._root.cache_clear()
                self._counts.cache_clear()
                self._plain.clear()
            self._layers[words.key] = self._layer(words.numbers)
        return self._layers[words.key]

    def root(self, root: int, words: WordSet, patterns: int) -> Packed:
        """The tokens that begin a word of a large set with one of these patterns; not to be written to."""
        self.layer(words)
        return self._root(root, words.key, patterns)

    def choice(self, root: int, options: Sequence[Option], chosen: Ints, foreign: ForeignNode | None) -> Choice:
        """What may come; one of large sets alone, the commonest, is remembered."""
        if len(chosen) or foreign or any(len(option.banned) for option in options):
            return Choice(self, root, options, chosen, foreign)
        key = root, *((option.words.key, option.patterns) for option in options)
        if key not in self._plain:
            if len(self._plain) >= MAX_ROOTS:
                self._plain.clear()
            self._plain[key] = Choice(self, root, options, chosen, None)
        return self._plain[key]

    def counts(self, words: WordSet, patterns: int) -> Ints:  # [num_spellings + 1]
        """How many spellings of a large set with one of these patterns stand before each spelling."""
        self.layer(words)
        return self._counts(words.key, patterns)

    def none(self) -> Packed:
        """The mask that allows nothing."""
        return np.zeros(-(-self.vocab_size // 8), np.uint8)

    def encode(self, text: str) -> list[int]:
        """The tokens of a word as it stands in a text, with the space before it, if any."""
        return self.tokenizer.spell([text])[0]

    def _layer(self, numbers: Words) -> Layer:
        is_in = np.zeros(len(self.trie.vocabulary.words), bool)
        is_in[numbers] = True
        patterns = self.trie.patterns_of(is_in)
        return Layer(self.trie.layer(patterns), patterns)

    def _packed_root(self, root: int, key: Hashable, patterns: int) -> Packed:
        below = self.trie.children(root)
        mask = self.none()
        allow(mask, self.trie.token[below][(self._layers[key].nodes[below] & np.uint64(patterns)) != 0])
        return mask

    def _count_of_layer(self, key: Hashable, patterns: int) -> Ints:
        is_in = (self._layers[key].spellings & np.uint64(patterns)) != 0
        return np.concatenate([[0], np.cumsum(is_in)]).astype(np.int32)

    def _token(self, text: str) -> int | None:
        ids = self.encode(text)
        return ids[0] if len(ids) == 1 and self.tokenizer.bytes_of[ids[0]] == text.encode() else None


class ForeignNode:
    """A trie of a few words that the vocabulary lacks."""

    def __init__(self) -> None:
        self.below: dict[int, ForeignNode] = {}
        self.word: Foreign | None = None

    @classmethod
    def of(cls, words: Iterable[tuple[Foreign, Sequence[int]]]) -> ForeignNode:
        """A trie of words and their tokens."""
        root = cls()
        for word, tokens in words:
            node = root
            for token in tokens:
                node = node.below.setdefault(token, cls())
            node.word = word
        return root


class Option(NamedTuple):
    """Words of a large set that may come: the patterns allowed, and the spellings that are not."""

    words: WordSet
    patterns: int
    banned: Ints


class _Allowed(NamedTuple):
    """An option over the trie. `banned` are those of its own spellings that may not come; then `counts` is
    `Speller.counts`."""

    layer: Layer
    patterns: np.uint64
    banned: Ints
    counts: Ints | None

    @classmethod
    def of(cls, speller: Speller, option: Option) -> _Allowed:
        layer, patterns, banned = speller.layer(option.words), np.uint64(option.patterns), option.banned
        if len(banned):
            banned = banned[(layer.spellings[banned] & patterns) != 0]
        return cls(layer, patterns, banned, speller.counts(option.words, option.patterns) if len(banned) else None)


class Choice:
    """What may come at one place: words of large sets, spellings one by one, and foreign words."""

    def __init__(
        self, speller: Speller, root: int, options: Sequence[Option], chosen: Ints, foreign: ForeignNode | None
    ) -> None:
        self.foreign = foreign
        self._speller = speller
        self._trie = speller.trie
        self._layers = [_Allowed.of(speller, option) for option in options]
        self._chosen = chosen
        self.mask = self._mask(root, options)
        """The tokens that may begin a word; not to be written to."""

    def allows(self, spelling: int) -> bool:
        """Whether this spelling may come."""
        return has(self._chosen, spelling) or any(
            bool(layer.spellings[spelling] & patterns) and not has(banned, spelling)
            for layer, patterns, banned, _ in self._layers
        )

    def inside(self, node: int) -> Ints:
        """The tokens that go on within a word."""
        below = self._trie.children(node)
        if below.stop == below.start:
            return NO_SPELLINGS
        tokens: Ints = self._trie.token[below][self._leads(self._trie.low[below], self._trie.high[below], below)]
        return tokens

    def _leads(self, low: Ints, high: Ints, nodes: slice | Ints) -> NDArray[np.bool_]:
        """Whether a word that may come lies below each node, that is, within each interval of spellings."""
        found = _count(self._chosen, low, high) > 0 if len(self._chosen) else np.zeros(len(low), np.bool_)
        for layer, patterns, banned, counts in self._layers:
            if counts is None:
                found |= (layer.nodes[nodes] & patterns) != 0
            else:
                found |= counts[high] - counts[low] > _count(banned, low, high)
        return found

    def _mask(self, root: int, options: Sequence[Option]) -> Packed:
        masks = [self._speller.root(root, words, patterns) for words, patterns, _ in options]
        mask = np.bitwise_or.reduce(masks) if masks else self._speller.none()
        below = self._trie.children(root)
        low = self._trie.low[below]
        touched = [self._chosen, *(allowed.banned for allowed in self._layers)]
        tops = [self._tops(low, root, spellings) for spellings in touched if len(spellings)]
        if tops:
            mask = mask if len(masks) != 1 else mask.copy()
            places = np.concatenate(tops) if len(tops) > 1 else tops[0]
            leads = self._leads(low[places], self._trie.high[below][places], places + below.start)
            tokens = self._trie.token[below][places]
            allow(mask, tokens[leads])
            forbid(mask, tokens[~leads])
        if self.foreign:
            allow(mask, np.array([*self.foreign.below], np.int32))
        return mask

    def _tops(self, low: Ints, root: int, spellings: Ints) -> Ints:
        """The places, among a root's children, of the nodes above these spellings."""
        inside = spellings[(spellings >= self._trie.low[root]) & (spellings < self._trie.high[root])]
        tops: Ints = (np.searchsorted(low, inside, side="right") - 1).astype(np.int32)
        return tops


def has(spellings: NDArray[np.int32], one: int) -> bool:
    """Whether a sorted array holds a number."""
    place = int(spellings.searchsorted(one))
    return place < len(spellings) and int(spellings[place]) == one


def allow(mask: Packed, tokens: Ints) -> None:
    """Add tokens to a mask."""
    np.bitwise_or.at(mask, tokens >> 3, _BIT[tokens & 7])


def forbid(mask: Packed, tokens: Ints) -> None:
    """Take tokens off a mask."""
    np.bitwise_and.at(mask, tokens >> 3, ~_BIT[tokens & 7])


def _count(spellings: Ints, low: Ints, high: Ints) -> NDArray[np.intp]:
    """How many of the sorted spellings lie in each interval."""
    return spellings.searchsorted(high) - spellings.searchsorted(low)
