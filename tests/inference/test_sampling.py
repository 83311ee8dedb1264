"""Tokens are drawn as transformers' own warpers say, each row by its own rules and its own noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from contracts.wire import SamplingParams
from inference.sampling import POISONED, Draw, hold, sample, uniform

VOCAB = 300


def logits(seed: int = 0, spread: float = 2.0) -> torch.Tensor:
    return torch.randn(VOCAB, generator=torch.Generator().manual_seed(seed)) * spread


def drawn(row: torch.Tensor, num: int, *, token_ids: list[int] | None = None, **params: float) -> list[int]:
    """`num` tokens for the same row of logits, at as many seeds."""
    asked = SamplingParams.model_validate(params)
    return sample(row.repeat(num, 1), [Draw(asked, seed, 3, token_ids or [0]) for seed in range(num)])


@pytest.mark.parametrize(
    "params",
    [
        {"temperature": 1.0, "top_p": 1.0},
        {"temperature": 0.8, "top_p": 0.9},
        {"temperature": 1.7, "top_p": 0.3},
        {"temperature": 1.0, "top_p": 1.0, "top_k": 7},
        {"temperature": 1.3, "top_p": 0.8, "top_k": 20},
        {"temperature": 1.0, "top_p": 0.95, "repetition_penalty": 1.4},
    ],
)
def test_it_works(params: dict[str, float]) -> None:
    num, seen = 40_000, [3, 4, 5, 5, 250]
    warpers = LogitsProcessorList(
        [
            RepetitionPenaltyLogitsProcessor(params.get("repetition_penalty", 1.0)),
            TemperatureLogitsWarper(params["temperature"]),
        ]
        + ([TopKLogitsWarper(int(params["top_k"]))] if "top_k" in params else [])
        + ([TopPLogitsWarper(params["top_p"])] if params["top_p"] < 1 else [])
    )
    row = logits()
    expected = warpers(torch.tensor([seen]), row[None].clone())[0].softmax(-1).numpy()
    counts = np.bincount(drawn(row, num, token_ids=seen, **params), minlength=VOCAB)
    assert counts[expected == 0].sum() == 0
    likely = expected * num >= 10
    deviation = (counts[likely] - expected[likely] * num) / np.sqrt(expected[likely] * num)
    assert np.abs(deviation).max() < 4.5  # of about 100 standard normal numbers
    assert (deviation**2).mean() < 1.6


def test_temperature_zero_and_top_k_one_take_the_likeliest() -> None:
    row = logits()
    assert set(drawn(row, 50, temperature=0.0)) == {int(row.argmax())}
    assert set(drawn(row, 50, temperature=2.0, top_k=1)) == {int(row.argmax())}
    assert set(drawn(row, 50, temperature=1e-6)) == {int(row.argmax())}
    assert set(drawn(row, 50, temperature=1.0, top_p=1e-6)) == {int(row.argmax())}


def test_equal_logits_are_all_drawn() -> None:
    assert set(drawn(torch.zeros(VOCAB), 20_000, temperature=1.0, top_p=1.0)) == set(range(VOCAB))


def test_a_row_is_drawn_the_same_whatever_its_neighbours() -> None:
    rng = np.random.default_rng(0)
    rows = torch.stack([logits(seed, spread) for seed, spread in enumerate(rng.uniform(0.1, 5, 64))])
    draws = [
        Draw(
            SamplingParams(
                temperature=float(rng.choice([0.0, 0.5, 1.2])),
                top_p=float(rng.choice([0.3, 0.9, 1.0])),
                top_k=int(rng.choice([0, 10])),
                repetition_penalty=float(rng.choice([1.0, 1.3])),
            ),
            seed,
            seed % 7,
            [1, 2, seed],
        )
        for seed in range(64)
    ]
    together = sample(rows.clone(), draws)
    assert together == [sample(rows[[i]].clone(), [draw])[0] for i, draw in enumerate(draws)]
    assert together[::-1] == sample(rows.flip(0), draws[::-1])


def test_poison_in_one_row_stays_there() -> None:
    rows = torch.stack([logits(seed) for seed in range(6)])
    draws = [Draw(SamplingParams(temperature=t), 1, 1, [0]) for t in (0.8, 0.0, 0.8, 0.0, 0.8, 0.8)]
    healthy = sample(rows.clone(), draws)
    rows[1, 7] = float("nan")
    rows[2, 7] = float("nan")
    rows[4] = float("-inf")
    rows[5, 0] = float("inf")
    assert sample(rows, draws) == [healthy[0], POISONED, POISONED, healthy[3], POISONED, POISONED]


def test_noise_is_uniform_and_never_repeats() -> None:
    seeds = np.arange(1000, dtype=np.uint64).repeat(50)
    steps = np.tile(np.arange(50, dtype=np.uint64), 1000)
    noise = np.concatenate([uniform(seeds, steps, turn) for turn in (0, 1)])
    assert len(np.unique(noise)) == len(noise)
    assert 0 <= noise.min() < noise.max() < 1
    assert np.histogram(noise, 20, (0, 1))[0] == pytest.approx(5000, rel=0.07)


def test_min_p_leaves_out_what_transformers_leaves_out() -> None:
    num, row = 40_000, logits()
    warm = TemperatureLogitsWarper(0.8)(torch.tensor([[0]]), row[None].clone())
    expected = MinPLogitsWarper(0.1)(torch.tensor([[0]]), warm)[0].softmax(-1).numpy()
    asked = SamplingParams(temperature=0.8, top_p=1.0)
    tokens = sample(row.repeat(num, 1), [Draw(asked, seed, 3, [0], min_p=0.1) for seed in range(num)])
    counts = np.bincount(tokens, minlength=VOCAB)
    assert counts[expected == 0].sum() == 0
    likely = expected * num >= 10
    deviation = (counts[likely] - expected[likely] * num) / np.sqrt(expected[likely] * num)
    assert np.abs(deviation).max() < 4.5


def test_a_held_row_keeps_what_its_mask_allows_and_others_keep_all() -> None:
    allowed = {0, 7, 8, 299}
    mask = np.zeros(-(-VOCAB // 8), np.uint8)
    for token in allowed:
        mask[token // 8] |= 1 << token % 8
    rows = logits().repeat(2, 1)
    hold(rows, {1: mask})
    assert rows[0].equal(logits())
    assert {token for token in range(VOCAB) if rows[1, token].isfinite()} == allowed
    assert rows[1, 7] == logits()[7]
