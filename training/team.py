"""The processes that train together, as `torchrun` starts them: on one machine or several, gloo on CPUs, nccl on GPUs.

Each reads its share of every update; gradients are summed, so the update is the one that a single process would make.
Process 0 alone speaks and saves. A process without companions is a team of one and never asks anybody.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, distributed


@dataclass(frozen=True)
class Team:
    """Who this process is among `size`."""

    rank: int = 0
    size: int = 1

    @classmethod
    def join(cls, device: torch.device) -> Team:
        """The team that the environment names; waits until all of it is there."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls()
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return cls(int(os.environ["RANK"]), size)

    @property
    def leads(self) -> bool:
        """Whether it is the one that speaks and saves."""
        return self.rank == 0

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Make each tensor the sum of all processes' own."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        distributed.all_reduce(flat)
        for tensor, summed in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(summed.view_as(tensor))

    def from_leader(self, values: Sequence[float], device: torch.device) -> list[float]:
        """What process 0 found; the others' `values` only tell how many there are."""
        if self.size == 1:
            return list(values)
        told = torch.tensor(list(values), dtype=torch.float64, device=device)
        distributed.broadcast(told, src=0)
        return [float(value) for value in told]

    def leave(self) -> None:
        """Part; may be called again."""
        if self.size > 1 and distributed.is_initialized():
            distributed.destroy_process_group()


def own_device(device: torch.device) -> torch.device:
    """The GPU of this process, where several train on one machine."""
    if str(device) != "cuda":
        return device
    own = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(own)
    return own
