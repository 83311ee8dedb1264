"""Random adapters in PEFT's own files, for the small checkpoints, and PEFT as the oracle of what they do."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import torch
from peft import PeftModel
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
