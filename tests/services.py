"""A real inference service for tests: a tiny random checkpoint in a bucket, and `python -m inference` serving it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from contracts.bucket import LocalBucket
from contracts.manifest import CheckpointManifest
from inference.checkpoints import publish
from inference.huggingface import prepare
from tests.patience import until

TINY = "tiny-llama"
SECRET = "secret of the tests"
START_S = 300.0
"""Long, for a machine that does much else."""
_client = httpx.Client(timeout=1, verify=False)  # noqa: S501 - plain http; reading certificates costs more than asking


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def byte_tokenizer() -> Tokenizer:
    """A token for each byte, and `<|end|>`."""
    symbols = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "<|end|>"]
    tokenizer = Tokenizer(models.BPE(vocab={symbol: place for place, symbol in enumerate(symbols)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def make_tiny_checkpoint(folder: Path) -> None:
    """A Hugging Face directory with a random Llama of 30,000 parameters and a byte-level tokenizer."""
    tokenizer = byte_tokenizer()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        eos_token_id=None,  # with an end, here or in the tokenizer, random weights would stop at a random place
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


def publish_directory(folder: Path, bucket: Path, name: str, scratch: Path) -> None:
    """Put a Hugging Face directory into a local bucket."""
    prepared = prepare(folder, scratch)
    manifest = CheckpointManifest(
        name=name,
        architecture=prepared.architecture,
        num_parameters=prepared.num_parameters,
        dtype=prepared.dtype,
        licence="made by the tests",
        source="random",
        files=(),
    )
    publish(LocalBucket(bucket), manifest, prepared.files)


@dataclass
class InferenceService:
    """`python -m inference` over one home directory; `start` and `kill` as often as you like."""

    home: Path
    extra: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it is ready."""
        environment = os.environ | {
            "GHOST_HOME": str(self.home),
            "SERVICE_SECRET": SECRET,
            "INFERENCE_PORT": str(self.port),
            "INFERENCE_DTYPE": "float32",
        }
        log = (self.home / "inference.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "inference"], env=environment | self.extra, stdout=log, stderr=log
        )
        process = self.process
        until(lambda: self.is_ready() or process.poll() is not None, START_S, self._last_words, every_s=0.1)
        assert process.poll() is None, self._last_words()

    def is_ready(self) -> bool:
        """Whether it can write."""
        try:
            return _client.get(f"{self.url}/ready").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def _last_words(self) -> str:
        return (self.home / "inference.log").read_text()[-3000:]

    def kill(self) -> None:
        """End it as the kernel would for want of memory."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def wait_until_idle(self, timeout_s: float = 15.0) -> None:
        """Wait until no sequence runs or waits, by the service's own metrics."""

        def is_idle() -> bool:
            metrics = _client.get(f"{self.url}/metrics").text
            busy = re.findall(r"^ghost_inference_(?:running|waiting){.*} (\S+)$", metrics, re.MULTILINE)
            assert busy, metrics
            return not any(float(value) for value in busy)

        until(is_idle, timeout_s, f"still busy after {timeout_s} s")
