"""How the learning rate goes over a training, and when it is evaluated. Pure arithmetic."""

from __future__ import annotations

import math


def learning_rate(step: int, num_steps: int, peak: float, warmup_share: float) -> float:
    """The rate of the update `step`, from 1: up in a line, then down along half a cosine.

    >>> [round(learning_rate(step, 10, 1.0, 0.2), 2) for step in (1, 2, 6, 10)]
    [0.5, 1.0, 0.6, 0.01]
    """
    warmup = math.ceil(num_steps * warmup_share)
    if step <= warmup:
        return peak * step / warmup
    through = (step - warmup - 0.5) / max(1, num_steps - warmup)
    return peak * 0.5 * (1 + math.cos(math.pi * through))


def evaluation_steps(num_steps: int, num_evaluations: int) -> frozenset[int]:
    """The steps after which a training is evaluated; the last is always one.

    >>> sorted(evaluation_steps(10, 3)), sorted(evaluation_steps(2, 5))
    ([4, 7, 10], [1, 2])
    """
    return frozenset(math.ceil(num_steps * nth / num_evaluations) for nth in range(1, num_evaluations + 1))
