"""The tensors of a Hugging Face checkpoint directory, read one at a time by name. Does not know what they are for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

Progress = Callable[[int, int], None]
"""Called with the bytes read so far and the bytes there are."""


class CheckpointError(ValueError):
    """A checkpoint directory that cannot be served, with what is wrong in it."""

    def __init__(self, directory: Path, why: str) -> None:
        super().__init__(f"checkpoint {directory.name!r}: {why}")


class Weights:
    """Reads `model.safetensors`, or the shards that `model.safetensors.index.json` names.

    A tensor is converted as it is read, so the file's own copy and ours never stand in memory together for long.
    """

    def __init__(
        self, directory: Path, *, dtype: torch.dtype, device: torch.device, progress: Progress | None = None
    ) -> None:
        self.directory = directory
        self.dtype = dtype
        self.device = device
        self.num_parameters = 0
        self._progress = progress or (lambda _done, _total: None)
        self._bytes_read = 0
        files = self._files()
        self._bytes_total = sum(path.stat().st_size for path in files)
        self._handles: list[Any] = []
        self._where: dict[str, Any] = {}
        for path in files:
            try:
                handle: Any = safe_open(path, framework="pt", device="cpu")
            except (SafetensorError, OSError) as error:
                raise CheckpointError(directory, f"{path.name} is not a whole safetensors file ({error})") from error
            self._handles.append(handle)
            self._where |= dict.fromkeys(handle.keys(), handle)

    def __enter__(self) -> Weights:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self._where.clear()
        self._handles.clear()  # closes the mapped files
        self._progress(self._bytes_total, self._bytes_total)

    def __contains__(self, name: str) -> bool:
        return self._stored_name(name) is not None

    def take(self, name: str, *shape: int) -> Tensor:
        """The tensor `name`, which must have `shape`, in our dtype on our device."""
        stored = self._stored_name(name)
        if stored is None:
            raise CheckpointError(self.directory, f"it has no tensor {name!r}; is it a complete causal language model?")
        try:
            tensor: Tensor = self._where[stored].get_tensor(stored)
        except SafetensorError as error:
            raise CheckpointError(self.directory, f"the tensor {stored!r} cannot be read ({error})") from error
        if tuple(tensor.shape) != shape:
            raise CheckpointError(
                self.directory, f"{stored!r} has shape {tuple(tensor.shape)} where config.json asks for {shape}"
            )
        self.num_parameters += tensor.numel()
        self._bytes_read += tensor.numel() * tensor.element_size()
        self._progress(min(self._bytes_read, self._bytes_total), self._bytes_total)
        # A clone even where nothing changes: the file must not stay mapped behind a tensor we keep.
        return tensor.to(device=self.device, dtype=self.dtype, copy=True)

    def _stored_name(self, name: str) -> str | None:
        """Checkpoints of the bare trunk leave out the first part of each name ("transformer.", "model.")."""
        bare = name.partition(".")[2]
        return name if name in self._where else bare if bare in self._where else None

    def _files(self) -> list[Path]:
        index = self.directory / "model.safetensors.index.json"
        single = self.directory / "model.safetensors"
        if single.is_file():
            return [single]
        if not index.is_file():
            raise CheckpointError(self.directory, "there is neither model.safetensors nor model.safetensors.index.json")
        try:
            names = set(json.loads(index.read_text())["weight_map"].values())
        except (ValueError, KeyError, AttributeError) as error:
            raise CheckpointError(self.directory, f"{index.name} is damaged ({error})") from error
        paths = [self.directory / name for name in sorted(names)]
        missing = [path.name for path in paths if path.parent != self.directory or not path.is_file()]
        if missing:
            raise CheckpointError(self.directory, f"the shards {', '.join(missing)} are missing")
        return paths
