"""The three small checkpoints, written once a session, and how their tokenizer spells words."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from bench.checkpoints import write_checkpoint
from inference.speller import Speller
from inference.tokenizer import Tokenizer
from inference.trie import TokenTrie
from lyrics.vocabulary import Vocabulary
from tests.inference.engines import Oracle, small_configs


@pytest.fixture(scope="session")
def oracles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Oracle]:
    found = {}
    for name, config in small_configs().items():
        directory = tmp_path_factory.mktemp("checkpoints") / name
        write_checkpoint(directory, config)
        network = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
        found[name] = Oracle(directory, network)
    return found


@pytest.fixture(params=["gpt_neo", "gptj", "llama"])
def oracle(request: pytest.FixtureRequest, oracles: dict[str, Oracle]) -> Oracle:
    return oracles[request.param]


@pytest.fixture(scope="session")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which engines keep what they learn of their words."""
    return tmp_path_factory.mktemp("words")


@pytest.fixture(scope="session")
def speller(oracles: dict[str, Oracle], words: Path) -> Speller:
    """How the small checkpoints spell all words that are shipped."""
    tokenizer = Tokenizer.load(oracles["llama"].directory, [639])
    return Speller(tokenizer, TokenTrie.of(tokenizer, Vocabulary.shipped(), words), 640)
