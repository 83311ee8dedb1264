"""Our networks score what transformers' score, however the work is cut into steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPTJConfig, LlamaConfig

from bench.checkpoints import write_checkpoint
from contracts.wire import SamplingParams
from inference.engine import Engine
from inference.linear import Activation, Linear
from inference.scheduler import CHUNK, Scheduler
from inference.sequence import Sequence
from inference.weights import CheckpointError
from tests.inference.engines import MAX_LEN, SPREAD, Oracle, load, small_configs

TOLERANCE = 1e-4


def some_ids(size: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).integers(0, 600, size).tolist()


def take(engine: Engine, ids: list[int], *, num_tokens: int = 8, request_id: str = "r", index: int = 0) -> Sequence:
    params = SamplingParams(temperature=0.0, max_tokens=num_tokens)
    return Sequence(request_id, index, ids, params, 0, num_tokens, engine.tokenizer, lambda _: None)


def drive(engine: Engine, arrivals: dict[int, list[Sequence]]) -> dict[Sequence, list[torch.Tensor]]:
    """Runs greedily, with `arrivals` joining before the step of that number; each take's logits, one entry a token."""
    scheduler = Scheduler(num_slots=engine.num_slots, prefill_budget=CHUNK)
    seen: dict[Sequence, list[torch.Tensor]] = {}
    step = 0
    while arrivals or not scheduler.is_idle:
        scheduler.waiting += arrivals.pop(step, [])
        step += 1
        if scheduler.is_idle:
            continue
        schedule = scheduler.schedule()
        logits = engine.runner.run(schedule)
        for row, sequence in zip(logits, schedule.takes, strict=True):
            seen.setdefault(sequence, []).append(row.clone())
            sequence.accept(int(row.argmax()))
        engine.runner.close_up([], scheduler.collect())
    return seen


def check(oracle: Oracle, sequence: Sequence, logits: list[torch.Tensor]) -> None:
    expected = oracle.logits(sequence.token_ids)[len(sequence.prompt_ids) - 1 : -1]
    vocab = len(logits[0])
    torch.testing.assert_close(torch.stack(logits), expected[:, :vocab], atol=TOLERANCE, rtol=0)


def test_it_works(oracle: Oracle) -> None:
    engine = load(oracle.directory)
    sequence = take(engine, some_ids(20))
    logits = drive(engine, {0: [sequence]})[sequence]
    assert len(logits) == 8
    check(oracle, sequence, logits)


def test_ragged_prompts_join_and_leave_in_mid_flight(oracle: Oracle) -> None:
    engine = load(oracle.directory, num_slots=5)
    sizes = [1, 2, 31, 32, 33, 64, 100, 255, 256, 257, 300, 520, 700]
    takes = [
        take(engine, some_ids(size, seed), num_tokens=3 + 7 * seed % 23, request_id=str(seed))
        for seed, size in enumerate(sizes)
    ]
    arrivals: dict[int, list[Sequence]] = {}
    for nth, sequence in enumerate(takes):
        arrivals.setdefault(nth // 2 * 3, []).append(sequence)
    seen = drive(engine, arrivals)
    assert set(seen) == set(takes)
    for sequence in takes:
        check(oracle, sequence, seen[sequence])


def test_a_text_longer_than_the_local_window_is_scored_right(oracle: Oracle) -> None:
    engine = load(oracle.directory)
    sequence = take(engine, some_ids(240), num_tokens=60)
    check(oracle, sequence, drive(engine, {0: [sequence]})[sequence])


def test_takes_of_one_prompt_share_what_is_read_of_it(oracle: Oracle) -> None:
    engine = load(oracle.directory, num_slots=4)
    ids = some_ids(300)
    takes = [take(engine, ids, index=index) for index in range(6)]  # more than there are slots
    other = take(engine, some_ids(50, 9), request_id="other")
    seen = drive(engine, {0: [other], 1: takes})
    for sequence in (*takes, other):
        check(oracle, sequence, seen[sequence])


def test_greedy_text_equals_generate(oracle: Oracle) -> None:
    engine = load(oracle.directory)
    takes = [take(engine, some_ids(size, size), num_tokens=40, request_id=str(size)) for size in (3, 40, 270)]
    drive(engine, {0: takes[:2], 5: takes[2:]})
    for sequence in takes:
        assert sequence.token_ids[len(sequence.prompt_ids) :] == oracle.generate(list(sequence.prompt_ids), 40)


def test_bfloat16_is_as_exact_as_transformers_own(oracle: Oracle) -> None:
    engine = Engine.load(oracle.directory, dtype="bfloat16", device="cpu", num_slots=8, max_len=128, max_waiting=0)
    rounded = AutoModelForCausalLM.from_pretrained(oracle.directory, dtype=torch.bfloat16)
    takes = [take(engine, some_ids(40, seed), request_id=str(seed)) for seed in range(8)]
    seen = drive(engine, {0: takes})
    ours, theirs = [], []
    for sequence in takes:
        exact = oracle.logits(sequence.token_ids)[39:-1]
        ours.append((torch.stack(seen[sequence]) - exact).abs().mean())
        theirs.append(
            (Oracle(oracle.directory, rounded).logits(sequence.token_ids)[39:-1].float() - exact).abs().mean()
        )
    assert engine.dtype == "bfloat16"
    assert sum(ours) <= 1.2 * sum(theirs)


def test_padding_of_the_vocabulary_is_never_written(tmp_path: Path) -> None:
    config = small_configs()["gptj"]
    write_checkpoint(tmp_path, config)
    weights = load_file(tmp_path / "model.safetensors")
    padded = GPTJConfig(**{**config.to_dict(), "vocab_size": 704})
    for name in ("transformer.wte.weight", "lm_head.weight", "lm_head.bias"):
        extra = torch.full((64, *weights[name].shape[1:]), 9.0)
        weights[name] = torch.cat((weights[name], extra))
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    padded.save_pretrained(tmp_path)
    engine = load(tmp_path)
    oracle = Oracle(tmp_path, AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32))
    sequence = take(engine, some_ids(10))
    logits = drive(engine, {0: [sequence]})[sequence]
    assert engine.vocab_size == 640
    check(oracle, sequence, logits)


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 4.0},
        {
            "rope_type": "llama3",
            "rope_theta": 500_000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 128,
        },
    ],
)
def test_llama_with_scaled_rope_biases_and_its_own_head(tmp_path: Path, rope: dict[str, Any]) -> None:
    config = LlamaConfig(
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=24,
        vocab_size=640,
        max_position_embeddings=MAX_LEN,
        rope_parameters=rope,
        attention_bias=True,
        mlp_bias=True,
        tie_word_embeddings=False,
        initializer_range=SPREAD,
    )
    write_checkpoint(tmp_path, config)
    engine = load(tmp_path)
    oracle = Oracle(tmp_path, AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32))
    sequence = take(engine, some_ids(200))
    check(oracle, sequence, drive(engine, {0: [sequence]})[sequence])
    assert engine.num_parameters == oracle.network.num_parameters()


