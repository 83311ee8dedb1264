"""The benchmark runs and writes what its readers expect."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bench.inference import main
from tests.inference.engines import Oracle


def test_it_works(oracles: dict[str, Oracle], tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    directory = oracles["llama"].directory
    main(
        [
            "--checkpoint",
            str(directory),
            "--concurrency",
            "2",
            "--requests",
            "1",
            "--dtype",
            "float32",
            "--here",
            "--json",
            str(out),
        ]
    )
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["system"] for line in lines] == ["hf_sequential", "hf_static", "ours"]
    for line in lines:
        assert line["concurrency"] == 2
        assert 0 < line["ttft_p50_s"] <= line["ttft_p95_s"]
        assert line["tokens_per_s"] > 0
        assert line["num_requests"] >= 2
    assert lines[0]["ratio_to_hf_sequential"] == 1


def test_what_adapters_cost_is_measured_beside_peft(oracles: dict[str, Oracle], tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    directory = tmp_path / "adapted-llama"
    shutil.copytree(oracles["llama"].directory, directory)
    asked = ["--checkpoint", str(directory), "--adapters", "2", "--rank", "4", "--steps", "3", "--dtype", "float32"]
    main([*asked, "--here", "--json", str(out)])
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(line["system"], line["adapters"], line["rank"]) for line in lines] == [("ours", 2, 4), ("peft", 2, 4)]
    for line in lines:
        assert line["step_none_s"] > 0
        assert line["ratio"] == pytest.approx(line["step_mixed_s"] / line["step_none_s"], rel=0.02)
