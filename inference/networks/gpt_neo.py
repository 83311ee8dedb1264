"""GPT-Neo: learned positions, unscaled attention, every other layer looks back `window_size` tokens only.

Source: Black et al. 2021, doi:10.5281/zenodo.5297715; names as in transformers' `GPTNeoForCausalLM`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from inference.attention import Attention, Batch, HeadShape
from inference.linear import Linear
from inference.networks.base import LayerNorm, Network, Target, activation
from inference.weights import Weights


@dataclass(frozen=True)
class GPTNeoBlock:
    """One layer: attention, then the feed-forward network, each on a normed copy and added back."""

    layer: int
    norm_1: LayerNorm
    qkv: Linear
    out: Linear
    norm_2: LayerNorm
    up: Linear
    down: Linear

    def __call__(self, hidden: Tensor, attend: Attention) -> Tensor:
        lora = attend.lora
        hidden = hidden + self.out(attend(self.layer, self.qkv(self.norm_1(hidden), lora)), lora)
        return hidden + self.down(self.up(self.norm_2(hidden), lora), lora)

    def targets(self) -> dict[str, Target]:
        """What adapters may change, named from the block on."""
        hidden, inner = self.out.num_features, self.up.num_features
        return {
            **{
                f"attn.attention.{name}_proj": Target(self.qkv, hidden, hidden, part, part * hidden)
                for part, name in enumerate("qkv")
            },
            "attn.attention.out_proj": Target(self.out, hidden, hidden),
            "mlp.c_fc": Target(self.up, inner, hidden),
            "mlp.c_proj": Target(self.down, hidden, inner),
        }


class GPTNeo(Network):
    """GPT-Neo 125M, 1.3B, 2.7B and their fine-tuned kin."""

    def __init__(self, config: Any, weights: Weights, num_tokens: int) -> None:
        hidden, inner = config.hidden_size, config.intermediate_size or 4 * config.hidden_size
        self.num_layers = config.num_layers
        self.max_positions = config.max_position_embeddings
        windows = tuple(config.window_size if kind == "local" else None for kind in config.attention_layers)
        self.heads = HeadShape(config.num_heads, config.num_heads, hidden // config.num_heads, 1.0, windows)
        self.embedding = weights.take("transformer.wte.weight", config.vocab_size, hidden)
        self.positions = weights.take("transformer.wpe.weight", self.max_positions, hidden)
        eps, gelu = config.layer_norm_epsilon, activation(config, weights)

        def block(layer: int) -> GPTNeoBlock:
            name = f"transformer.h.{layer}"
            attn, mlp = f"{name}.attn.attention", f"{name}.mlp"
            qkv = torch.cat([weights.take(f"{attn}.{part}_proj.weight", hidden, hidden) for part in "qkv"])
            return GPTNeoBlock(
                layer,
                LayerNorm.read(weights, f"{name}.ln_1", hidden, eps),
                Linear(qkv),
                Linear(
                    weights.take(f"{attn}.out_proj.weight", hidden, hidden),
                    weights.take(f"{attn}.out_proj.bias", hidden),
                ),
                LayerNorm.read(weights, f"{name}.ln_2", hidden, eps),
                Linear(
                    weights.take(f"{mlp}.c_fc.weight", inner, hidden), weights.take(f"{mlp}.c_fc.bias", inner), gelu
                ),
                Linear(weights.take(f"{mlp}.c_proj.weight", hidden, inner), weights.take(f"{mlp}.c_proj.bias", hidden)),
            )

        blocks = [block(layer) for layer in range(self.num_layers)]
        self.blocks = [*blocks]
        self.targets = {
            f"transformer.h.{block.layer}.{name}": target
            for block in blocks
            for name, target in block.targets().items()
        }
        self.norm = LayerNorm.read(weights, "transformer.ln_f", hidden, eps)
        self.head = self._read_head(weights, tied=config.tie_word_embeddings, num_tokens=num_tokens)

    def embed(self, batch: Batch) -> Tensor:
        return super().embed(batch) + functional.embedding(batch.positions, self.positions)
