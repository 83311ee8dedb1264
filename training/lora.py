"""The adapter: low-rank matrices beside the linear layers of a frozen network, by peft, in peft's files.

Two things differ from peft's own layers, and neither is seen in the files. In a bfloat16 network the products are taken
in bfloat16 (the matrices themselves, and what the optimiser adds to them, stay float32). And dropout takes the same
features away from all tokens of a micro batch, by masking the matrix instead of its input, which costs nothing; see
Gal and Ghahramani 2016, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks".
Source of LoRA: Hu et al. 2021, arXiv:2106.09685.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
from peft.tuners.lora import Linear as PeftLinear
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from contracts.training import TrainConfig
from training.events import Refused
from training.networks import Base

CONFIG_FILE, WEIGHTS_FILE = "adapter_config.json", "adapter_model.safetensors"
OWN, OTHER = "default", "other"


class LeanLinear(PeftLinear):  # type: ignore[misc]  # peft has no types
    """peft's layer without its casts and its copies of the input."""

    def forward(self, x: Tensor, *_args: Any, **_kwargs: Any) -> Tensor:
        result: Tensor = self.base_layer(x)
        if self.disable_adapters:
            return result
        for name in self.active_adapters:
            if name not in self.lora_A:
                continue
            down, up = self.lora_A[name].weight, self.lora_B[name].weight
            dropout = self.lora_dropout[name]
            if self.training and isinstance(dropout, nn.Dropout):
                down = down * functional.dropout(torch.ones_like(down[:1]), dropout.p)
            hidden = functional.linear(x, down.to(x.dtype))
            flat = torch.addmm(result.flatten(0, -2), hidden.flatten(0, -2), up.to(x.dtype).T, alpha=self.scaling[name])
            result = flat.view(result.shape)
        return result


def attach(base: Base, config: TrainConfig) -> nn.Module:
    """peft's network around the base, with a new adapter: its second matrix is zero, so that it changes nothing yet."""
    torch.manual_seed(config.seed)
    network: nn.Module = get_peft_model(
        base.network,
        LoraConfig(
            r=config.lora_rank,
            lora_alpha=config.lora_alpha,
            lora_dropout=config.lora_dropout,
            target_modules=config.target_modules
            if config.target_modules == "all-linear"
            else _ATTENTION[base.architecture],
            bias="none",
            task_type="CAUSAL_LM",
        ),
    )
    make_lean(network)
    return network


def make_lean(network: nn.Module) -> None:
    """Have peft's plain layers compute as ours do; its 8-bit layers stay as they are."""
    for module in network.modules():
        if type(module) is PeftLinear:
            module.__class__ = LeanLinear


def parameters(network: nn.Module) -> dict[str, nn.Parameter]:
    """What is trained, by name, in a fixed order."""
    return {name: parameter for name, parameter in sorted(network.named_parameters()) if parameter.requires_grad}


def weights(network: nn.Module) -> dict[str, Tensor]:
    """The adapter's matrices by the names that peft's file has, on the CPU: a copy."""
    state = get_peft_model_state_dict(network, adapter_name=OWN)
    return {name: tensor.detach().to("cpu", torch.float32, copy=True) for name, tensor in sorted(state.items())}


def put_weights(network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Make the adapter be what `weights` once gave."""
    set_peft_model_state_dict(network, tensors, adapter_name=OWN)


def save(network: nn.Module, folder: Path) -> None:
    """Write the adapter as peft does: a configuration and safetensors, float32."""
    save_weights(network, weights(network), folder)


def save_weights(network: nn.Module, tensors: dict[str, Tensor], folder: Path) -> None:
    """Write `tensors` of `weights`, which need not be those that the network has now."""
    folder.mkdir(parents=True, exist_ok=True)
    peft: Any = network
    config = peft.peft_config[OWN]
    config.inference_mode = True
    config.base_model_name_or_path = ""  # a path of this machine would say nothing elsewhere
    config.save_pretrained(str(folder))
    config.inference_mode = False
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / WEIGHTS_FILE, {"format": "pt"})


@contextlib.contextmanager
def other(network: nn.Module, folder: Path) -> Iterator[None]:
    """The network with the adapter of `folder` in the place of its own, for as long as this lasts.

    Raises:
        Refused: its files do not fit the network.
    """
    peft: Any = network
    try:
        config = LoraConfig.from_pretrained(str(folder))
        config.inference_mode = True
        peft.add_adapter(OTHER, config)
        make_lean(network)
        set_peft_model_state_dict(network, load_file(folder / WEIGHTS_FILE), adapter_name=OTHER)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise Refused("bad_adapter", f"The version before cannot be read: {error}") from error
    try:
        peft.set_adapter(OTHER)
        yield
    finally:
        peft.set_adapter(OWN)
        peft.delete_adapter(OTHER)


def without(network: nn.Module) -> contextlib.AbstractContextManager[None]:
    """The bare checkpoint, for as long as this lasts."""
    found: contextlib.AbstractContextManager[None] = network.disable_adapter()  # type: ignore[operator]
    return found


_ATTENTION = {
    "gpt_neo": ["q_proj", "k_proj", "v_proj", "out_proj"],
    "gptj": ["q_proj", "k_proj", "v_proj", "out_proj"],
    "llama": ["q_proj", "k_proj", "v_proj", "o_proj"],
}
