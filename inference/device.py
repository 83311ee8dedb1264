"""What this machine computes with: the device, the dtype and the number of threads. Does not know any network."""

from __future__ import annotations

import ctypes
import math
import os
import re
from pathlib import Path

import torch

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def pick_device(name: str) -> torch.device:
    """The device called `name`; "auto" is a GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"INFERENCE_DEVICE is {name!r}, but torch sees no CUDA device here; use auto or cpu")
    return device


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """The dtype called `name`; "auto" is bfloat16 where the hardware multiplies it, else float32.

    On a CPU that means AMX or AVX512-BF16: there prepacked bfloat16 linears ran about twice as fast as float32 ones at
    every batch size from 1 to 256 (docs/decisions.md). Elsewhere bfloat16 is emulated and slower.
    """
    if name != "auto":
        try:
            return DTYPES[name]
        except KeyError:
            raise ValueError(f"INFERENCE_DTYPE is {name!r}; it must be auto, float32 or bfloat16") from None
    if device.type == "cuda":
        return torch.bfloat16
    found = torch.cpu.get_capabilities()
    return torch.bfloat16 if found.get("avx512_bf16") or found.get("amx_bf16") else torch.float32


def num_cores() -> int:
    """Physical cores that this process may use: hyper-threads and a container's CPU quota are taken off.

    `OMP_NUM_THREADS` may ask for fewer.
    """
    allowed = os.sched_getaffinity(0)
    cores = _physical_cores(allowed) or len(allowed)
    return max(1, min(cores, _quota(), torch.get_num_threads()))


def keep_freed_memory() -> None:
    """Asks the C library to keep what is freed for the next step instead of giving it back to the kernel.

    A step frees and allocates tens of megabytes (32 rows of logits are 6 MB); getting them anew cost 12 ms of page
    faults per 6 MB in a virtual machine, and 0.1 ms kept. Source: glibc's mallopt(3). Another C library is left alone.
    """
    trim_threshold, mmap_threshold = -1, -3
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(mmap_threshold, 32 << 20)  # glibc's greatest
        mallopt(trim_threshold, 512 << 20)


def _physical_cores(allowed: set[int]) -> int:
    """Source: the kernel's Documentation/ABI/stable/sysfs-devices-system-cpu."""
    found = set()
    for cpu in allowed:
        topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology")
        try:
            found.add(((topology / "physical_package_id").read_text(), (topology / "core_id").read_text()))
        except OSError:
            return 0
    return len(found)


def _quota() -> int:
    """Whole CPUs of the cgroup's bandwidth limit. Source: the kernel's cgroup-v2.rst, cpu.max."""
    try:
        limit = re.fullmatch(r"(\d+) (\d+)\s*", Path("/sys/fs/cgroup/cpu.max").read_text())
    except OSError:
        limit = None
    return math.ceil(int(limit[1]) / int(limit[2])) if limit else 1 << 16
