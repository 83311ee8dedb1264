"""The three network architectures over the Hugging Face checkpoint format, fused for inference.

`read_network` picks the one that config.json names. transformers' own forward pass is the oracle of their tests.
"""

from __future__ import annotations

from typing import Any

from inference.networks.base import Network
from inference.networks.gpt_neo import GPTNeo
from inference.networks.gptj import GPTJ
from inference.networks.llama import Llama
from inference.weights import CheckpointError, Weights

ARCHITECTURES: dict[str, type[Network]] = {"gpt_neo": GPTNeo, "gptj": GPTJ, "llama": Llama}

__all__ = ["ARCHITECTURES", "Network", "read_network"]


def read_network(config: Any, weights: Weights, num_tokens: int) -> Network:
    """The network that a transformers config describes, with its weights. `num_tokens`: ids the tokenizer knows."""
    kind = ARCHITECTURES.get(config.model_type)
    if kind is None:
        known = ", ".join(ARCHITECTURES)
        raise CheckpointError(weights.directory, f"its architecture {config.model_type!r} is not one of {known}")
    return kind(config, weights, num_tokens)
