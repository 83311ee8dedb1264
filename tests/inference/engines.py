"""Small random checkpoints of the three architectures, engines over them, and transformers as the oracle."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import GPTJConfig, GPTNeoConfig, LlamaConfig

from contracts.wire import SamplingParams
from inference.engine import Engine, Formed, Piece

MAX_LEN = 768
SPREAD = 0.2  # weights large enough that texts wander instead of repeating one token


def small_configs() -> dict[str, Any]:
    """Small shapes that still have every trait: local layers, partial rotary, padded vocabulary, grouped heads."""
    return {
        "gpt_neo": GPTNeoConfig(
            hidden_size=64,
            num_layers=4,
            num_heads=4,
            attention_types=[[["global", "local"], 2]],
            window_size=256,
            vocab_size=640,
            max_position_embeddings=MAX_LEN,
            initializer_range=SPREAD,
        ),
        "gptj": GPTJConfig(
            n_embd=64,
            n_layer=3,
            n_head=4,
            rotary_dim=8,
            vocab_size=640,
            n_positions=MAX_LEN,
            initializer_range=SPREAD,
        ),
        "llama": LlamaConfig(
            hidden_size=96,
            intermediate_size=160,
            num_hidden_layers=3,
            num_attention_heads=6,
            num_key_value_heads=2,
            vocab_size=640,
            max_position_embeddings=MAX_LEN,
            rope_parameters={"rope_type": "default", "rope_theta": 50_000.0},
            tie_word_embeddings=True,
            initializer_range=SPREAD,
        ),
    }


@dataclass(frozen=True)
class Oracle:
    """A checkpoint directory and what transformers makes of it."""

    directory: Path
    network: Any

    @torch.inference_mode()
    def logits(self, ids: list[int]) -> torch.Tensor:  # [len(ids), vocab]
        out: torch.Tensor = self.network(torch.tensor([ids])).logits[0]
        return out

    @torch.inference_mode()
    def generate(self, ids: list[int], num_tokens: int) -> list[int]:
        out = self.network.generate(
            torch.tensor([ids]),
            max_new_tokens=num_tokens,
            do_sample=False,
            pad_token_id=self.network.config.eos_token_id,
        )
        tokens: list[int] = out[0, len(ids) :].tolist()
        return tokens


def load(
    directory: Path,
    *,
    num_slots: int = 8,
    max_waiting: int = 256,
    max_len: int = MAX_LEN,
    words: Path | None = None,
) -> Engine:
    return Engine.load(
        directory,
        dtype="float32",
        device="cpu",
        num_slots=num_slots,
        max_len=max_len,
        max_waiting=max_waiting,
        words=words,
    )


@contextmanager
def serving(directory: Path, **how: Any) -> Iterator[Engine]:
    """An engine that runs, and stops at the end."""
    engine = load(directory, **how)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


class Reader:
    """Reads requests of one engine to their ends."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.pieces: dict[str, list[Piece]] = {}
        self._heard = threading.Condition()
        self._open: dict[str, int] = {}

    def ask(
        self,
        request_id: str,
        prompt: str | list[int],
        *,
        formed: Formed | None = None,
        adapter: str = "",
        **params: Any,
    ) -> None:
        asked = SamplingParams(**params)
        ids = self.engine.encode(prompt) if isinstance(prompt, str) else prompt
        with self._heard:
            self.pieces[request_id], self._open[request_id] = [], asked.n
        try:
            self.engine.add(request_id, ids, asked, self._hear, formed=formed, adapter=adapter)
        except Exception:
            del self._open[request_id]
            raise

    def wait(self, until: Callable[[], bool] | None = None) -> None:
        """Until everything asked has ended, or until `until` holds."""
        with self._heard:
            assert self._heard.wait_for(until or (lambda: not self._open), timeout=60), f"never ended: {self._open}"

    def text(self, request_id: str, index: int = 0) -> str:
        return "".join(piece.text for piece in self.pieces[request_id] if piece.index == index)

    def reason(self, request_id: str, index: int = 0) -> str | None:
        return [piece.finish_reason for piece in self.pieces[request_id] if piece.index == index][-1]

    def _hear(self, pieces: list[Piece]) -> None:
        with self._heard:
            for piece in pieces:
                self.pieces[piece.request_id].append(piece)
                if piece.finish_reason:
                    self._open[piece.request_id] -= 1
                    if not self._open[piece.request_id]:
                        del self._open[piece.request_id]
            self._heard.notify_all()
