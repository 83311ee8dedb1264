"""The three small checkpoints, written once a session."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM

from bench.checkpoints import write_checkpoint
from tests.inference.engines import Oracle, small_configs


@pytest.fixture(scope="session")
def oracles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Oracle]:
    found = {}
    for name, config in small_configs().items():
        directory = tmp_path_factory.mktemp("checkpoints") / name
        write_checkpoint(directory, config)
        network = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
        found[name] = Oracle(directory, network)
    return found


@pytest.fixture(params=["gpt_neo", "gptj", "llama"])
def oracle(request: pytest.FixtureRequest, oracles: dict[str, Oracle]) -> Oracle:
    return oracles[request.param]
