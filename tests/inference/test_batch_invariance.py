"""In float32 a text is the same alone and in company: same seed, same text, whoever else is being served."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from tests.inference.engines import Oracle, Reader, serving

NUM_REQUESTS = 40


@pytest.fixture(autouse=True)
def _two_threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """One network computes with two threads, whatever the tests are told to compute with: sums must not hang on it."""
    before = torch.get_num_threads()
    if "llama" in request.node.name:
        torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def some_requests(seed: int) -> dict[str, dict[str, Any]]:
    """Requests as different as they come."""
    rng = np.random.default_rng(seed)
    return {
        f"request-{nth}": {
            "prompt": rng.integers(0, 600, int(rng.choice([1, 3, 30, 64, 130, 257, 400]))).tolist(),
            "max_tokens": int(rng.integers(20, 90)),
            "temperature": float(rng.choice([0.0, 0.7, 1.0, 1.5])),
            "top_p": float(rng.choice([0.5, 0.9, 1.0])),
            "top_k": int(rng.choice([0, 5, 50])),
            "repetition_penalty": float(rng.choice([1.0, 1.2])),
            "seed": int(rng.integers(0, 2**62)),
            "n": int(rng.choice([1, 1, 3])),
        }
        for nth in range(NUM_REQUESTS)
    }


def texts(reader: Reader, requests: dict[str, dict[str, Any]]) -> dict[tuple[str, int], str]:
    return {(name, index): reader.text(name, index) for name, asked in requests.items() for index in range(asked["n"])}


def test_it_works(oracle: Oracle) -> None:
    requests = some_requests(1)
    with serving(oracle.directory, num_slots=1) as engine:
        alone = Reader(engine)
        for name, asked in requests.items():
            alone.ask(name, **asked)
            alone.wait()
    with serving(oracle.directory, num_slots=16) as engine:
        together = Reader(engine)
        for name, asked in requests.items():
            together.ask(name, **asked)
        together.wait()
        assert engine.stats().steps_total < sum(asked["max_tokens"] for asked in requests.values()) / 3
    assert texts(together, requests) == texts(alone, requests)
    assert len(set(texts(alone, requests).values())) > NUM_REQUESTS  # they do differ from each other


def test_take_i_is_the_text_of_seed_plus_i(oracle: Oracle) -> None:
    with serving(oracle.directory) as engine:
        reader = Reader(engine)
        reader.ask("takes", "a line", seed=70, n=4, max_tokens=30, temperature=1.0)
        for index in range(4):
            reader.ask(f"single-{index}", "a line", seed=70 + index, max_tokens=30, temperature=1.0)
        reader.wait()
        assert [reader.text("takes", index) for index in range(4)] == [
            reader.text(f"single-{index}") for index in range(4)
        ]


def test_no_seed_means_another_text_each_time(oracle: Oracle) -> None:
    with serving(oracle.directory) as engine:
        reader = Reader(engine)
        for name in "ab":
            reader.ask(name, "a line", max_tokens=30, temperature=1.0)
        reader.wait()
        assert reader.text("a") != reader.text("b")
