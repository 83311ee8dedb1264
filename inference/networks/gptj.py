"""GPT-J: rotary positions on part of each head, attention and feed-forward side by side, a vocabulary padded to 50,400.

Source: Wang and Komatsuzaki 2021, GPT-J-6B; names as in transformers' `GPTJForCausalLM`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inference.attention import Attention, HeadShape, Rope
from inference.linear import Linear
from inference.networks.base import LayerNorm, Network, Target, activation
from inference.weights import Weights

ROPE_BASE = 10_000.0


@dataclass(frozen=True)
class GPTJBlock:
    """One layer. Both branches read the same norm, so their last products fold into one."""

    layer: int
    norm: LayerNorm
    qkv: Linear
    up: Linear
    down: Linear

    def __call__(self, hidden: Tensor, attend: Attention) -> Tensor:
        x, lora = self.norm(hidden), attend.lora
        return hidden + self.down(torch.cat((attend(self.layer, self.qkv(x, lora)), self.up(x, lora)), -1), lora)

    def targets(self, order: Tensor) -> dict[str, Target]:
        """What adapters may change, named from the block on; `order` is that of the rows of queries and keys."""
        hidden, inner = self.down.num_features, self.up.num_features
        return {
            "attn.q_proj": Target(self.qkv, hidden, hidden, 0, 0, order=order),
            "attn.k_proj": Target(self.qkv, hidden, hidden, 1, hidden, order=order),
            "attn.v_proj": Target(self.qkv, hidden, hidden, 2, 2 * hidden),
            "mlp.fc_in": Target(self.up, inner, hidden),
            "attn.out_proj": Target(self.down, hidden, hidden, 0),
            "mlp.fc_out": Target(self.down, hidden, inner, 1, first_column=hidden),
        }


class GPTJ(Network):
    """GPT-J-6B and its fine-tuned kin."""

    def __init__(self, config: Any, weights: Weights, num_tokens: int) -> None:
        hidden, inner = config.hidden_size, config.n_inner or 4 * config.hidden_size
        num_heads = config.num_attention_heads
        head_dim = hidden // num_heads
        self.num_layers = config.num_hidden_layers
        self.max_positions = config.max_position_embeddings
        self.heads = HeadShape(num_heads, num_heads, head_dim, head_dim**-0.5, (None,) * self.num_layers)
        rotary_dim = config.rotary_dim or head_dim
        frequencies = 1.0 / ROPE_BASE ** (torch.arange(0, rotary_dim, 2) / rotary_dim)
        self.rope = Rope(frequencies, head_dim=head_dim, max_len=self.max_positions)
        self.embedding = weights.take("transformer.wte.weight", config.vocab_size, hidden)
        order = half_split(rotary_dim, head_dim)
        gelu = activation(config, weights)

        def rotated(name: str) -> Tensor:
            weight = weights.take(name, hidden, hidden)
            return weight.view(num_heads, head_dim, hidden)[:, order].reshape(hidden, hidden)

        def block(layer: int) -> GPTJBlock:
            name = f"transformer.h.{layer}"
            attn, mlp = f"{name}.attn", f"{name}.mlp"
            query, key = rotated(f"{attn}.q_proj.weight"), rotated(f"{attn}.k_proj.weight")
            value = weights.take(f"{attn}.v_proj.weight", hidden, hidden)
            out = weights.take(f"{attn}.out_proj.weight", hidden, hidden)
            down = weights.take(f"{mlp}.fc_out.weight", hidden, inner)
            return GPTJBlock(
                layer,
                LayerNorm.read(weights, f"{name}.ln_1", hidden, config.layer_norm_epsilon),
                Linear(torch.cat((query, key, value))),
                Linear(
                    weights.take(f"{mlp}.fc_in.weight", inner, hidden), weights.take(f"{mlp}.fc_in.bias", inner), gelu
                ),
                Linear(torch.cat((out, down), 1), weights.take(f"{mlp}.fc_out.bias", hidden)),
            )

        blocks = [block(layer) for layer in range(self.num_layers)]
        self.blocks = [*blocks]
        rows = torch.cat([head * head_dim + order for head in range(num_heads)])
        self.targets = {
            f"transformer.h.{block.layer}.{name}": target
            for block in blocks
            for name, target in block.targets(rows).items()
        }
        self.norm = LayerNorm.read(weights, "transformer.ln_f", hidden, config.layer_norm_epsilon)
        self.head = self._read_head(weights, tied=config.tie_word_embeddings, num_tokens=num_tokens, bias=True)


def half_split(rotary_dim: int, head_dim: int) -> Tensor:
    """Where each dimension of a head comes from when GPT-J's interleaved pairs are pulled apart into halves.

    Queries and keys are reordered alike, so their products stay. GPT-J turns dimensions 2i and 2i + 1 together;
    `Rope` turns i and i + head_dim / 2.

    >>> half_split(4, 8).tolist()
    [0, 2, 4, 5, 1, 3, 6, 7]
    """
    pairs, still = torch.arange(rotary_dim).view(-1, 2), torch.arange(rotary_dim, head_dim)
    first, second = still.chunk(2) if len(still) else (still, still)
    return torch.cat((pairs[:, 0], first, pairs[:, 1], second))
