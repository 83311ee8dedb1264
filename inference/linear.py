"""A linear layer for inference: on a CPU its weight is laid out once for oneDNN, elsewhere it is `functional.linear`.

oneDNN's packed kernels give each row of a batch the same bits whatever the other rows are, which is what lets a text be
the same alone and in company; plain `functional.linear` picks another kernel for small batches and does not.
"""

from __future__ import annotations

from collections.abc import Callable
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
    except (AttributeError, RuntimeError, NotImplementedError):
        return False
    return torch.equal(y, weight.T)


class Linear:
    """`activation(x @ weight.T + bias)` over rows; `weight` may be freed by the caller afterwards."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None, activation: Activation = "none") -> None:
        self.num_features = weight.shape[0]
        self.bias = bias
        self.activation = activation
        self.packed = weight.device.type == "cpu" and packs(weight.dtype)
        # A float32 row alone would take a matrix-vector kernel that sums in another order: it runs with a twin.
        self.needs_twin = self.packed and weight.dtype is torch.float32
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight, PACK_ROWS) if self.packed else weight

    def __call__(self, x: Tensor) -> Tensor:  # [num_rows, in] -> [num_rows, out]
        if not self.packed:
            return _PLAIN[self.activation](functional.linear(x, self.weight, self.bias))
        name, algorithm = _POINTWISE[self.activation]
        if self.needs_twin and x.shape[0] == 1:
            return self._pointwise(x.repeat(2, 1), name, algorithm)[:1]
        return self._pointwise(x, name, algorithm)

    def _pointwise(self, x: Tensor, name: str, algorithm: str) -> Tensor:
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, name, [], algorithm)
        return y
