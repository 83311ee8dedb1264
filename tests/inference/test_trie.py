"""The trie of a tokenizer's spellings says what a scan over all of them says, and is the same whenever it is built."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers

from bench.checkpoints import byte_level_tokenizer
from inference.speller import Speller
from inference.tokenizer import Tokenizer
from inference.trie import AFTER_SPACE, AT_LINE_START, TokenTrie, Unspellable
from lyrics.phones import Lexicon
from lyrics.vocabulary import Vocabulary, surfaces

SOME = "a an and ant anthem any 'cause i i'm i'll night nights nightly in into moon river rivers the then there".split()  # noqa: SIM905


@pytest.fixture(scope="module")
def small() -> Vocabulary:
    lexicon = Lexicon()
    return Vocabulary({word: lexicon.pronunciations(word)[0].phones for word in SOME}, SOME)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(byte_level_tokenizer(640).backend_tokenizer, [639], Path("none"))


def text(trie: TokenTrie, tokenizer: Tokenizer, spelling: int) -> str:
    return b"".join(tokenizer.bytes_of[token] for token in trie.path(int(trie.nodes[spelling]))).decode()


def other_backend(pre_tokenizer: Any, unknown: str) -> Backend:
    vocab = {symbol: i for i, symbol in enumerate([*sorted(pre_tokenizers.ByteLevel.alphabet()), unknown])}
    backend = Backend(models.BPE(vocab=vocab, merges=[], unk_token=unknown))
    backend.pre_tokenizer = pre_tokenizer
    backend.decoder = decoders.ByteLevel()
    return backend


def test_it_works(small: Vocabulary, tokenizer: Tokenizer) -> None:
    trie = TokenTrie.of(tokenizer, small)
    spelled = [(small.words[trie.words[place]], text(trie, tokenizer, place)) for place in range(len(trie.words))]
    expected = [(word, opening + surface) for opening in (" ", "") for word in SOME for surface in surfaces(word)]
    assert sorted(spelled) == sorted(expected)
    assert trie.spellings_of(np.array([small.number["i'm"]])).size == 2
    assert {text(trie, tokenizer, place) for place in trie.spellings_of(np.array([small.number["i'm"]]))} == {
        " I'm",
        "I'm",
    }


def test_a_node_stands_for_the_spellings_below_it(small: Vocabulary, tokenizer: Tokenizer) -> None:
    trie = TokenTrie.of(tokenizer, small)
    for node in range(len(trie.token)):
        path = trie.path(node)
        root = AFTER_SPACE if trie.low[node] < trie.high[AFTER_SPACE] else AT_LINE_START
        below = [
            place
            for place in range(trie.low[root], trie.high[root])
            if trie.path(int(trie.nodes[place]))[: len(path)] == path
        ]
        assert below == [*range(trie.low[node], trie.high[node])]
        children = trie.children(node)
        assert [*trie.token[children]] == sorted(set(trie.token[children]))
        for child in range(children.start, children.stop):
            assert trie.child(node, int(trie.token[child])) == child
        assert trie.child(node, 1) in (-1, *range(children.start, children.stop))
        if trie.ending[node] >= 0:
            assert trie.nodes[trie.ending[node]] == node


def test_built_twice_and_mapped_it_is_the_same(speller: Speller, words: Path, tmp_path: Path) -> None:
    built, mapped = speller.trie, TokenTrie.of(speller.tokenizer, speller.trie.vocabulary, words)
    assert len([*words.iterdir()]) == 1
    for name in ("token", "parent", "first", "num", "low", "high", "words", "nodes", "ending", "num_tokens"):
        assert np.array_equal(getattr(built, name), getattr(mapped, name)), name
    assert built.size_bytes < 20e6


def test_built_again_it_is_the_same(small: Vocabulary, tokenizer: Tokenizer, tmp_path: Path) -> None:
    one, other = TokenTrie.of(tokenizer, small, tmp_path), TokenTrie.of(tokenizer, small)
    assert np.array_equal(one.token, other.token)
    assert np.array_equal(one.nodes, other.nodes)


def test_half_a_trie_on_disk_is_built_anew(small: Vocabulary, tokenizer: Tokenizer, tmp_path: Path) -> None:
    whole = TokenTrie.of(tokenizer, small, tmp_path)
    (half,) = tmp_path.glob("*/spellings.npy")
    half.unlink()
    assert np.array_equal(TokenTrie.of(tokenizer, small, tmp_path).nodes, whole.nodes)
    assert half.is_file()


def test_another_tokenizer_or_vocabulary_has_a_trie_of_its_own(small: Vocabulary, tmp_path: Path) -> None:
    fewer = Vocabulary({word: Lexicon().pronunciations(word)[0].phones for word in SOME[:5]}, SOME[:5])
    for num_tokens in (640, 700):
        tokenizer = Tokenizer(byte_level_tokenizer(num_tokens).backend_tokenizer, [], Path("none"))
        TokenTrie.of(tokenizer, small, tmp_path)
        TokenTrie.of(tokenizer, fewer, tmp_path)
    assert len([*tmp_path.iterdir()]) == 4


@pytest.mark.parametrize("seed", range(4))
def test_a_layer_says_of_each_node_what_a_scan_says(speller: Speller, seed: int) -> None:
    trie, vocabulary = speller.trie, speller.trie.vocabulary
    random = np.random.default_rng(seed)
    is_in = random.random(len(vocabulary.words)) < random.choice([0.001, 0.1, 0.9])
    layer = trie.layer(trie.patterns_of(is_in))
    for node in [AFTER_SPACE, AT_LINE_START, *random.integers(0, len(trie.token), 300).tolist()]:
        below = [trie.words[place] for place in range(trie.low[node], trie.high[node]) if trie.usual[place] == place]
        patterns = {
            int(vocabulary.signature[word]) for word in below if is_in[word] and vocabulary.signature[word] >= 0
        }
        assert {place for place in range(64) if int(layer[node]) >> place & 1} == patterns


def test_a_tokenizer_that_does_not_write_words_as_they_are_is_refused(small: Vocabulary) -> None:
    backend = other_backend(pre_tokenizers.Whitespace(), "?")
    with pytest.raises(Unspellable, match="byte-level"):
        TokenTrie.of(Tokenizer(backend, [], Path("none")), small)


def test_a_tokenizer_without_a_line_break_of_its_own_is_refused(small: Vocabulary) -> None:
    vocab = {symbol: i for i, symbol in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    del vocab["Ċ"]
    backend = Backend(models.BPE(vocab={symbol: i for i, symbol in enumerate(vocab)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = Tokenizer(backend, [], Path("none"))
    with pytest.raises(Unspellable, match="line break"):
        Speller(tokenizer, TokenTrie.of(tokenizer, small), tokenizer.num_tokens)


def test_a_word_is_as_rare_as_it_takes_tokens_in_small_letters(speller: Speller) -> None:
    random = Random(0)  # noqa: S311  (a sample)
    trie, vocabulary = speller.trie, speller.trie.vocabulary
    for number in random.sample(range(len(vocabulary.words)), 200):
        surface = next(iter(surfaces(vocabulary.words[number])))
        assert trie.num_tokens[number] == len(speller.encode(f" {surface}"))


def test_a_capital_within_a_line_is_usual_where_it_saves_tokens(speller: Speller) -> None:
    trie = speller.trie
    after_space = range(trie.high[AFTER_SPACE])
    assert {text(trie, speller.tokenizer, place)[1] for place in after_space if trie.usual[place] != place} == {
        *"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    }
    for place in [*after_space][::97]:
        spelled = text(trie, speller.tokenizer, place)
        small = speller.encode(spelled.lower())
        is_large = spelled != spelled.lower() and len(speller.encode(spelled)) >= len(small)
        named = text(trie, speller.tokenizer, int(trie.usual[place]))
        assert named == (spelled.lower() if is_large and not spelled.startswith((" I'", " I ")) else spelled)
    at_line_start = np.arange(trie.low[AT_LINE_START], trie.high[AT_LINE_START])
    assert np.array_equal(trie.usual[at_line_start], at_line_start)
