"""The loss of the next token, without ever holding the scores of all tokens for all positions.

A checkpoint of 50,000 tokens has 400 MB of float32 scores for 2,048 positions, and a plain loss keeps several copies.
Here a few rows are scored at a time, and their gradient is taken at once: the head is frozen, so the hidden states are
all that needs one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

SCORES_AT_ONCE = 8 << 20
"""Elements: 32 MB of float32."""


def loss_sum(hidden: Tensor, head: Tensor, bias: Tensor | None, labels: Tensor) -> Tensor:
    """The summed cross-entropy, in nats, of `labels` under `hidden @ head.T + bias`; differentiable by `hidden` alone.

    `hidden` is `[num_labels, hidden]`, `head` `[vocab, hidden]`, `labels` `[num_labels]`.
    """
    if not torch.is_grad_enabled() or not hidden.requires_grad:
        return _losses(hidden, head, bias, labels).sum()
    loss: Tensor = _LossSum.apply(hidden, head, bias, labels)  # type: ignore[no-untyped-call]
    return loss


def plain_loss_sum(hidden: Tensor, head: Tensor, bias: Tensor | None, labels: Tensor) -> Tensor:
    """The slow twin of `loss_sum`: all scores at once, and the gradient by autograd."""
    return functional.cross_entropy(functional.linear(hidden, head, bias).float(), labels, reduction="sum")


def _losses(hidden: Tensor, head: Tensor, bias: Tensor | None, labels: Tensor) -> Tensor:  # [num_labels]
    found = [
        functional.cross_entropy(functional.linear(rows, head, bias).float(), wanted, reduction="none")
        for rows, wanted in _chunks(hidden, labels, len(head))
    ]
    return torch.cat(found) if found else hidden.new_zeros(0, dtype=torch.float32)


def _chunks(hidden: Tensor, labels: Tensor, vocab: int) -> zip[tuple[Tensor, Tensor]]:
    rows = max(16, SCORES_AT_ONCE // vocab)
    return zip(torch.split(hidden, rows), torch.split(labels, rows), strict=True)


class _LossSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, bias: Tensor | None, labels: Tensor) -> Tensor:
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        slopes = []
        for rows, wanted in _chunks(hidden, labels, len(head)):
            scores = functional.linear(rows, head, bias).float()
            norm = scores.logsumexp(-1, keepdim=True)
            total += (norm - scores.gather(1, wanted[:, None])).sum()
            slope = scores.sub_(norm).exp_()  # the softmax, in the memory of the scores
            slope[torch.arange(len(wanted), device=wanted.device), wanted] -= 1.0
            slopes.append(slope.to(head.dtype) @ head)
        ctx.save_for_backward(torch.cat(slopes) if slopes else torch.zeros_like(hidden))
        return total

    @staticmethod
    def backward(ctx: Any, *slope: Tensor) -> tuple[Tensor, None, None, None]:
        (saved,) = ctx.saved_tensors
        return saved * slope[0], None, None, None
