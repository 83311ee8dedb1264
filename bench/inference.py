"""How fast lyrics come: our engine against transformers' `generate`, one request after the other and in static batches.

    python -m bench.inference --checkpoint gpt-neo-125m-random --concurrency 1,8,32 --json out.jsonl

The load is the same for all. `c` users send prompts of 64 tokens and want 128 tokens at temperature 0.8 and top-p 0.9.
Their first requests arrive as a Poisson process, all within about a second; each user's next one comes an exponential
pause (0.1 s on average) after the last was answered. Nobody waits for anybody else, and arrivals do not wait for the
server: time to first token counts from the arrival, so queueing is in it. Tokens per second are all tokens over the
time from the first arrival to the last token, idle starts and drains included.

- `ours` serves `--requests` requests of every user, and six at least.
- `hf_sequential` is a web handler that calls `generate` for one request after the other, first come, first served. Its
  speed does not depend on the queue's length, so it is stopped after a few requests; at high concurrency these are the
  first of the queue, so its times to first token flatter it.
- `hf_static` calls `generate` for all that have come (at most c) and takes no one in until the whole batch is done. It
  is stopped when it has served two requests of every user.

`--adapters N` measures something else: what a step costs whose rows have N adapters (`bench.adapters`).

Every system runs in a process of its own, one at a time, with the same dtype and as many threads as there are cores.
transformers uses its default (dynamic) cache: the static one is wrong for GPT-Neo beyond 256 tokens.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import queue
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, StoppingCriteria

from bench import adapters
from bench.apart import measured
from bench.checkpoints import SHAPES, random_checkpoint
from contracts.settings import share_cores
from contracts.wire import SamplingParams
from inference.device import num_cores, pick_dtype
from inference.engine import Engine, Piece

PROMPT_TOKENS = 64
MAX_TOKENS = 128
TEMPERATURE, TOP_P = 0.8, 0.9
PAUSE_S = 0.1
FEWEST_REQUESTS = 6


@dataclass(frozen=True)
class Load:
    """Who asks for what: `concurrency` users of a network that knows `vocab_size` ids."""

    concurrency: int
    requests: int
    vocab_size: int
    seed: int = 0

    def first_arrivals(self) -> list[float]:
        """Seconds after the start at which each user comes."""
        gaps = np.random.default_rng((self.seed, self.concurrency)).exponential(1 / self.concurrency, self.concurrency)
        return [float(moment) for moment in np.cumsum(gaps)]

    def prompt(self, user: int, turn: int) -> list[int]:
        rng = np.random.default_rng((self.seed, self.concurrency, user, turn))
        return [int(token) for token in rng.integers(0, self.vocab_size - 1, PROMPT_TOKENS)]

    def pause_s(self, user: int, turn: int) -> float:
        return float(np.random.default_rng((self.seed, self.concurrency, user, turn, 1)).exponential(PAUSE_S))


@dataclass
class Tally:
    """What was measured, in seconds on one clock."""

    arrived: list[float] = field(default_factory=list)
    first_token: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)
    num_tokens: int = 0

    def add(self, arrived: float, first_token: float, ended: float, num_tokens: int) -> None:
        self.arrived.append(arrived)
        self.first_token.append(first_token)
        self.ended.append(ended)
        self.num_tokens += num_tokens

    def figures(self) -> dict[str, float]:
        waits = np.array(self.first_token) - np.array(self.arrived)
        return {
            "tokens_per_s": self.num_tokens / (max(self.ended) - min(self.arrived)),
            "ttft_p50_s": float(np.quantile(waits, 0.5)),
            "ttft_p95_s": float(np.quantile(waits, 0.95)),
            "num_requests": len(waits),
        }


# -- the peers -------------------------------------------------------------------------------------


class FirstToken(StoppingCriteria):  # type: ignore[misc]  # transformers is not typed
    """Never stops anything: notes when the first token is there."""

    def __init__(self) -> None:
        self.moment = 0.0

    def __call__(self, input_ids: torch.Tensor, _scores: Any, **_: Any) -> torch.Tensor:
        self.moment = self.moment or time.perf_counter()
        return torch.zeros(len(input_ids), dtype=torch.bool)


@dataclass(frozen=True)
class Peer:
    """transformers' `generate` over a checkpoint directory."""

    network: Any

    @classmethod
    def load(cls, directory: Path, dtype: str) -> Peer:
        torch.set_num_threads(num_cores())
        torch.manual_seed(0)
        return cls(AutoModelForCausalLM.from_pretrained(directory, dtype=getattr(torch, dtype)).eval())

    @property
    def vocab_size(self) -> int:
        return int(self.network.config.vocab_size)

    def generate(self, prompts: list[list[int]], max_tokens: int = MAX_TOKENS) -> tuple[float, list[int]]:
        """When the first token was there, and how many each prompt got."""
        first, eos = FirstToken(), self.network.config.eos_token_id
        ids = torch.tensor(prompts)
        out = self.network.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=max_tokens,
            do_sample=True,
            temperature=TEMPERATURE,
            top_p=TOP_P,
            top_k=0,
            pad_token_id=eos,
            stopping_criteria=[first],
        )
        written = [row.tolist() for row in out[:, ids.shape[1] :]]
        return first.moment, [row.index(eos) + 1 if eos in row else len(row) for row in written]


