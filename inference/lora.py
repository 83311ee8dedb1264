"""Adapters: LoRA weights in PEFT's files, laid out for our fused networks, and stacked for the rows of one batch.

    y = W x + (alpha / rank) B A x          Source: Hu et al. 2021, arXiv:2106.09685, section 4.1

Rows of different adapters, and rows of none, share a batch: all A that it needs stand in one matrix and all B in
another, and a mask between them leaves each row its own. A batch without adapters computes nothing of this, and rows
without one have the bits that they would have alone. Rows with one have them too wherever oneDNN's kernels sum in one
order (x86 with AVX-512 or AMX, as tested); elsewhere they agree to 1e-4 in float32.

Files come from strangers: only safetensors are read, every option and shape is checked, and no number is so large that
it could spoil the rows of others.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from weakref import WeakSet

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from inference.linear import Linear, Lora, Patch
from inference.networks import Network
from inference.networks.base import Target

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
MAX_RANK = 64
MAX_CONFIG_BYTES = 256 * 1024
MAX_WEIGHTS_BYTES = 1 << 30
"""Rank 64 on every projection of GPT-J-6B, in float32, is half of this."""
MAX_SCALE = 1024.0
MAX_DOWN = 1e4
"""Of a number in A. Trained ones are below 10; one of 1e38 would make other rows' products infinite, and an infinity
that is masked by 0 is no number."""
NUM_STACKS = 3
LOOSE = 4
"""A stack of up to this many times the adapters that a batch needs serves it, before one of its own is made."""

_PREFIX = "base_model.model."
_SILENT = {
    "auto_mapping", "base_model_name_or_path", "ensure_weight_tying", "exclude_modules", "inference_mode",
    "init_lora_weights", "layers_pattern", "layers_to_transform", "lora_alpha", "lora_dropout", "megatron_core",
    "peft_type", "peft_version", "qalora_group_size", "r", "revision", "target_modules", "task_type", "use_rslora",
}  # fmt: skip
"""Options of PEFT's LoraConfig that do not change what the two matrices mean, or that are read here. Every other one
must be off."""
_MOVES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Ways to begin that change the base weights as well: such an adapter fits none of our checkpoints."""


class AdapterError(ValueError):
    """Adapter files that cannot be served; the message says what is wrong with them."""


@dataclass(frozen=True, eq=False)
class Factor:
    """What an adapter adds to one projection: `up @ down @ x`, the scale being in `up`."""

    target: Target
    down: Tensor  # [rank, num_columns]
    up: Tensor  # [num_rows, rank]


@dataclass(frozen=True, eq=False)
class AdapterWeights:
    """One adapter for one network, in that network's dtype and on its device."""

    rank: int
    factors: tuple[Factor, ...]
    num_parameters: int

    @classmethod
    def read(cls, folder: Path, network: Network) -> Self:
        """From PEFT's `adapter_config.json` and `adapter_model.safetensors`.

        Raises:
            AdapterError: they are not whole, not for this network, or ask for what is not served here.
        """
        rank, scale = _read_config(folder / CONFIG)
        like = network.embedding
        factors, num_parameters = [], 0
        with torch.inference_mode(), _Tensors(folder / WEIGHTS) as tensors:
            for name in tensors.modules():
                target = network.targets.get(name)
                if target is None:
                    raise AdapterError(
                        f"it changes {name[:80]!r}, which this checkpoint does not have or never lets change"
                    )
                down = tensors.take(name, "A", (rank, target.num_columns))
                up = tensors.take(name, "B", (target.num_rows, rank)).mul_(scale)
                if down.abs().max() > MAX_DOWN:
                    raise AdapterError(f"{name!r} holds numbers above {MAX_DOWN:g}; its training went astray")
                up = up if target.order is None else up[target.order]
                factors.append(Factor(target, _as(down, like, name), _as(up, like, name)))
                num_parameters += down.numel() + up.numel()
        if not factors:
            raise AdapterError(f"{WEIGHTS} holds no tensors")
        return cls(rank, tuple(factors), num_parameters)


