"""A base checkpoint as a network that can be trained on packed songs: frozen, with attention that keeps to each song.

The three architectures are transformers' own, except for two things. Attention is taken per piece, so nothing is
computed across songs or for padding; GPT-Neo's local layers look back no further than their window. And only the body
is run: `training.loss` takes the scores a few rows at a time. Knows no adapter, no optimiser and no songs.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MethodType
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface, AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig
from transformers.utils import logging as transformers_logging

from inference.networks import ARCHITECTURES
from inference.weights import CheckpointError
from training.events import Refused
from training.packing import MicroBatch

PACKED = "packed"
_DROPOUTS = ("attention_dropout", "resid_dropout", "embed_dropout", "attn_pdrop", "resid_pdrop", "embd_pdrop")


class _Bounds:
    """Where the pieces begin that are being read; every attention layer holds the same one."""

    def __init__(self) -> None:
        self.at: tuple[int, ...] = ()


@dataclass(frozen=True)
class Base:
    """A frozen checkpoint. `network` is transformers' model, or peft's around it once an adapter is on."""

    network: nn.Module
    architecture: str
    body: nn.Module
    head: Tensor  # [vocab, hidden]
    head_bias: Tensor | None  # [vocab]
    device: torch.device
    dtype: torch.dtype
    max_positions: int
    _bounds: _Bounds

    def hidden(self, batch: MicroBatch) -> Tensor:  # [num_labels, hidden]
        """The states that the labels of a micro batch are predicted from."""
        self._bounds.at = batch.bounds
        states: Tensor = self.body(
            input_ids=batch.ids[None], position_ids=batch.positions[None], use_cache=False
        ).last_hidden_state[0]
        return states if len(batch.where) == len(states) else states[batch.where]

    def checkpoint_gradients(self) -> None:
        """From now on keep only what passes between layers, and compute the rest again on the way back."""
        self.body.activation_checkpointing_enable({"use_reentrant": False})  # type: ignore[operator]  # transformers'


def load_base(
    directory: Path, *, dtype: Literal["float32", "bfloat16"], device: torch.device, eight_bit: bool = False
) -> Base:
    """The checkpoint of a directory, on `device`, frozen.

    Raises:
        Refused: it is of no known architecture, its files are not whole, or 8 bits are asked for where they cannot be.
    """
    transformers_logging.disable_progress_bar()
    how: dict[str, Any] = {"dtype": getattr(torch, dtype), "attn_implementation": "eager"}
    if eight_bit:
        how["quantization_config"] = _eight_bit(device)
        how["device_map"] = {"": device.index or 0}
    try:
        config = AutoConfig.from_pretrained(directory, local_files_only=True)
        if config.model_type not in ARCHITECTURES:
            raise CheckpointError(directory, f"its architecture {config.model_type!r} is not one we train")
        for name in _DROPOUTS:  # the base is frozen: what keeps it from learning by heart is the adapter's own dropout
            if hasattr(config, name):
                setattr(config, name, 0.0)
        network = AutoModelForCausalLM.from_pretrained(
            directory, config=config, local_files_only=True, use_safetensors=True, **how
        )
    except (OSError, ValueError, KeyError, CheckpointError) as error:
        raise Refused("bad_checkpoint", f"The checkpoint cannot be read: {error}") from error
    if not eight_bit:
        network.to(device)
    network.requires_grad_(False)
    bounds = _Bounds()
    for module in network.modules():
        if attend := _ATTENTIONS.get(type(module).__name__):
            attend(module, bounds)
    network.config._attn_implementation = PACKED
    network.eval()
    head = network.get_output_embeddings()
    return Base(
        network=network,
        architecture=config.model_type,
        body=network.base_model,
        head=head.weight,
        head_bias=getattr(head, "bias", None),
        device=device,
        dtype=getattr(torch, dtype),
        max_positions=config.max_position_embeddings,
        _bounds=bounds,
    )


def attend_pieces(
    query: Tensor, key: Tensor, value: Tensor, bounds: tuple[int, ...], scale: float, window: int | None = None
) -> Tensor:
    """Causal attention within each piece; `[1, num_heads, num_tokens, head_dim]` in and out.

    With a `window`, a token sees itself and the `window - 1` before it.
    """
    grouped = query.shape[1] != key.shape[1]
    found = []
    for start, end in pairwise(bounds):
        q, k, v = query[:, :, start:end], key[:, :, start:end], value[:, :, start:end]
        mask = _window_mask(end - start, window, query.device) if window and end - start > window else None
        found.append(
            functional.scaled_dot_product_attention(
                q, k, v, attn_mask=mask, is_causal=mask is None, scale=scale, enable_gqa=grouped
            )
        )
    return torch.cat(found, dim=2)


def _window_mask(length: int, window: int, device: torch.device) -> Tensor:  # [length, length], True: is seen
    return torch.ones(length, length, dtype=torch.bool, device=device).tril().triu(1 - window)


def _attend_neo(module: Any, bounds: _Bounds) -> None:
    window = module.config.window_size if module.attention_type == "local" else None

    def attend(_self: Any, query: Tensor, key: Tensor, value: Tensor, _mask: object = None) -> tuple[Tensor, None]:
        return attend_pieces(query, key, value, bounds.at, 1.0, window), None

    module._attn = MethodType(attend, module)


def _attend_gptj(module: Any, bounds: _Bounds) -> None:
    def attend(_self: Any, query: Tensor, key: Tensor, value: Tensor, _mask: object = None) -> tuple[Tensor, None]:
        return attend_pieces(query, key, value, bounds.at, 1 / math.sqrt(module.head_dim)), None

    module._attn = MethodType(attend, module)


def _attend_llama(module: Any, bounds: _Bounds) -> None:
    module.bounds = bounds


def _attend_registered(
    module: Any, query: Tensor, key: Tensor, value: Tensor, _mask: object, scaling: float, **_: Any
) -> tuple[Tensor, None]:
    return attend_pieces(query, key, value, module.bounds.at, scaling).transpose(1, 2), None


AttentionInterface.register(PACKED, _attend_registered)  # transformers then makes no mask, for any of the three
_ATTENTIONS: dict[str, Callable[[Any, _Bounds], None]] = {
    "GPTNeoSelfAttention": _attend_neo,
    "GPTJAttention": _attend_gptj,
    "LlamaAttention": _attend_llama,
}


def _eight_bit(device: torch.device) -> Any:
    if device.type != "cuda":
        raise Refused("needs_gpu", "Base weights in 8 bits need a GPU, and this machine has none: switch them off.")
    if importlib.util.find_spec("bitsandbytes") is None:
        raise Refused(
            "needs_gpu", "Base weights in 8 bits need bitsandbytes, which is not installed where this trains."
        )
    return BitsAndBytesConfig(load_in_8bit=True)