def measure_peer(directory: Path, dtype: str, load: Load, *, batch: int, num_requests: int) -> Tally:
    """One server, `batch` requests at a time, until it has answered `num_requests`."""
    peer = Peer.load(directory, dtype)
    peer.generate([load.prompt(0, 0)] * batch, 4)  # warm-up
    tally, start = Tally(), time.perf_counter()
    coming = [(start + moment, user, 0) for user, moment in enumerate(load.first_arrivals())]
    heapq.heapify(coming)
    while len(tally.ended) < num_requests:
        time.sleep(max(0.0, coming[0][0] - time.perf_counter()))
        now = time.perf_counter()
        taken: list[tuple[float, int, int]] = []
        while coming and coming[0][0] <= now and len(taken) < batch:
            taken.append(heapq.heappop(coming))
        first, counts = peer.generate([load.prompt(user, turn) for _, user, turn in taken])
        ended = time.perf_counter()
        for (arrived, user, turn), count in zip(taken, counts, strict=True):
            tally.add(arrived, first, ended, count)
            heapq.heappush(coming, (ended + load.pause_s(user, turn), user, turn + 1))
    return tally


def measure_sequential(directory: Path, dtype: str, load: Load) -> Tally:
    return measure_peer(directory, dtype, load, batch=1, num_requests=FEWEST_REQUESTS)


def measure_static(directory: Path, dtype: str, load: Load) -> Tally:
    num_requests = max(FEWEST_REQUESTS, 2 * load.concurrency)
    return measure_peer(directory, dtype, load, batch=load.concurrency, num_requests=num_requests)


# -- ours ------------------------------------------------------------------------------------------


@dataclass
class Asked:
    """A request on its way through our engine."""

    user: int
    turn: int
    arrived: float
    first_token: float = 0.0
    num_tokens: int = 0


def measure_ours(directory: Path, dtype: str, load: Load) -> Tally:
    """The engine as the service runs it: its own thread, text included."""
    engine = Engine.load(
        directory,
        dtype=dtype,
        device="cpu",
        num_slots=load.concurrency,
        max_len=PROMPT_TOKENS + MAX_TOKENS,
        max_waiting=load.concurrency,
    )
    engine.start()
    answered: queue.SimpleQueue[tuple[Asked, float]] = queue.SimpleQueue()

    def ask(asked: Asked, max_tokens: int = MAX_TOKENS) -> None:
        def hear(pieces: list[Piece]) -> None:
            now = time.perf_counter()
            asked.first_token = asked.first_token or now
            asked.num_tokens += sum(piece.num_tokens for piece in pieces)
            if pieces[-1].finish_reason:
                answered.put((asked, now))

        params = SamplingParams(max_tokens=max_tokens, temperature=TEMPERATURE, top_p=TOP_P, seed=asked.user)
        engine.add(f"{asked.user}-{asked.turn}", load.prompt(asked.user, max(0, asked.turn)), params, hear)

    for user in range(load.concurrency):  # warm-up
        ask(Asked(user, -1, 0.0), max_tokens=4)
    for _ in range(load.concurrency):
        answered.get()

    turns = max(load.requests, math.ceil(FEWEST_REQUESTS / load.concurrency))
    tally, start = Tally(), time.perf_counter()
    coming = [(start + moment, user, 0) for user, moment in enumerate(load.first_arrivals())]
    heapq.heapify(coming)
    while len(tally.ended) < turns * load.concurrency:
        now = time.perf_counter()
        while coming and coming[0][0] <= now:
            arrived, user, turn = heapq.heappop(coming)
            ask(Asked(user, turn, arrived))
        try:
            asked, ended = answered.get(timeout=max(0.0, coming[0][0] - time.perf_counter()) if coming else None)
        except queue.Empty:
            continue
        tally.add(asked.arrived, asked.first_token, ended, asked.num_tokens)
        if asked.turn + 1 < turns:
            heapq.heappush(coming, (ended + load.pause_s(asked.user, asked.turn), asked.user, asked.turn + 1))
    engine.stop()
    return tally


