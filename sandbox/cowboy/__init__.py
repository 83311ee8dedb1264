"""Cowboy, the demo's adapter: what is in this folder, and how it gets into the bucket.

The files are made by `python -m sandbox.cowboy BOOK.txt`, by the same code that trains anybody's voice, out of songs in
the public domain; `card.md` tells everything of it. They are PEFT's two files, the index of the songs, and the card.
Everybody may use it: it has no owner. Knows no torch.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from contracts.bucket import Bucket, NoSuchKey
from contracts.manifest import (
    AdapterManifest,
    CheckpointManifest,
    FileEntry,
    adapter_key,
    adapter_manifest_key,
    checkpoint_manifest_key,
    weights_sha256,
)

ADAPTER_ID, TITLE, NUMBER = "cowboy", "Cowboy", 1
BASE = "smollm2-135m-instruct"
LICENCE = "Apache-2.0, as its base; trained on songs in the public domain (Project Gutenberg 21300)"
FOLDER = Path(__file__).parent
CARD = "card.json"
FILES = ("adapter_config.json", "adapter_model.safetensors")
"""Of PEFT; the index of the songs lies beside them in `originality/`."""


def put(bucket: Bucket, folder: Path = FOLDER) -> bool:
    """Put the adapter into the bucket, on the base as it stands there; False when just this one is there already.

    Raises:
        NoSuchKey: the base is not in the bucket.
    """
    manifest = _manifest(bucket, folder)
    if _stands(bucket, manifest):
        return False
    for entry in manifest.files:
        name = entry.path.partition("/")[2]
        bucket.upload(adapter_key(ADAPTER_ID, entry.path), folder / name)
    bucket.write(adapter_manifest_key(ADAPTER_ID), manifest.sealed().model_dump_json(indent=1).encode())
    kept = {adapter_manifest_key(ADAPTER_ID), *(adapter_key(ADAPTER_ID, entry.path) for entry in manifest.files)}
    for key in list(bucket.keys(adapter_key(ADAPTER_ID, ""))):
        if key not in kept:
            bucket.delete(key)
    return True


def is_there(bucket: Bucket, folder: Path = FOLDER) -> bool:
    """Whether the bucket has the adapter of this folder, on the base as it stands there.

    Raises:
        NoSuchKey: the base is not in the bucket.
    """
    return _stands(bucket, _manifest(bucket, folder))


def _manifest(bucket: Bucket, folder: Path) -> AdapterManifest:
    """What the manifest is to say; not sealed."""
    base = CheckpointManifest.model_validate_json(bucket.read(checkpoint_manifest_key(BASE)))
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    names = [*FILES, *sorted(f"originality/{file.name}" for file in (folder / "originality").iterdir())]
    held = {name: (folder / name).read_bytes() for name in names}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in held.items()}
    place = hashlib.sha256(json.dumps(sums, sort_keys=True).encode()).hexdigest()[:16]
    return AdapterManifest(
        adapter_id=ADAPTER_ID,
        owner_id=None,
        title=TITLE,
        number=NUMBER,
        base=BASE,
        base_sha256=weights_sha256(base),
        architecture=base.architecture,
        lora_rank=card["config"]["lora_rank"],
        licence=LICENCE,
        card=card,
        files=tuple(FileEntry(path=f"{place}/{name}", size_bytes=len(held[name]), sha256=sums[name]) for name in names),
    )


def _stands(bucket: Bucket, manifest: AdapterManifest) -> bool:
    try:
        there = AdapterManifest.model_validate_json(bucket.read(adapter_manifest_key(ADAPTER_ID)))
    except (NoSuchKey, ValueError):
        return False
    apart = {"created_at", "seal"}
    return there.is_whole and there.model_dump(exclude=apart) == manifest.model_dump(exclude=apart)
