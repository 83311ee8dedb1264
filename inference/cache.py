"""The keys and values of every running sequence, in slots that are allocated once. Does not know who owns a slot."""

from __future__ import annotations

import torch
from torch import Tensor

BUCKET = 32  # attention looks at a multiple of this many positions, so that shapes repeat


class KVCache:
    """One row a sequence; a row holds `max_len` positions of every layer."""

    def __init__(
        self,
        *,
        num_layers: int,
        num_slots: int,
        num_kv_heads: int,
        max_len: int,
        head_dim: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.max_len = max_len
        self.dtype = dtype
        padded_len = self.bucket(max_len)
        shape = (num_layers, num_slots, num_kv_heads, padded_len, head_dim)
        self.keys = torch.zeros(
            shape, dtype=dtype, device=device
        )  # [num_layers, num_slots, num_kv_heads, padded_len, head_dim]
        self.values = torch.zeros(shape, dtype=dtype, device=device)  # the same

    @staticmethod
    def bucket(length: int) -> int:
        """`length` rounded up to whole buckets."""
        return -(-length // BUCKET) * BUCKET

    def write(self, layer: int, slots: Tensor, positions: Tensor, keys: Tensor, values: Tensor) -> None:
        """Puts one key and one value a token in place."""
        self.keys[layer][slots, :, positions] = keys  # [num_tokens, num_kv_heads, head_dim]
        self.values[layer][slots, :, positions] = values

    def copy(self, source: int, target: int, length: int, *, start: int = 0) -> None:
        """Slot `target` gets the positions `start` to `length` of slot `source`."""
        for store in (self.keys, self.values):
            store[:, target, :, start:length] = store[:, source, :, start:length]

    def scrub(self, slot: int) -> None:
        """Forgets a slot that may hold NaN: a mask hides stale numbers, but NaN shines through it."""
        self.keys[:, slot].zero_()
        self.values[:, slot].zero_()