# -- the run ---------------------------------------------------------------------------------------

SYSTEMS: dict[str, Callable[[Path, str, Load], Tally]] = {
    "hf_sequential": measure_sequential,
    "hf_static": measure_static,
    "ours": measure_ours,
}


def figures(
    directory: Path, dtype: str, concurrencies: list[int], requests: int, *, here: bool
) -> Iterator[dict[str, Any]]:
    """One line a system and concurrency."""
    vocab_size = int(json.loads((directory / "config.json").read_text())["vocab_size"])
    sequential = math.nan
    for concurrency in concurrencies:
        load = Load(concurrency, requests, min(vocab_size, 49_000))
        for system, measure in SYSTEMS.items():
            found = measured(measure, here, directory, dtype, load).figures()
            if system == "hf_sequential":
                sequential = found["tokens_per_s"]
            yield {
                "system": system,
                "concurrency": concurrency,
                **found,
                "ratio_to_hf_sequential": found["tokens_per_s"] / sequential,
                "network": directory.name,
                "dtype": dtype,
            }


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.inference", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--checkpoint", default="gpt-neo-125m-random", help=f"a directory, or one of {', '.join(SHAPES)}"
    )
    parser.add_argument("--concurrency", default="1,8,32", help="numbers of users, comma-separated")
    parser.add_argument("--dtype", default="auto", choices=["auto", "float32", "bfloat16"])
    parser.add_argument("--requests", type=int, default=3, help="requests of each user that our engine answers")
    parser.add_argument("--adapters", type=int, default=0, help="measure the steps of a batch with so many adapters")
    parser.add_argument("--rows", type=int, default=0, help="of that batch; default: one for each adapter")
    parser.add_argument("--rank", type=int, default=8, help="of these adapters")
    parser.add_argument("--steps", type=int, default=60, help="steps of each kind that are measured with adapters")
    parser.add_argument("--here", action="store_true", help="all in this process: quicker, to see that it runs")
    parser.add_argument("--json", type=Path, help="a file that gets one JSON object a line")
    options = parser.parse_args(arguments)
    share_cores()  # for the processes that measure
    directory = Path(options.checkpoint)
    cache = Path(tempfile.gettempdir()) / "ghost-bench-checkpoints"
    if options.checkpoint in SHAPES:
        directory = random_checkpoint(options.checkpoint, cache)
    dtype = str(pick_dtype(options.dtype, torch.device("cpu"))).removeprefix("torch.")
    if options.adapters:
        rows = options.rows or options.adapters
        how = (options.adapters, options.rank, rows, options.steps)
        adapters.tell(directory, dtype, *how, cache / "adapters", options.json, here=options.here)
        return
    print(f"{directory.name}, {dtype}, {num_cores()} cores, prompts of {PROMPT_TOKENS}, {MAX_TOKENS} new tokens")
    print(f"{'system':15}{'users':>6}{'tokens/s':>10}{'x sequential':>14}{'first token p50':>17}", end="")
    print(f"{'p95':>9}{'requests':>10}")
    with options.json.open("w") if options.json else tempfile.TemporaryFile("w") as file:
        for line in figures(
            directory, dtype, [int(n) for n in options.concurrency.split(",")], options.requests, here=options.here
        ):
            print(
                f"{line['system']:15}{line['concurrency']:6}{line['tokens_per_s']:10.1f}"
                f"{line['ratio_to_hf_sequential']:14.2f}{line['ttft_p50_s']:15.3f} s{line['ttft_p95_s']:7.3f} s"
                f"{line['num_requests']:10}",
                flush=True,
            )
            file.write(json.dumps({key: round(v, 4) if isinstance(v, float) else v for key, v in line.items()}) + "\n")
            file.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
