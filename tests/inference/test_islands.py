"""Particles: the light go on as copies of the heavy, in fair proportion, and none is lost."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from contracts.wire import SamplingParams
from inference.engine import Formed
from inference.islands import after_draw, after_mask, before_mask, resample
from inference.sampling import hold
from inference.sequence import Sequence
from inference.speller import Speller
from tests.inference.engines import Oracle, Reader, serving
from tests.inference.walks import ready


def particle(speller: Speller, index: int, log_weight: float = 0.0, *, seed: int = 0, **changes: Any) -> Sequence:
    take = Sequence("alice", index, [1, 2], SamplingParams(), seed, 99, speller.tokenizer, lambda _: None)
    take.island = 0
    take.log_weight = log_weight
    for name, value in changes.items():
        setattr(take, name, value)
    return take


def survivors(speller: Speller, weights: list[float], seed: int) -> Counter[int]:
    """How many times each particle goes on."""
    takes = [particle(speller, index, math.log(weight), seed=seed) for index, weight in enumerate(weights)]
    pairs = resample(takes)
    gone = [target.index for _, target in pairs]
    assert len(gone) == len(set(gone))
    return Counter([index for index in range(len(weights)) if index not in gone] + [s.index for s, _ in pairs])


def test_it_works(speller: Speller) -> None:
    takes = [particle(speller, index, log_weight) for index, log_weight in enumerate((0.0, -50.0, -50.0, -50.0))]
    pairs = resample(takes)
    assert [(source.index, target.index) for source, target in pairs] == [(0, 1), (0, 2), (0, 3)]
    assert [take.log_weight for take in takes] == [pytest.approx(math.log(1 / 4))] * 4


def test_each_goes_on_in_proportion_to_its_weight(speller: Speller) -> None:
    weights, num = [0.6, 0.25, 0.1, 0.03, 0.01, 0.01], 3_000
    total: Counter[int] = Counter()
    for seed in range(num):
        found = survivors(speller, weights, seed)
        assert found.total() == len(weights)
        for index, weight in enumerate(weights):  # systematic: within one of what is due
            assert abs(found[index] - weight * len(weights)) < 1
        total += found
    for index, weight in enumerate(weights):
        assert total[index] / num / len(weights) == pytest.approx(weight, abs=0.01)


def test_weights_that_are_nearly_even_are_left_alone(speller: Speller) -> None:
    takes = [particle(speller, index, weight) for index, weight in enumerate((0.0, -0.1, -0.2, 0.1))]
    assert resample(takes) == []
    assert takes[0].log_weight == 0.0


def test_islands_requests_and_the_finished_are_kept_apart(speller: Speller) -> None:
    takes = [
        particle(speller, 0, 0.0),
        particle(speller, 1, -50.0),
        particle(speller, 2, -60.0, island=1),
        particle(speller, 3, -60.0, island=1),
        particle(speller, 4, -50.0, request_id="bob"),
        particle(speller, 5, -50.0, finish_reason="stop"),
        particle(speller, 6, -50.0, island=None),
    ]
    assert [(source.index, target.index) for source, target in resample(takes)] == [(0, 1)]
    assert takes[2].log_weight == -60.0


def test_a_particle_weighs_what_its_mask_leaves_it(speller: Speller) -> None:
    logits = torch.randn(2, 640, generator=torch.Generator().manual_seed(1))
    before = logits.clone()
    takes = [particle(speller, 0), particle(speller, 1, island=None)]
    mask = np.zeros(80, np.uint8)
    mask[0] = 0b0000_0110
    weighing = before_mask(logits, takes)
    assert weighing is not None
    hold(logits, {0: mask})
    after_mask(weighing, logits)
    share = (before[0] / takes[0].params.temperature).softmax(-1)[1:3].sum()
    assert takes[0].log_weight == pytest.approx(float(share.log()), abs=1e-4)
    assert takes[1].log_weight == 0.0
    after_draw(weighing, [2, 7])
    assert takes[0].log_prob == pytest.approx(float(before[0].log_softmax(-1)[2]), abs=1e-4)


def test_without_particles_there_is_nothing_to_weigh(speller: Speller) -> None:
    assert before_mask(torch.zeros(1, 640), [particle(speller, 0, island=None)]) is None


def test_a_copy_writes_on_as_its_source_would(oracle: Oracle, speller: Speller) -> None:
    """In one island all texts keep the form, whoever was copied from whom, and greedy copies are one text."""
    prepared = ready(speller, scheme="AA", syllables=6)
    with serving(oracle.directory, num_slots=6) as engine:
        reader = Reader(engine)
        formed = Formed(prepared.begin, island_size=3)
        reader.ask("hot", "la la\n", n=6, seed=5, max_tokens=200, temperature=1.5, formed=formed)
        reader.wait()
        for index in range(6):
            (piece,) = [piece for piece in reader.pieces["hot"] if piece.index == index]
            assert piece.finish_reason == "stop"
            assert piece.outcome is not None
            assert piece.outcome.bits < 0
            assert [line.failures for line in prepared.judge(piece.text, is_whole=True)] == [[], []]
        assert engine.stats().num_running == 0
