"""Random adapters in PEFT's own files, for the small checkpoints, and PEFT as the oracle of what they do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

ATTENTION = ["q_proj", "k_proj", "v_proj"]


def write_adapter(
    base: Path,
    folder: Path,
    *,
    seed: int = 0,
    rank: int = 4,
    spread: float = 0.3,
    targets: Any = "all-linear",
    **how: Any,
) -> Path:
    """A folder with an adapter for the checkpoint `base`, none of whose matrices is zero."""
    network: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets, task_type="CAUSAL_LM", **how)
    adapted = get_peft_model(network, config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                weight.copy_(torch.randn(weight.shape, generator=generator) * spread / weight.shape[1] ** 0.5)
    adapted.save_pretrained(folder)
    return folder


@torch.inference_mode()
def peft_logits(base: Path, adapter: Path, ids: list[int]) -> torch.Tensor:  # [len(ids), vocab]
    """What PEFT's own forward pass makes of it."""
    network: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    adapted: Any = PeftModel.from_pretrained(network, str(adapter)).eval()
    out: torch.Tensor = adapted(torch.tensor([ids])).logits[0]
    return out