def test_shards_and_names_without_their_first_part_are_read(oracles: dict[str, Oracle], tmp_path: Path) -> None:
    oracle = oracles["gpt_neo"]
    oracle.network.save_pretrained(tmp_path / "sharded", max_shard_size="200kB")
    oracle.network.transformer.save_pretrained(tmp_path / "bare")
    assert (tmp_path / "sharded" / "model.safetensors.index.json").exists()
    reports: list[tuple[int, int]] = []
    for kind in ("sharded", "bare"):
        directory = tmp_path / kind
        for file in ("tokenizer.json", "tokenizer_config.json"):
            (directory / file).write_bytes((oracle.directory / file).read_bytes())
        engine = Engine.load(
            directory,
            dtype="float32",
            device="cpu",
            num_slots=2,
            max_len=64,
            max_waiting=0,
            progress=lambda done, total: reports.append((done, total)),
        )
        sequence = take(engine, some_ids(20))
        check(oracle, sequence, drive(engine, {0: [sequence]})[sequence])
        assert engine.num_parameters == oracle.network.num_parameters()
        assert reports[-1][0] == reports[-1][1] > 0
        assert [done for done, _ in reports] == sorted(done for done, _ in reports)
        reports.clear()


def spoil_missing(weights: dict[str, torch.Tensor], _file: Path) -> None:
    del weights["transformer.h.0.mlp.c_fc.weight"]


def spoil_shape(weights: dict[str, torch.Tensor], _file: Path) -> None:
    weights["transformer.h.0.mlp.c_fc.weight"] = torch.zeros(3, 3)


@pytest.mark.parametrize(
    ("spoil", "words"), [(spoil_missing, "has no tensor"), (spoil_shape, r"has shape \(3, 3\) where config.json asks")]
)
def test_a_spoilt_checkpoint_is_refused_by_name(
    oracles: dict[str, Oracle], tmp_path: Path, spoil: Any, words: str
) -> None:
    for path in oracles["gpt_neo"].directory.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    spoil(weights, tmp_path)
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=words):
        load(tmp_path)


def test_a_torn_file_an_unknown_architecture_and_an_empty_directory_are_refused(
    oracles: dict[str, Oracle], tmp_path: Path
) -> None:
    for path in oracles["gpt_neo"].directory.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    file = tmp_path / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        load(tmp_path)
    file.write_bytes(whole)
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace("gpt_neo", "gpt2"))
    with pytest.raises(CheckpointError, match="'gpt2' is not one of gpt_neo, gptj, llama"):
        load(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config\.json cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize("activation", ["none", "gelu", "gelu_tanh", "relu"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_packed_linears_agree_with_plain_ones(activation: Activation, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    weight, bias = torch.randn(48, 96).to(dtype), torch.randn(48).to(dtype)
    packed, plain = Linear(weight, bias, activation), Linear(weight, bias, activation)
    plain.packed, plain.weight = False, weight
    for num_rows in (1, 2, 33):
        x = torch.randn(num_rows, 96).to(dtype)
        loose = 1e-5 if dtype is torch.float32 else 0.1
        torch.testing.assert_close(packed(x), plain(x), atol=loose, rtol=loose)
