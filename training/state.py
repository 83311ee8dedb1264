"""What a training can go on from: a folder in the bucket, with its manifest last. No pickle.

A state is safetensors (the adapter, the best one so far, and the optimiser's two moments of each matrix) and
`state.json`. What is random in a training is told by its seed and the number of the step, the learning rate and the
place in the data by the step alone; so a state holds no generator and no scheduler, and cannot disagree with one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from contracts.bucket import Bucket, BucketAway, NoSuchKey
from contracts.manifest import MANIFEST, FileEntry
from training.events import Refused

STATE_FILE = "state.json"
TENSOR_FILES = ("adapter", "best", "mean", "square")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass
class Facts:
    """All of a state that is no tensor. `identity` names what it is a state of: another must not go on from it."""

    identity: dict[str, str]
    step: int = 0
    evaluated_step: int = -1
    """The last step after which the network was evaluated; 0 is the bare checkpoint."""
    best_step: int = 0
    best_bits_per_byte: float = 0.0
    bare_bits_per_byte: float = 0.0
    without_gain: int = 0
    micro_batch_tokens: int = 0
    checkpoint_gradients: bool = False
    is_over: bool = False
    """No step follows: the plan is done, or it was stopped early."""
    seconds: float = 0.0
    tokens: int = 0
    num_threads: int = 0
    sampled_step: int = -1
    """The last step after which samples were written."""
    losses: list[float] = field(default_factory=list)
    """Of each step."""
    curve: list[dict[str, float]] = field(default_factory=list)
    """What each evaluation said."""
    samples: list[dict[str, Any]] = field(default_factory=list)
    """What the best adapter so far wrote."""


@dataclass(frozen=True)
class State:
    """A training at the end of a step. Tensors are on the CPU, by the adapter's names."""

    facts: Facts
    adapter: dict[str, Tensor]
    best: dict[str, Tensor]
    mean: dict[str, Tensor]
    square: dict[str, Tensor]


class DiskFull(OSError):
    """A state has no room, here or in the bucket."""


def put(bucket: Bucket, key: str, state: State, scratch: Path) -> None:
    """Write a state under the folder `key`, which ends with a slash; it exists once this returns.

    Raises:
        DiskFull: there is no room for it.
        BucketAway: the bucket cannot be reached.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        scratch.mkdir(parents=True)
        for name in TENSOR_FILES:
            tensors: dict[str, Tensor] = getattr(state, name)
            save_file({k: v.contiguous() for k, v in tensors.items()}, scratch / f"{name}.safetensors")
        (scratch / STATE_FILE).write_text(json.dumps(asdict(state.facts), indent=1))
        entries = []
        for path in sorted(scratch.iterdir()):
            entries.append(_entry(path))
            bucket.upload(f"{key}{path.name}", path)
        manifest = {"kind": "state", "version": 1, "files": [entry.model_dump() for entry in entries]}
        bucket.write(f"{key}{MANIFEST}", json.dumps(manifest, indent=1).encode())
    except (OSError, BucketAway, SafetensorError) as error:
        if is_full(error):
            raise DiskFull(f"no room for the state of the training: {error}") from error
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def get(bucket: Bucket, key: str, scratch: Path) -> State:
    """The state under the folder `key`, every byte of it checked.

    Raises:
        Refused: it is not whole.
        BucketAway: the bucket cannot be reached.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        entries = [FileEntry(**file) for file in json.loads(bucket.read(f"{key}{MANIFEST}"))["files"]]
        for entry in entries:
            bucket.download(f"{key}{entry.path}", scratch / entry.path)
            if _entry(scratch / entry.path) != entry:
                raise ValueError(f"the checksum of {entry.path} is not the one in its manifest")
        tensors = {name: load_file(scratch / f"{name}.safetensors") for name in TENSOR_FILES}
        return State(Facts(**json.loads((scratch / STATE_FILE).read_text())), **tensors)
    except (NoSuchKey, ValueError, KeyError, TypeError, ValidationError, SafetensorError, FileNotFoundError) as error:
        raise Refused(
            "bad_state", f"What the training was to go on from is not whole ({error}). Start it anew."
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is a disk without room."""
    seen: Any = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _FULL:
            return True
        if isinstance(seen, SafetensorError) and any(f"os error {number})" in str(seen) for number in _FULL):
            return True
        if isinstance(seen, OSError) and seen.errno is None and "requested and" in str(seen):
            return True  # numpy's words for an array that was not written whole
        seen = seen.__cause__ or seen.__context__
    return False


def _entry(path: Path) -> FileEntry:
    with path.open("rb") as reading:
        digest = hashlib.file_digest(reading, "sha256").hexdigest()
    return FileEntry(path=path.name, size_bytes=path.stat().st_size, sha256=digest)