class Stack:
    """Some adapters of one network, side by side. `columns` tells each one's ranks."""

    def __init__(self, adapters: Sequence[AdapterWeights]) -> None:
        self.adapters = frozenset(adapters)
        self.places = {adapter: place for place, adapter in enumerate(adapters, start=1)}
        starts = [0, *torch.tensor([adapter.rank for adapter in adapters]).cumsum(0).tolist()]
        like = adapters[0].factors[0].down
        self.table = like.new_zeros((len(adapters) + 1, starts[-1]))  # a row an adapter; row 0 is for none
        found: dict[Linear, list[tuple[int, Factor]]] = {}
        for place, (adapter, start) in enumerate(zip(adapters, starts, strict=False), start=1):
            self.table[place, start : start + adapter.rank] = 1
            for factor in adapter.factors:
                found.setdefault(factor.target.linear, []).append((start, factor))
        self.patches = {linear: _patch(linear, factors, starts[-1]) for linear, factors in found.items()}

    def lora(self, rows: Sequence[AdapterWeights | None]) -> Lora:
        """For a batch whose rows have these adapters, at least one of them."""
        places = [self.places[row] if row else 0 for row in rows]
        device = self.table.device
        chosen = [row for row, place in enumerate(places) if place]
        adapted = None if len(chosen) == len(rows) else torch.tensor(chosen, device=device)
        return Lora(self.patches, self.table[torch.tensor(places, device=device)], adapted)


class Stacks:
    """The stacks that were used last, so that who comes and goes seldom costs a new one."""

    def __init__(self) -> None:
        self._stacks: list[Stack] = []  # the one used last comes last
        self._gone: WeakSet[AdapterWeights] = WeakSet()
        self._guard = threading.Lock()

    @torch.inference_mode()
    def lora(self, rows: Sequence[AdapterWeights | None]) -> Lora | None:
        """For a batch whose rows have these adapters; None when none of them has one."""
        needed = dict.fromkeys(row for row in rows if row)
        if not needed:
            return None
        stack = self._serving(needed.keys()) or Stack([*needed])
        with self._guard:
            others = [one for one in self._stacks if one is not stack and not one.adapters & set(self._gone)]
            self._stacks = [*others, stack][-NUM_STACKS:]
        return stack.lora(rows)

    def prepare(self, adapter: AdapterWeights) -> None:
        """Make the stack of one alone beforehand, on the caller's thread."""
        self.lora([adapter])

    def _serving(self, needed: Set[AdapterWeights]) -> Stack | None:
        """The smallest stack that has all of these and few others."""
        with self._guard:
            able = [s for s in self._stacks if needed <= s.adapters and len(s.adapters) <= LOOSE * len(needed)]
        return min(able, key=lambda stack: len(stack.adapters), default=None)

    def forget(self, adapter: AdapterWeights) -> None:
        """Keep no stack that holds it; rows that still have it get one for as long as they need it."""
        with self._guard:
            self._gone.add(adapter)
            self._stacks = [stack for stack in self._stacks if adapter not in stack.adapters]


def _patch(linear: Linear, factors: Iterable[tuple[int, Factor]], num_ranks: int) -> Patch:
    """The factors of one layer, each from its own place in the ranks on."""
    held = list(factors)
    parts = {part: nth for nth, part in enumerate(sorted({factor.target.part for _, factor in held}))}
    like = held[0][1].down
    down = like.new_zeros((len(parts) * num_ranks, linear.num_columns))
    up = like.new_zeros((linear.num_features, len(parts) * num_ranks))
    for start, factor in held:
        target, first = factor.target, parts[factor.target.part] * num_ranks + start
        ranks = slice(first, first + len(factor.down))
        down[ranks, target.first_column : target.first_column + target.num_columns] = factor.down
        up[target.first_row : target.first_row + target.num_rows, ranks] = factor.up
    return Patch(down, up, len(parts))


