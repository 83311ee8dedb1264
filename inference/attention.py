"""Attention of one step over the slot cache: decoding rows together, each prompt on its own.

A step's tokens lie flat, without padding: first one token a decoding row, in slot order, then the tokens of each piece
of prompt. Linear layers see `[num_tokens, hidden]`; only this module knows which token belongs to whom.

On a CPU keys, values and scores are float32 whatever the network's dtype: two batched products at float32 run at the
speed of memory and beat bfloat16's fused attention, and GPT-Neo, which does not scale its scores, needs the precision.
Each row's result has the same bits whatever the other rows are and however far the shared length reaches.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from inference.cache import KVCache
from inference.linear import Lora


@dataclass(frozen=True)
class Span:
    """A piece of prompt that one step reads: positions `start` to `stop` of the sequence in `slot`."""

    slot: int
    start: int
    stop: int


@dataclass(frozen=True)
class Batch:
    """What one forward pass reads."""

    token_ids: Tensor  # [num_tokens]
    positions: Tensor  # [num_tokens]
    slots: Tensor  # [num_tokens]
    num_decodes: int  # the first tokens are those of slots 0..num_decodes-1
    longest: int  # the most positions that a decoding row looks at
    spans: tuple[Span, ...]  # the pieces of prompt behind them, in order
    last: Tensor  # [num_outputs] which tokens' logits are wanted
    lora: Lora | None = None  # a row of its masks is a token


@dataclass(frozen=True)
class HeadShape:
    """How a network's attention is cut. `windows` has one entry a layer; None sees the whole past."""

    num_heads: int
    num_kv_heads: int
    head_dim: int
    scale: float
    windows: tuple[int | None, ...]


class Rope:
    """Rotary positions in the half-split layout; dimensions beyond the rotated ones turn by nothing.

    Source: Su et al. 2021, RoFormer, eq. 34.
    """

    def __init__(self, inverse_frequencies: Tensor, *, head_dim: int, max_len: int, scaling: float = 1.0) -> None:
        angles = torch.arange(max_len).float()[:, None] * inverse_frequencies.float().cpu()[None]
        still = (head_dim - 2 * angles.shape[1]) // 2
        cos = functional.pad(angles.cos() * scaling, (0, still), value=1.0)  # [max_len, head_dim / 2]
        sin = functional.pad(angles.sin() * scaling, (0, still))
        self.cos = torch.cat((cos, cos), -1)  # [max_len, head_dim]
        self.sin = torch.cat((-sin, sin), -1)
        self.half = head_dim // 2

    def to(self, device: torch.device, dtype: torch.dtype) -> Rope:
        """Itself, moved to where attention computes."""
        self.cos, self.sin = self.cos.to(device, dtype), self.sin.to(device, dtype)
        return self


