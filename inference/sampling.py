"""Draws the next token of every row: repetition penalty, temperature, top-k and top-p, each row with its own.

Nothing is sorted. A token is drawn from the whole distribution and refused if it lies outside the nucleus; a refusal
also rules out everything less likely, so a row is seldom drawn more than twice. The result is exact.
Source: rejection sampling as in FlashInfer (Ye et al. 2025, arXiv:2501.01005); top-p, Holtzman et al. 2020;
repetition penalty, Keskar et al. 2019, section 4.1; min-p, Nguyen et al. 2024, arXiv:2407.01082.

A row's draw depends on its logits, its seed and its step alone: noise is a hash of (seed, step, round), and sums run in
an order that does not depend on the number of rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from contracts.wire import SamplingParams

POISONED = -1
"""Stands for the token of a row whose logits are not numbers."""
BLOCK = 128
MAX_ROUNDS = 64
NEGLIGIBLE = 1e-34
"""A weight below this is none. The exponential of what leads to less is slow on a CPU, up to 10 times."""
_LOWEST = math.log(NEGLIGIBLE) - 1
_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
_PENALTIES = torch.from_numpy(np.where(_BITS == 1, np.float32(0), np.float32(-np.inf)))  # [256, 8]


@dataclass(frozen=True)
class Draw:
    """What one row needs to know: how to draw, its noise, and the tokens it has seen (for the penalty). A token of less
    than `min_p` of the likeliest one's weight is left out before `top_p` is asked."""

    params: SamplingParams
    seed: int
    step: int
    token_ids: Sequence[int]
    min_p: float = 0.0


@torch.inference_mode()
def sample(logits: Tensor, draws: Sequence[Draw]) -> list[int]:
    """One token a row of `logits` `[num_rows, vocab]` (float32, overwritten); `POISONED` where they are not finite."""
    if not draws:  # a step that only read a piece of a long prompt
        return []
    _penalise(logits, draws)
    best = logits.amax(-1)  # [num_rows]; NaN wins a maximum, so it shows here
    warm = [row for row, draw in enumerate(draws) if draw.params.temperature > 0]
    if len(warm) == len(draws):
        tokens = _nucleus(_weights(logits, best, draws), draws)
    else:
        tokens = logits.argmax(-1)
        if warm:
            rows, warm_draws = torch.tensor(warm, device=logits.device), [draws[row] for row in warm]
            tokens[rows] = _nucleus(_weights(logits[rows], best[rows], warm_draws), warm_draws)
    chosen: list[int] = torch.where(best.isfinite(), tokens, POISONED).tolist()
    return chosen


