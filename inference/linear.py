"""A linear layer for inference: on a CPU its weight is laid out once for oneDNN, elsewhere it is `functional.linear`.

oneDNN's packed kernels give each row of a batch the same bits whatever the other rows are, which is what lets a text be
the same alone and in company; plain `functional.linear` picks another kernel for small batches and does not.

What the adapters of a batch add to a layer is two more products: one tall matrix holds all that lead down to the ranks,
another all that lead up again, and between them a mask leaves each row its own adapter's ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Activation = Literal["none", "gelu", "gelu_tanh", "relu"]
PACK_ROWS = 32  # the batch size that oneDNN is asked to lay the weight out for
_POINTWISE = {"none": ("none", ""), "gelu": ("gelu", "none"), "gelu_tanh": ("gelu", "tanh"), "relu": ("relu", "")}
_PLAIN: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x,
    "gelu": functional.gelu,
    "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "relu": functional.relu,
}


@lru_cache
def packs(dtype: torch.dtype) -> bool:
    """Whether this build of torch has oneDNN's packed linears for `dtype`. They are private, so they are tried."""
    x, weight = torch.eye(4, dtype=dtype), torch.arange(16, dtype=dtype).view(4, 4)
    try:
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, PACK_ROWS)
        y = torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")
        twice = torch.ops.mkldnn._linear_pointwise.binary(x, y, packed, None, "add")
        nothing = torch.ops.mkldnn._linear_pointwise.binary(x, torch.zeros_like(x), packed, None, "mul")
    except (AttributeError, RuntimeError, NotImplementedError):
        return False
    return torch.equal(y, weight.T) and torch.equal(twice, y + y) and not nothing.any()


class Linear:
    """`activation(x @ weight.T + bias)` over rows; `weight` may be freed by the caller afterwards."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None, activation: Activation = "none") -> None:
        self.num_features, self.num_columns = weight.shape
        self.bias = bias
        self.activation = activation
        self.packed = weight.device.type == "cpu" and packs(weight.dtype)
        # A float32 row alone would take a matrix-vector kernel that sums in another order: it runs with a twin.
        self.needs_twin = self.packed and weight.dtype is torch.float32
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight, PACK_ROWS) if self.packed else weight

    def __call__(self, x: Tensor, lora: Lora | None = None) -> Tensor:  # [num_rows, in] -> [num_rows, out]
        """With `lora`, rows that have an adapter get what it adds, before the activation; others keep their bits."""
        if lora is None:
            return self._run(x, self.activation)
        if self.activation == "none":
            return lora.add(self, x, self._run(x, "none"))
        # oneDNN's activation rounds otherwise than torch's: rows without an adapter must not notice their company.
        activate = _PLAIN[self.activation]
        if lora.rows is None:
            return activate(lora.add(self, x, self._run(x, "none")))
        y, theirs = self._run(x, self.activation), x[lora.rows]
        y[lora.rows] = activate(lora.alone().add(self, theirs, self._run(theirs, "none")))
        return y

    def times(self, x: Tensor, other: Tensor) -> Tensor:
        """`(x @ weight.T) * other`, without bias and activation; `other` has the result's shape."""
        if not self.packed:
            return functional.linear(x, self.weight).mul_(other)
        return self._binary(x, other, "mul")

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """`(x @ weight.T) + other`, without bias and activation; `other` has the result's shape."""
        if not self.packed:
            return torch.addmm(other, x, self.weight.T)
        return self._binary(x, other, "add")

    def _run(self, x: Tensor, activation: Activation) -> Tensor:
        if not self.packed:
            return _PLAIN[activation](functional.linear(x, self.weight, self.bias))
        name, algorithm = _POINTWISE[activation]
        if self.needs_twin and x.shape[0] == 1:
            return self._pointwise(x.repeat(2, 1), name, algorithm)[:1]
        return self._pointwise(x, name, algorithm)

    def _pointwise(self, x: Tensor, name: str, algorithm: str) -> Tensor:
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, name, [], algorithm)
        return y

    def _binary(self, x: Tensor, other: Tensor, name: str) -> Tensor:
        if self.needs_twin and x.shape[0] == 1:
            return self._binary(x.repeat(2, 1), other.repeat(2, 1), name)[:1]
        y: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, other, self.weight, None, name)
        return y


class Patch:
    """What the adapters of a batch add to one layer. `num_parts` projections are fused in it, each with ranks of its
    own: the ranks of all adapters stand `num_parts` times side by side."""

    def __init__(self, down: Tensor, up: Tensor, num_parts: int) -> None:
        self.down = Linear(down)  # [num_parts * num_ranks, in]
        self.up = Linear(up)  # [out, num_parts * num_ranks]
        self.num_parts = num_parts


class Lora:
    """The adapters of one batch. `ranks` is `[num_rows, num_ranks]`, 1 at the ranks of a row's own adapter and else 0;
    `rows` are those that have one, None when all have."""

    def __init__(self, patches: Mapping[Linear, Patch], ranks: Tensor, rows: Tensor | None) -> None:
        self.patches = patches
        self.rows = rows
        self._masks = {1: ranks}
        self._alone: Lora | None = None

    def add(self, linear: Linear, x: Tensor, y: Tensor) -> Tensor:
        """`y`, which `linear` made of `x`, with what the adapters add to it."""
        patch = self.patches.get(linear)
        if patch is None:
            return y
        if patch.num_parts not in self._masks:
            self._masks[patch.num_parts] = self._masks[1].repeat(1, patch.num_parts)
        return patch.up.plus(patch.down.times(x, self._masks[patch.num_parts]), y)

    def alone(self) -> Lora:
        """The same for the rows that have an adapter."""
        if self.rows is None:
            return self
        if self._alone is None:
            self._alone = Lora(self.patches, self._masks[1][self.rows], None)
        return self._alone
