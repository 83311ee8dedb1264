"""What the three networks share: embeddings in, a stack of blocks, a norm and a head out. Knows no sampling."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from inference.attention import Attention, Batch, HeadShape, Rope
from inference.cache import KVCache
from inference.linear import Activation, Linear
from inference.weights import CheckpointError, Weights

Block = Callable[[Tensor, Attention], Tensor]
"""One layer: hidden states `[num_tokens, hidden]` in and out."""

_ACTIVATIONS: dict[str, Activation] = {
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu": "gelu",
    "relu": "relu",
}


def activation(config: Any, weights: Weights) -> Activation:
    """The activation that a GPT-style config names."""
    try:
        return _ACTIVATIONS[config.activation_function]
    except KeyError:
        known = ", ".join(_ACTIVATIONS)
        raise CheckpointError(
            weights.directory, f"its activation {config.activation_function!r} is not one of {known}"
        ) from None


@dataclass(frozen=True)
class LayerNorm:
    """Source: Ba et al. 2016, eq. 4."""

    weight: Tensor  # [hidden]
    bias: Tensor
    eps: float

    @classmethod
    def read(cls, weights: Weights, name: str, hidden: int, eps: float) -> LayerNorm:
        return cls(weights.take(f"{name}.weight", hidden), weights.take(f"{name}.bias", hidden), eps)

    def __call__(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


@dataclass(frozen=True)
class RMSNorm:
    """Source: Zhang and Sennrich 2019, eq. 4."""

    weight: Tensor  # [hidden]
    eps: float

    def __call__(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, self.weight.shape, self.weight, self.eps)


@dataclass(frozen=True)
class Target:
    """Where an adapter of one projection acts: `part` of a layer that several projections of the checkpoint are fused
    into, its rows `first_row` on, in `order` where they were reordered, and its columns `first_column` on."""

    linear: Linear
    num_rows: int
    num_columns: int
    part: int = 0
    first_row: int = 0
    first_column: int = 0
    order: Tensor | None = None


class Network(ABC):
    """A causal language model whose weights have been fused for inference.

    `num_tokens` cuts a padded vocabulary down to the ids that the tokenizer knows, so padding is never sampled.
    """

    heads: HeadShape
    num_layers: int
    max_positions: int
    rope: Rope | None = None
    embedding: Tensor  # [padded vocab, hidden]
    blocks: list[Block]
    norm: Callable[[Tensor], Tensor]
    head: Linear
    targets: dict[str, Target]
    """What adapters may change, by the checkpoint's names of the modules."""

    @abstractmethod
    def __init__(self, config: Any, weights: Weights, num_tokens: int) -> None: ...

    @property
    def vocab_size(self) -> int:
        return self.head.num_features

    @property
    def num_embeddings(self) -> int:
        """Ids that may be read; `vocab_size` counts those that may be written."""
        return len(self.embedding)

    @property
    def device(self) -> torch.device:
        return self.embedding.device

    def embed(self, batch: Batch) -> Tensor:  # [num_tokens, hidden]
        return functional.embedding(batch.token_ids, self.embedding)

    def forward(self, batch: Batch, cache: KVCache) -> Tensor:  # [num_outputs, vocab], float32
        """Reads the batch's tokens, remembers their keys and values, and scores what may follow `batch.last`."""
        attend = Attention(batch, cache, self.heads, self.rope)
        hidden = self.embed(batch)
        for block in self.blocks:
            hidden = block(hidden, attend)
        return self.head(self.norm(hidden[batch.last])).float()

    def _read_head(self, weights: Weights, *, tied: bool, num_tokens: int, bias: bool = False) -> Linear:
        padded, hidden = self.embedding.shape
        table = (
            self.embedding
            if tied or "lm_head.weight" not in weights
            else weights.take("lm_head.weight", padded, hidden)
        )
        offset = weights.take("lm_head.bias", padded)[:num_tokens] if bias and "lm_head.bias" in weights else None
        return Linear(table[:num_tokens], offset)