def _as(tensor: Tensor, like: Tensor, name: str) -> Tensor:
    converted = tensor.to(like.device, like.dtype)
    if not bool(converted.isfinite().all()):
        raise AdapterError(f"{name!r} holds numbers that are infinite or none")
    return converted.contiguous()


def _read_config(file: Path) -> tuple[int, float]:
    """Rank and scale.

    Raises:
        AdapterError: it is no LoRA that we serve.
    """
    try:
        if file.stat().st_size > MAX_CONFIG_BYTES:
            raise AdapterError(f"{CONFIG} has more than {MAX_CONFIG_BYTES // 1024} kB")
        config: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, AdapterError):
            raise
        raise AdapterError(f"{CONFIG} cannot be read: {error}") from None
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise AdapterError(f"{CONFIG} is not that of a LoRA adapter; no other kind is served")
    rank, alpha = config.get("r"), config.get("lora_alpha", 8)
    if not isinstance(rank, int) or isinstance(rank, bool) or not 1 <= rank <= MAX_RANK:
        raise AdapterError(f"its rank is {str(rank)[:20]}; 1 to {MAX_RANK} are served")
    on = [name for name, value in config.items() if name not in _SILENT and value and (name, value) != ("bias", "none")]
    if on:
        raise AdapterError(f"it uses {', '.join(sorted(on))[:120]}, which is not served: train a plain LoRA")
    start = config.get("init_lora_weights")
    if isinstance(start, str) and start.lower().startswith(_MOVES_BASE):
        raise AdapterError(f"it was begun by {start[:20]!r}, which changes the base weights: train a plain LoRA")
    if not isinstance(alpha, int | float) or isinstance(alpha, bool) or not math.isfinite(alpha):
        raise AdapterError(f"its lora_alpha is {str(alpha)[:20]}, which is no number")
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    if abs(scale) > MAX_SCALE:
        raise AdapterError(f"its lora_alpha is {alpha:g}, which is too large for a rank of {rank}")
    return rank, scale


class _Tensors:
    """The pairs of matrices of `adapter_model.safetensors`, one at a time by the name of the module they change."""

    def __init__(self, file: Path) -> None:
        try:
            if file.stat().st_size > MAX_WEIGHTS_BYTES:
                raise AdapterError(f"{WEIGHTS} has more than {MAX_WEIGHTS_BYTES >> 20} MB")
            self._open: Any = safe_open(file, framework="pt", device="cpu")
        except (SafetensorError, OSError) as error:
            raise AdapterError(f"{WEIGHTS} is not a whole safetensors file: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        del self._open  # closes the mapped file

    def modules(self) -> list[str]:
        """The modules that have both matrices, in order.

        Raises:
            AdapterError: there are other tensors beside.
        """
        names, halves = set(self._open.keys()), dict[str, set[str]]()
        for name in names:
            module, _, half = name.removesuffix(".weight").rpartition(".lora_")
            if not name.startswith(_PREFIX) or not name.endswith(".weight") or half not in ("A", "B"):
                raise AdapterError(f"it holds a tensor {name[:80]!r}, which is no part of a plain LoRA")
            halves.setdefault(module.removeprefix(_PREFIX), set()).add(half)
        torn = sorted(module for module, found in halves.items() if len(found) < 2)
        if torn:
            raise AdapterError(f"one of the two matrices of {torn[0][:80]!r} is missing")
        return sorted(halves)

    def take(self, module: str, half: str, shape: tuple[int, int]) -> Tensor:
        """A matrix in float32, which must have this shape.

        Raises:
            AdapterError: it has another, or is not made of floating-point numbers.
        """
        name = f"{_PREFIX}{module}.lora_{half}.weight"
        found = tuple(self._open.get_slice(name).get_shape())
        if found != shape:
            raise AdapterError(f"{name!r} has shape {found}, where this checkpoint and the rank ask for {shape}")
        tensor: Tensor = self._open.get_tensor(name)
        if not tensor.is_floating_point():
            raise AdapterError(f"{name!r} is of {tensor.dtype}, which is no floating-point number")
        return tensor.to(torch.float32, copy=True)
