"""Llama and its kin (SmolLM2): RMSNorm, rotary positions, key heads shared by groups of query heads, SwiGLU.

Source: Touvron et al. 2023, arXiv:2302.13971 and 2307.09288; names as in transformers' `LlamaForCausalLM`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from inference.attention import Attention, HeadShape, Rope
from inference.linear import Linear
from inference.networks.base import Network, RMSNorm, Target
from inference.weights import CheckpointError, Weights

ROPE_TYPES = ("default", "linear", "llama3", "yarn")
"""The ones whose angles do not depend on how long the text has become."""


@dataclass(frozen=True)
class LlamaBlock:
    """One layer: attention, then SwiGLU, each on a normed copy and added back."""

    layer: int
    norm_1: RMSNorm
    qkv: Linear
    out: Linear
    norm_2: RMSNorm
    gate_and_up: Linear
    down: Linear

    def __call__(self, hidden: Tensor, attend: Attention) -> Tensor:
        lora = attend.lora
        hidden = hidden + self.out(attend(self.layer, self.qkv(self.norm_1(hidden), lora)), lora)
        gate, up = self.gate_and_up(self.norm_2(hidden), lora).chunk(2, -1)  # [num_tokens, inner] each
        return hidden + self.down(functional.silu(gate) * up, lora)

    def targets(self, heads: HeadShape) -> dict[str, Target]:
        """What adapters may change, named from the block on."""
        hidden, inner = self.out.num_features, self.gate_and_up.num_features // 2
        queries, keys = heads.num_heads * heads.head_dim, heads.num_kv_heads * heads.head_dim
        return {
            "self_attn.q_proj": Target(self.qkv, queries, hidden, 0, 0),
            "self_attn.k_proj": Target(self.qkv, keys, hidden, 1, queries),
            "self_attn.v_proj": Target(self.qkv, keys, hidden, 2, queries + keys),
            "self_attn.o_proj": Target(self.out, hidden, queries),
            "mlp.gate_proj": Target(self.gate_and_up, inner, hidden, 0, 0),
            "mlp.up_proj": Target(self.gate_and_up, inner, hidden, 1, inner),
            "mlp.down_proj": Target(self.down, hidden, inner),
        }


class Llama(Network):
    """Llama 1 to 3 and SmolLM."""

    def __init__(self, config: Any, weights: Weights, num_tokens: int) -> None:
        hidden, inner = config.hidden_size, config.intermediate_size
        num_heads, num_kv_heads = config.num_attention_heads, config.num_key_value_heads
        head_dim = getattr(config, "head_dim", None) or hidden // num_heads
        self.num_layers = config.num_hidden_layers
        self.max_positions = config.max_position_embeddings
        self.heads = HeadShape(num_heads, num_kv_heads, head_dim, head_dim**-0.5, (None,) * self.num_layers)
        if config.hidden_act != "silu":
            raise CheckpointError(weights.directory, f"its activation {config.hidden_act!r} is not silu")
        if config.rope_parameters["rope_type"] not in ROPE_TYPES:
            known = ", ".join(ROPE_TYPES)
            raise CheckpointError(
                weights.directory, f"its rope type {config.rope_parameters['rope_type']!r} is not one of {known}"
            )
        frequencies, scaling = _frequencies(config.rope_parameters, head_dim, config)
        self.rope = Rope(frequencies, head_dim=head_dim, max_len=self.max_positions, scaling=scaling)
        self.embedding = weights.take("model.embed_tokens.weight", config.vocab_size, hidden)

        def linear(name: str, rows: dict[str, int], columns: int, *, bias: bool) -> Linear:
            """The named projections that read the same input, as one."""
            stacked = torch.cat([weights.take(f"{name}.{part}_proj.weight", n, columns) for part, n in rows.items()])
            offset = (
                torch.cat([weights.take(f"{name}.{part}_proj.bias", n) for part, n in rows.items()]) if bias else None
            )
            return Linear(stacked, offset)

        def norm(name: str) -> RMSNorm:
            return RMSNorm(weights.take(f"{name}.weight", hidden), config.rms_norm_eps)

        def block(layer: int) -> LlamaBlock:
            name = f"model.layers.{layer}"
            attn, mlp = f"{name}.self_attn", f"{name}.mlp"
            rows = {"q": num_heads * head_dim, "k": num_kv_heads * head_dim, "v": num_kv_heads * head_dim}
            return LlamaBlock(
                layer,
                norm(f"{name}.input_layernorm"),
                linear(attn, rows, hidden, bias=config.attention_bias),
                linear(attn, {"o": hidden}, num_heads * head_dim, bias=config.attention_bias),
                norm(f"{name}.post_attention_layernorm"),
                linear(mlp, {"gate": inner, "up": inner}, hidden, bias=config.mlp_bias),
                linear(mlp, {"down": hidden}, inner, bias=config.mlp_bias),
            )

        blocks = [block(layer) for layer in range(self.num_layers)]
        self.blocks = [*blocks]
        self.targets = {
            f"model.layers.{block.layer}.{name}": target
            for block in blocks
            for name, target in block.targets(self.heads).items()
        }
        self.norm = norm("model.norm")
        self.head = self._read_head(weights, tied=config.tie_word_embeddings, num_tokens=num_tokens)


def _frequencies(rope: Mapping[str, Any], head_dim: int, config: Any) -> tuple[Tensor, float]:
    """By how much each pair of a head's numbers turns from one position to the next, and the factor on its length.

    The scaled ones are transformers' own. It keeps the plain one in its modelling module, whose import costs a start
    of this service five seconds of CPU. Source: Su et al. 2021, arXiv 2104.09864.
    """
    if rope["rope_type"] != "default":
        frequencies, scaling = ROPE_INIT_FUNCTIONS[rope["rope_type"]](config, torch.device("cpu"))
        return frequencies, scaling
    exponents = torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim
    return 1.0 / (rope["rope_theta"] ** exponents), 1.0
