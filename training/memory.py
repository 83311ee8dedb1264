"""What a training uses of its machine, and how to tell that its memory ran out."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import torch

from inference.device import num_cores


def ran_out(error: BaseException) -> bool:
    """Whether an error says that memory could not be had."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    words = str(error)
    return isinstance(error, RuntimeError) and ("can't allocate memory" in words or "out of memory" in words)


def peak_bytes(device: torch.device) -> int:
    """The most that this process has had so far: of the GPU's memory, or of the machine's."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Gauge:
    """What is used, since it was last asked."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._at, self._cpu_s = time.monotonic(), time.process_time()

    def read(self) -> dict[str, float | int | None]:
        """The payload of a `machine` event."""
        at, cpu_s = time.monotonic(), time.process_time()
        share = (cpu_s - self._cpu_s) / max(1e-6, at - self._at) / num_cores()
        self._at, self._cpu_s = at, cpu_s
        gpu_bytes = torch.cuda.memory_allocated(self._device) if self._device.type == "cuda" else None
        return {
            "cpu": round(min(1.0, share), 3),
            "memory_bytes": _resident_bytes(),
            "gpu": _gpu_share(self._device),
            "gpu_memory_bytes": gpu_bytes,
        }


def _gpu_share(device: torch.device) -> float | None:
    if device.type != "cuda":
        return None
    try:
        return torch.cuda.utilization(device) / 100
    except (RuntimeError, ModuleNotFoundError):  # NVIDIA's library for asking is not installed
        return None


def _resident_bytes() -> int:
    """Source: proc(5), statm."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