@torch.inference_mode()
def hold(logits: Tensor, masks: Mapping[int, npt.NDArray[np.uint8]]) -> None:
    """Leave each row of `logits` `[num_rows, vocab]` that has a mask only the tokens that it allows.

    A mask is `[ceil(vocab / 8)]`: token t is bit t % 8 of byte t // 8.
    """
    if not masks:
        return
    num_rows, vocab = logits.shape
    packed = np.full((num_rows, -(-vocab // 8)), 255, np.uint8)
    for row, mask in masks.items():
        packed[row] = mask
    # A table of what each byte adds to its eight tokens: four times as fast on a CPU as bits unpacked and a fill.
    table, bytes_ = _PENALTIES.to(logits.device), torch.from_numpy(packed).to(logits.device, torch.int32)
    logits.add_(torch.nn.functional.embedding(bytes_, table).view(num_rows, -1)[:, :vocab])


@torch.inference_mode()
def log_mass(logits: Tensor, temperature: Tensor) -> Tensor:
    """The logarithm of the sum of all weights, a row: `[num_rows, vocab]`, `[num_rows]` -> `[num_rows]`."""
    return (logits / temperature[:, None]).logsumexp(-1)


def _penalise(logits: Tensor, draws: Sequence[Draw]) -> None:
    penalised = [(row, draw) for row, draw in enumerate(draws) if draw.params.repetition_penalty != 1.0]
    if not penalised:
        return
    lengths = torch.tensor([len(draw.token_ids) for _, draw in penalised])
    rows = torch.tensor([row for row, _ in penalised]).repeat_interleave(lengths).to(logits.device)
    tokens = torch.tensor([token for _, draw in penalised for token in draw.token_ids], device=logits.device)
    penalty = torch.tensor([draw.params.repetition_penalty for _, draw in penalised]).repeat_interleave(lengths)
    known = tokens < logits.shape[1]  # a prompt may hold ids that the cut vocabulary lacks
    rows, tokens, penalty = rows[known], tokens[known], penalty.to(logits.device)[known]
    scores = logits[rows, tokens]
    logits[rows, tokens] = torch.where(scores > 0, scores / penalty, scores * penalty)


def _weights(logits: Tensor, best: Tensor, draws: Sequence[Draw]) -> Tensor:
    """Unnormalised probabilities, 1 for the likeliest token, 0 beyond top-k and min-p.

    `[num_rows, vocab padded to BLOCK]`.
    """
    temperature = torch.tensor([draw.params.temperature for draw in draws], device=logits.device)
    num_rows, vocab = logits.shape
    scores = logits.new_empty((num_rows, vocab + -vocab % BLOCK))
    torch.sub(logits, best[:, None], out=scores[:, :vocab])
    scores[:, vocab:] = float("-inf")
    scores.div_(temperature[:, None])
    top_k = [min(draw.params.top_k or vocab, vocab) for draw in draws]
    limited = [row for row, k in enumerate(top_k) if k < vocab]
    if limited:
        chosen = torch.tensor(limited, device=logits.device)
        k = torch.tensor([top_k[row] for row in limited], device=logits.device)
        theirs = scores[chosen]
        highest = theirs.topk(max(top_k[row] for row in limited), -1).values
        scores[chosen] = theirs.masked_fill_(theirs < highest.gather(1, k[:, None] - 1), float("-inf"))
    weights = scores.clamp_(min=_LOWEST).exp_()
    least = torch.tensor([max(draw.min_p, NEGLIGIBLE) for draw in draws], device=logits.device)[:, None]
    # A comparison written as 0.0 and 1.0, then a product: 15 times as fast on a CPU as `torch.where`.
    return weights.mul_(torch.ge(weights, least, out=torch.empty_like(weights)))


def _nucleus(weights: Tensor, draws: Sequence[Draw]) -> Tensor:
    """Draws one token a row, in proportion to `weights`, out of the smallest set that holds `top_p` of them.

    Tokens as likely as the set's last one belong to it. `weights` is `[num_rows, padded vocab]`.
    """
    device = weights.device
    seeds = np.array([draw.seed for draw in draws], dtype=np.uint64)
    steps = np.array([draw.step for draw in draws], dtype=np.uint64)
    top_p = torch.tensor([draw.params.top_p for draw in draws], device=device)
    tokens = torch.zeros(len(draws), dtype=torch.long, device=device)
    live = torch.arange(len(draws), device=device)  # rows not yet settled; `weights` holds these alone
    bound: Tensor | None = None
    for turn in range(MAX_ROUNDS):
        alive = live.cpu().numpy()
        noise = torch.from_numpy(uniform(seeds[alive], steps[alive], turn)).to(device, torch.float32)
        drawn, total = _draw(weights, noise)
        bound = top_p * total if bound is None else bound  # of the full mass, so only once
        pivot = weights.gather(1, drawn[:, None])
        above = torch.gt(weights, pivot, out=torch.empty_like(weights)).mul_(weights)
        inside = (pivot[:, 0] > 0) & ((_block_sums(above).cumsum(-1)[:, -1] < bound) | (top_p >= 1))
        settled = inside | total.isnan()  # a poisoned row settles on anything; `sample` reports it
        tokens[live[settled]] = drawn[settled]
        if bool(settled.all()):
            break
        left = ~settled  # what a row refused, and all that is no likelier, is ruled out for it
        live, weights, bound = live[left], above[left], bound[left]
        top_p = top_p[left]
    else:
        tokens[live] = weights.argmax(-1)
    return tokens


def _draw(weights: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Inverts each row's cumulative sum at `noise`: the tokens, and the rows' sums. Blocks first, then within one."""
    sums = _block_sums(weights).cumsum(-1)  # [num_rows, num_blocks]
    total = sums[:, -1]
    target = (noise * total)[:, None]
    block = torch.searchsorted(sums, target, right=True).clamp_(max=sums.shape[1] - 1)
    before = torch.where(block > 0, sums.gather(1, (block - 1).clamp(min=0)), 0.0)
    places = block * BLOCK + torch.arange(BLOCK, device=weights.device)  # [num_rows, BLOCK]
    inner = weights.gather(1, places).cumsum(-1)
    offset = torch.searchsorted(inner, target - before, right=True).clamp_(max=BLOCK - 1)
    return (block * BLOCK + offset)[:, 0], total


def _block_sums(weights: Tensor) -> Tensor:  # [num_rows, padded vocab] -> [num_rows, num_blocks]
    return weights.view(len(weights), -1, BLOCK).sum(-1)


def uniform(seeds: npt.NDArray[np.uint64], steps: npt.NDArray[np.uint64], turn: int) -> npt.NDArray[np.float64]:
    """Noise in [0, 1), one number for each (seed, step, turn): a counter hashed twice by SplitMix64's finaliser.

    Source: Steele, Lea and Flood 2014, Fast splittable pseudorandom number generators, fig. 16.
    """
    counter = steps * np.uint64(MAX_ROUNDS) + np.uint64(turn)
    mixed = _mix(_mix(seeds) + counter)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