class Attention:
    """The attention of one batch, called once a layer in order."""

    def __init__(self, batch: Batch, cache: KVCache, heads: HeadShape, rope: Rope | None) -> None:
        self.batch, self.cache, self.heads = batch, cache, heads
        self.lora = batch.lora
        self.length = cache.bucket(batch.longest)
        self.rope = rope
        if rope is not None:
            self.cos = rope.cos[batch.positions][:, None]  # [num_tokens, 1, head_dim]
            self.sin = rope.sin[batch.positions][:, None]
        self._masks: dict[tuple[int, int | None], Tensor] = {}

    def __call__(self, layer: int, qkv: Tensor) -> Tensor:
        """Rotates, remembers keys and values, and attends.

        `qkv` is `[num_tokens, (num_heads + 2 * num_kv_heads) * head_dim]`; the result is
        `[num_tokens, num_heads * head_dim]` in the same dtype.
        """
        heads, batch = self.heads, self.batch
        num_rotated = heads.num_heads + heads.num_kv_heads
        x = qkv.to(self.cache.dtype).view(len(qkv), -1, heads.head_dim)  # [num_tokens, all heads, head_dim]
        qk = x[:, :num_rotated]
        if self.rope is not None:
            qk = torch.addcmul(qk * self.cos, qk.roll(self.rope.half, -1), self.sin)
        q = qk[:, : heads.num_heads]  # [num_tokens, num_heads, head_dim]
        self.cache.write(layer, batch.slots, batch.positions, qk[:, heads.num_heads :], x[:, num_rotated:])
        parts = [self._decode(layer, q[: batch.num_decodes])] if batch.num_decodes else []
        first = batch.num_decodes
        for span in batch.spans:
            size = span.stop - span.start
            parts.append(self._prefill(layer, q[first : first + size], span))
            first += size
        return (parts[0] if len(parts) == 1 else torch.cat(parts)).to(qkv.dtype)

    def _decode(self, layer: int, q: Tensor) -> Tensor:  # [num_decodes, num_heads, head_dim] -> [num_decodes, all]
        heads, num_rows = self.heads, len(q)
        keys = self.cache.keys[layer, :num_rows, :, : self.length]  # [num_decodes, num_kv_heads, length, head_dim]
        values = self.cache.values[layer, :num_rows, :, : self.length]
        mask = self._decode_mask(heads.windows[layer])  # [num_decodes, 1, 1, length]
        if q.device.type != "cpu":
            out = functional.scaled_dot_product_attention(
                q[:, :, None], keys, values, mask, scale=heads.scale, enable_gqa=heads.num_heads != heads.num_kv_heads
            )
            return out.reshape(num_rows, -1)
        group = q.reshape(num_rows, heads.num_kv_heads, -1, heads.head_dim)  # query heads by the key head they share
        # Keys stand on the left: as a tall matrix times a few columns it is three times as fast as the other way.
        scores = torch.matmul(keys, (group * heads.scale).transpose(-1, -2)).transpose(-1, -2)
        weights = torch.softmax(scores + mask, -1)  # [num_decodes, num_kv_heads, group, length]
        return torch.matmul(weights, values).reshape(num_rows, -1)

    def _prefill(self, layer: int, q: Tensor, span: Span) -> Tensor:  # [size, num_heads, head_dim] -> [size, all]
        heads = self.heads
        keys = self.cache.keys[layer, span.slot, :, : span.stop]  # [num_kv_heads, stop, head_dim]
        values = self.cache.values[layer, span.slot, :, : span.stop]
        mask = self._prefill_mask(span, heads.windows[layer])
        out = functional.scaled_dot_product_attention(
            q.transpose(0, 1)[None],
            keys[None],
            values[None],
            mask,
            is_causal=mask is None,
            scale=heads.scale,
            enable_gqa=heads.num_heads != heads.num_kv_heads,
        )  # [1, num_heads, size, head_dim]
        return out[0].transpose(0, 1).reshape(len(q), -1)

    def _decode_mask(self, window: int | None) -> Tensor:
        if window is not None and self.length <= window:
            window = None
        key = (-1, window)
        if key not in self._masks:
            positions = self.batch.positions[: self.batch.num_decodes, None]  # [num_decodes, 1]
            self._masks[key] = self._bias(positions, self.length, window)[:, None, None]
        return self._masks[key]

    def _prefill_mask(self, span: Span, window: int | None) -> Tensor | None:  # [size, stop], None is plain causal
        if window is not None and span.stop <= window:
            window = None
        if span.start == 0 and window is None:
            return None
        key = (span.slot, window)
        if key not in self._masks:
            positions = torch.arange(span.start, span.stop, device=self.batch.positions.device)[:, None]
            self._masks[key] = self._bias(positions, span.stop, window)
        return self._masks[key]

    def _bias(self, positions: Tensor, length: int, window: int | None) -> Tensor:
        """0 where a query at `positions` may look, -inf elsewhere: `[num_queries, length]`."""
        past = torch.arange(length, device=positions.device)
        hidden = past > positions
        if window is not None:
            hidden |= past <= positions - window
        return torch.zeros(hidden.shape, dtype=self.cache.dtype, device=positions.device).masked_fill_(
            hidden, float("-inf")
        )
