"""Particles under a form: how well the network thinks of each, and which of them go on.

A mask takes from a network's next-token distribution what the form forbids. What is left is the particle's weight: a
particle that is often left with little says what the network would not. When the weights of an island have grown too
unequal, its light particles go on as copies of its heavy ones. Source: sequential Monte Carlo with the mask as twist,
Loula et al. 2025, https://arxiv.org/abs/2504.13139; systematic resampling, Kitagawa 1996.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from collections.abc import Sequence as Items
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from inference.sampling import log_mass, uniform
from inference.sequence import Sequence

_TURN = 63  # of the noise, so that no draw of a token shares it


@dataclass(frozen=True)
class Weighing:
    """What has to be known of the logits of some rows before a mask and a draw change them."""

    takes: Items[Sequence]
    rows: Items[int]
    logits: Tensor  # [num_takes, vocab]
    temperature: Tensor  # [num_takes]


@torch.inference_mode()
def before_mask(logits: Tensor, takes: Items[Sequence]) -> Weighing | None:
    """Look at the rows of particles; None when there are none."""
    rows = [row for row, take in enumerate(takes) if take.island is not None]
    if not rows:
        return None
    temperature = torch.tensor([takes[row].params.temperature or 1.0 for row in rows], device=logits.device)
    return Weighing([takes[row] for row in rows], rows, logits[rows], temperature)


def after_mask(weighing: Weighing, logits: Tensor) -> None:
    """Weigh each particle by what its mask has left it."""
    left = log_mass(logits[weighing.rows], weighing.temperature) - log_mass(weighing.logits, weighing.temperature)
    for take, change in zip(weighing.takes, left.tolist(), strict=True):
        take.log_weight += change if math.isfinite(change) else -1e9


@torch.inference_mode()
def after_draw(weighing: Weighing, tokens: Items[int]) -> None:
    """Note how likely the network thought what was drawn, at temperature 1 and without a mask."""
    drawn = torch.tensor([max(0, tokens[row]) for row in weighing.rows], device=weighing.logits.device)
    log_probs = weighing.logits.gather(1, drawn[:, None])[:, 0] - weighing.logits.logsumexp(-1)
    for take, log_prob in zip(weighing.takes, log_probs.tolist(), strict=True):
        take.log_prob += log_prob


def resample(takes: Iterable[Sequence]) -> list[tuple[Sequence, Sequence]]:
    """Which particles take over from which, among those that still write; their weights are evened out by it.

    An island is left alone while the weights are worth more than half its particles.
    """
    islands: dict[tuple[str, int], list[Sequence]] = {}
    for take in takes:
        if take.island is not None and take.finish_reason is None:
            islands.setdefault((take.request_id, take.island), []).append(take)
    return [pair for island in islands.values() if len(island) > 1 for pair in _resample_island(island)]


def _resample_island(island: list[Sequence]) -> list[tuple[Sequence, Sequence]]:
    logs = np.array([take.log_weight for take in island])
    weights = np.exp(logs - logs.max())
    if weights.sum() ** 2 / (weights**2).sum() > len(island) / 2:
        return []
    seed, step = np.array([island[0].seed], np.uint64), np.array([island[0].num_written], np.uint64)
    points = (np.arange(len(island)) + uniform(seed, step, _TURN)[0]) / len(island)
    chosen = np.minimum(np.searchsorted(np.cumsum(weights / weights.sum()), points), len(island) - 1)
    mean = float(logs.max() + math.log(weights.mean()))
    for take in island:
        take.log_weight = mean
    kept = set(chosen.tolist())
    extra = [place for nth, place in enumerate(chosen.tolist()) if nth and chosen[nth - 1] == place]
    gone = [place for place in range(len(island)) if place not in kept]
    return [(island[source], island[target]) for source, target in zip(extra, gone, strict=True)]


def masks_of(takes: Items[Sequence]) -> Mapping[int, np.ndarray[tuple[int], np.dtype[np.uint8]]]:
    """By row, what a take may draw that may not draw everything."""
    return {row: mask for row, take in enumerate(takes) if (mask := take.mask()) is not None}
