"""What adapters cost a step: a batch whose rows have several adapters against the same batch with none.

    python -m bench.inference --adapters 8 --json out.jsonl

Ours and PEFT's mixed batch (`adapter_names`) are measured in one run, on the same checkpoint and the same adapters (all
linear layers, `--rank`), which `--rows` share evenly, in the same dtype: PEFT keeps its adapters in the network's dtype
too. Steps with and without adapters take turns, so what else the machine does weighs on both alike; medians are told.
Our step is the engine's whole step, from the schedule to the text; PEFT's is a forward pass over one new token a row,
with a cache.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, DynamicCache

from bench.apart import measured
from bench.checkpoints import write_adapter
from contracts.wire import SamplingParams
from inference.device import num_cores
from inference.engine import Engine
from inference.lora import AdapterWeights

PROMPT_TOKENS = 64
WARM_STEPS = 5


def adapters_of(base: Path, num: int, rank: int, cache: Path) -> list[Path]:
    """Folders with random adapters, written the first time."""
    folders = [cache / f"{base.name}-rank-{rank}-{nth}" for nth in range(num)]
    for nth, folder in enumerate(folders):
        if not (folder / "adapter_config.json").is_file():
            write_adapter(base, folder, seed=nth, rank=rank)
    return folders


def prompts(num: int, vocab_size: int) -> list[list[int]]:
    """One prompt a row."""
    rng = np.random.default_rng(0)
    rows: list[list[int]] = rng.integers(0, min(vocab_size, 49_000) - 1, (num, PROMPT_TOKENS)).tolist()
    return rows


def take_turns(step: Callable[[bool], None], num_steps: int) -> tuple[float, float]:
    """Median seconds of a step without adapters and of one with them."""
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for nth in range(2 * (num_steps + WARM_STEPS)):
        began = time.perf_counter()
        step(bool(nth % 2))
        seconds[bool(nth % 2)].append(time.perf_counter() - began)
    return median(seconds[False][WARM_STEPS:]), median(seconds[True][WARM_STEPS:])


def measure_ours(base: Path, folders: list[Path], dtype: str, num_rows: int, num_steps: int) -> tuple[float, float]:
    """The engine's whole step, driven by hand so that its rows can change their adapters between steps."""
    max_len = PROMPT_TOKENS + 2 * (num_steps + WARM_STEPS) + 8
    engine = Engine.load(base, dtype=dtype, device="cpu", num_slots=num_rows, max_len=max_len, max_waiting=0)
    adapters = [AdapterWeights.read(folder, engine.runner.network) for folder in folders]
    params = SamplingParams(max_tokens=max_len - PROMPT_TOKENS, temperature=0.8, top_p=0.9, seed=1)
    for nth, prompt in enumerate(prompts(num_rows, engine.vocab_size)):
        engine.add(str(nth), prompt, params, lambda _: None)
    engine._take_in()
    while len(engine.scheduler.running) < num_rows or not engine.scheduler.running[-1].num_written:
        engine.step()

    def step(with_adapters: bool) -> None:
        for nth, take in enumerate(engine.scheduler.running):
            take.adapter = adapters[nth % len(adapters)] if with_adapters else None
        engine.step()

    return take_turns(step, num_steps)


def measure_peft(base: Path, folders: list[Path], dtype: str, num_rows: int, num_steps: int) -> tuple[float, float]:
    """PEFT's own mixed batch, and the same network with its adapters switched off."""
    torch.set_num_threads(num_cores())
    network: Any = AutoModelForCausalLM.from_pretrained(base, dtype=getattr(torch, dtype))
    adapted: Any = PeftModel.from_pretrained(network, str(folders[0]), "adapter-0", autocast_adapter_dtype=False)
    for nth, folder in enumerate(folders[1:], start=1):
        adapted.load_adapter(str(folder), f"adapter-{nth}", autocast_adapter_dtype=False)
    adapted.eval()
    names = [f"adapter-{nth % len(folders)}" for nth in range(num_rows)]
    cache = DynamicCache(config=network.config)
    ids = torch.tensor(prompts(num_rows, network.config.vocab_size))

    @torch.inference_mode()
    def forward(ids: torch.Tensor, with_adapters: bool) -> torch.Tensor:
        if with_adapters:
            out = adapted(ids, past_key_values=cache, adapter_names=names)
        else:
            with adapted.disable_adapter():
                out = adapted(ids, past_key_values=cache)
        last: torch.Tensor = out.logits[:, -1].argmax(-1, keepdim=True)
        return last

    written = forward(ids, False)

    def step(with_adapters: bool) -> None:
        nonlocal written
        written = forward(written, with_adapters)

    return take_turns(step, num_steps)


SYSTEMS: dict[str, Callable[[Path, list[Path], str, int, int], tuple[float, float]]] = {
    "ours": measure_ours,
    "peft": measure_peft,
}


def figures(
    base: Path, dtype: str, num: int, rank: int, num_rows: int, num_steps: int, cache: Path, *, here: bool
) -> Iterator[dict[str, Any]]:
    """One line a system, each of which has a process of its own."""
    folders = adapters_of(base, num, rank, cache)
    for system, measure in SYSTEMS.items():
        none_s, mixed_s = measured(measure, here, base, folders, dtype, num_rows, num_steps)
        yield {
            "system": system,
            "adapters": num,
            "rows": num_rows,
            "rank": rank,
            "step_none_s": none_s,
            "step_mixed_s": mixed_s,
            "ratio": mixed_s / none_s,
            "network": base.name,
            "dtype": dtype,
        }


def tell(
    base: Path,
    dtype: str,
    num: int,
    rank: int,
    num_rows: int,
    num_steps: int,
    cache: Path,
    file: Path | None,
    *,
    here: bool,
) -> None:
    """The table, and JSON lines into `file`."""
    print(
        f"{base.name}, {dtype}, {num_cores()} cores, {num_rows} rows, {num} adapters of rank {rank}, {num_steps} steps"
    )
    print(f"{'system':10}{'step without':>14}{'step with':>12}{'ratio':>8}", flush=True)
    with file.open("w") if file else nullcontext() as out:
        for line in figures(base, dtype, num, rank, num_rows, num_steps, cache, here=here):
            print(
                f"{line['system']:10}{1000 * line['step_none_s']:11.1f} ms{1000 * line['step_mixed_s']:9.1f} ms"
                f"{line['ratio']:8.3f}",
                flush=True,
            )
            if out is not None:
                out.write(json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in line.items()}) + "\n")
                out.flush()
