"""Random adapters in PEFT's own files, for the small checkpoints, and PEFT as the oracle of what they do."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from contracts.bucket import LocalBucket
from contracts.manifest import (
    AdapterManifest,
    CheckpointManifest,
    FileEntry,
    adapter_key,
    adapter_manifest_key,
    checkpoint_manifest_key,
    weights_sha256,
)

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


def publish_adapter(
    bucket: Path, name: str, folder: Path, base: str, *, owner: UUID | None = None, **changes: Any
) -> None:
    """Put an adapter into a local bucket as a worker does: its files in a folder of the attempt, the manifest last."""
    store, attempt = LocalBucket(bucket), str(uuid4())
    entries = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        path = f"{attempt}/{file.relative_to(folder).as_posix()}"
        content = file.read_bytes()
        store.write(adapter_key(name, path), content)
        entries.append(FileEntry(path=path, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()))
    checkpoint = CheckpointManifest.model_validate_json(store.read(checkpoint_manifest_key(base)))
    manifest = AdapterManifest(
        adapter_id=name,
        owner_id=owner,
        title="A voice of the tests",
        number=2,
        base=base,
        base_sha256=weights_sha256(checkpoint),
        architecture=checkpoint.architecture,
        lora_rank=4,
        licence="made by the tests",
        files=tuple(entries),
    )
    sealed = manifest.model_copy(update=changes).sealed()
    store.write(adapter_manifest_key(name), sealed.model_dump_json().encode())
