"""How fast an adapter is trained: our trainer against the plain `transformers.Trainer` + peft recipe.

    python -m bench.training --json out.jsonl [--checkpoint DIRECTORY_OF_SMOLLM2] [--quick]

Both train LoRA (rank 8, all linear layers) on the same invented lyrics, as long as real ones are, once through, with as
many songs an update, the same rate, schedule and optimiser. Real tokens are those of songs; padding is none.

- `ours` is what the product does: songs packed without padding, attention within each, scores a few rows at a time, the
  base in bfloat16 where the machine multiplies it.
- `hf_trainer` is what the tutorials write: `AutoModelForCausalLM.from_pretrained`, `get_peft_model`,
  `DataCollatorForLanguageModeling`, `Trainer`; a batch is padded to its longest song, and the base is in float32.
- `ours_float32` and `hf_trainer_bfloat16` are the same the other way round, to see what the dtype does.

Tokens per second leave out the first update, which warms up. `loss_end` is nats a token on held-out songs after all
songs were read, `loss_begin` before. `peak_bytes` is the most memory that the
process ever had, `cpu_s_per_1000_tokens` what does not hang on who else uses the machine. Every system runs in a
process of its own, one at a time, on as many threads as there are cores.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch.nn import functional
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    TrainerCallback,
    TrainingArguments,
)
from transformers import (
    Trainer as PlainTrainer,
)

from bench.apart import measured
from bench.checkpoints import GPT2_BPE, random_checkpoint
from contracts.settings import share_cores
from contracts.training import Advanced, Dtype, TrainConfig, TrainEvent, TrainRequest, resolve
from inference.device import keep_freed_memory, num_cores, pick_dtype
from training import lora
from training.networks import load_base
from training.packing import Piece, Plan
from training.team import Team
from training.trainer import Trainer
from training.wishes import Wishes

SYSTEMS = ("ours", "hf_trainer", "ours_float32", "hf_trainer_bfloat16")
RANK, ALPHA, RATE, WARMUP = 8, 16.0, 4e-4, 0.1
SONGS_A_BATCH = 4
MAX_LEN = 1024
NUM_HELD_OUT = 6
WORDS_A_SONG = (61, 118, 146, 165, 184, 215, 225, 237, 257, 266, 296, 315, 331, 347, 389, 415, 427, 456, 513, 538)
"""Quantiles of 109 songs. Source: John A. Lomax, Cowboy Songs, 1910; Project Gutenberg's book 21300."""
WORDS_A_LINE = 7
GOALS = {"real_tokens_per_s": 1.8, "peak_bytes": 0.9, "loss_end": 1.02}


@dataclass(frozen=True)
class Figures:
    """What was measured of one system on one network."""

    system: str
    network: str
    dtype: Dtype
    real_tokens_per_s: float
    peak_bytes: int
    loss_begin: float
    loss_end: float
    num_tokens: int
    num_updates: int
    cpu_s_per_1000_tokens: float


@dataclass(frozen=True)
class Order:
    """What is to be measured."""

    system: str
    network: str
    directory: str
    num_songs: int
    dtype: Dtype


def invented_songs(num: int, seed: int = 0) -> list[str]:
    """Lyrics of no meaning, but with refrains and ends that rhyme, as long as real ones."""
    rng = random.Random(seed)
    things = ["river", "road", "window", "harbour", "morning", "engine", "mountain", "letter", "shadow", "garden"]
    deeds = ["carry", "follow", "remember", "borrow", "gather", "wander", "whisper", "promise", "answer", "leave"]
    ends = [("night", "light", "sight"), ("rain", "train", "again"), ("home", "alone", "stone"), ("day", "way", "stay")]
    heads = ["I {d} the {t} by the", "You {d} a {t} in the", "We never {d} the {t} of the", "Oh {d} me, {t}, till the"]

    def line(end: str) -> str:
        return f"{rng.choice(heads).format(d=rng.choice(deeds), t=rng.choice(things))} {end}"

    songs = []
    for nth in range(num):
        num_lines = WORDS_A_SONG[(nth * 7) % len(WORDS_A_SONG)] // WORDS_A_LINE
        refrain = [line(end) for end in rng.choice(ends)[:2]]
        lines: list[str] = []
        while len(lines) < num_lines:
            family = rng.choice(ends)
            lines += [line(rng.choice(family)), line(rng.choice(family)), *(refrain if rng.random() < 0.3 else [])]
        songs.append("\n".join(lines[:num_lines]) + "\n")
    return songs


# -- both ------------------------------------------------------------------------------------------


@torch.no_grad()
def held_out_loss(network: Any, rows: Sequence[Sequence[int]]) -> float:
    """Nats a token, each song by itself."""
    network.eval()
    nats, num = 0.0, 0
    for row in rows:
        scores = network(input_ids=torch.tensor([row])).logits[0, :-1].float()
        nats += functional.cross_entropy(scores, torch.tensor(row[1:]), reduction="sum").item()
        num += len(row) - 1
    return nats / num


def plain_network(directory: str, dtype: Dtype) -> Any:
    """As the recipe loads it."""
    return AutoModelForCausalLM.from_pretrained(directory, dtype=getattr(torch, dtype), local_files_only=True)


def rows_of(directory: str, songs: Sequence[str]) -> list[list[int]]:
    """Songs as the recipe tokenises them."""
    tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    return [tokenizer(song, truncation=True, max_length=MAX_LEN)["input_ids"] for song in songs]


def measure(order: Order) -> Figures:
    """One system on one network, in a process of its own."""
    torch.set_num_threads(num_cores())
    songs = invented_songs(order.num_songs + NUM_HELD_OUT)
    train, held_out = songs[NUM_HELD_OUT:], rows_of(order.directory, songs[:NUM_HELD_OUT])
    if order.system.startswith("ours"):
        return _ours(order, train, held_out)
    return _recipe(order, train, held_out)


# -- ours ------------------------------------------------------------------------------------------


def _ours(order: Order, songs: Sequence[str], held_out: list[list[int]]) -> Figures:
    keep_freed_memory()
    base = load_base(Path(order.directory), dtype=order.dtype, device=torch.device("cpu"))
    pieces = [Piece(tuple(row)) for row in rows_of(order.directory, songs)]
    num_tokens = sum(piece.num_tokens for piece in pieces)
    num_updates = -(-len(songs) // SONGS_A_BATCH)
    config = _config(num_tokens // num_updates, order.dtype)
    network = lora.attach(base, config)
    moments: list[float] = [time.perf_counter()]
    cpu_s: list[float] = [time.process_time()]

    def hear(event: TrainEvent) -> None:
        if event.kind == "step":
            moments.append(time.perf_counter())
            cpu_s.append(time.process_time())

    trainer = Trainer(
        base,
        network,
        config,
        Plan.dealt(pieces, [], num_steps=num_updates, num_tokens=num_tokens, task_share=0, seed=0),
        [Piece(tuple(row)) for row in held_out],
        identity={},
        team=Team(),
        say=hear,
        wishes=Wishes(),
    )
    begin = trainer.validated().loss
    moments[0], cpu_s[0] = time.perf_counter(), time.process_time()
    for _ in range(num_updates):
        trainer.step()
    first = sum(piece.num_tokens for piece in trainer.plan.pieces(1))
    peak = _peak_bytes()
    return Figures(
        order.system,
        order.network,
        order.dtype,
        (num_tokens - first) / (moments[-1] - moments[1]),
        peak,
        begin,
        trainer.validated().loss,
        num_tokens,
        num_updates,
        (cpu_s[-1] - cpu_s[1]) / (num_tokens - first) * 1000,
    )


def _config(batch_tokens: int, dtype: Dtype) -> TrainConfig:
    told = Advanced(
        epochs=1,
        learning_rate=RATE,
        lora_rank=RANK,
        lora_alpha=ALPHA,
        lora_dropout=0.05,
        max_len=MAX_LEN,
        batch_tokens=max(256, batch_tokens),
        warmup_share=WARMUP,
        dtype=dtype,
    )
    return resolve(TrainRequest(checkpoint="bench", advanced=told), 1 << 20)


# -- the recipe ------------------------------------------------------------------------------------


class Clock(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """When each update ended."""

    def __init__(self) -> None:
        self.moments: list[float] = []
        self.cpu_s: list[float] = []

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """The clock starts."""
        self._tick()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """An update is done."""
        self._tick()

    def _tick(self) -> None:
        self.moments.append(time.perf_counter())
        self.cpu_s.append(time.process_time())


def _recipe(order: Order, songs: Sequence[str], held_out: list[list[int]]) -> Figures:
    tokenizer = AutoTokenizer.from_pretrained(order.directory, local_files_only=True)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    rows = rows_of(order.directory, songs)
    network = plain_network(order.directory, order.dtype)
    how = LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.05, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted: PeftModel = get_peft_model(network, how)
    begin = held_out_loss(adapted, held_out)
    clock = Clock()
    with tempfile.TemporaryDirectory() as out:
        arguments = TrainingArguments(
            output_dir=out,
            per_device_train_batch_size=SONGS_A_BATCH,
            num_train_epochs=1,
            learning_rate=RATE,
            lr_scheduler_type="cosine",
            warmup_steps=-(-len(rows) // SONGS_A_BATCH) * WARMUP,
            weight_decay=0.0,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            seed=0,
        )
        trainer = PlainTrainer(
            model=adapted,
            args=arguments,
            train_dataset=[{"input_ids": row, "attention_mask": [1] * len(row)} for row in rows],
            data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
            callbacks=[clock],
        )
        trainer.train()
    num_tokens = sum(len(row) - 1 for row in rows)
    num_updates = len(clock.moments) - 1
    share = (num_updates - 1) / num_updates  # songs are shuffled: the first update's are as many as any other's
    peak = _peak_bytes()
    return Figures(
        order.system,
        order.network,
        order.dtype,
        num_tokens * share / (clock.moments[-1] - clock.moments[1]),
        peak,
        begin,
        held_out_loss(adapted, held_out),
        num_tokens,
        num_updates,
        (clock.cpu_s[-1] - clock.cpu_s[1]) / (num_tokens * share) * 1000,
    )


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# -- the table -------------------------------------------------------------------------------------


def ratios(ours: Figures, theirs: Figures) -> dict[str, float]:
    """Ours over theirs: the first is to be large, the others small."""
    return {name: getattr(ours, name) / getattr(theirs, name) for name in GOALS}


def orders(networks: Mapping[str, Path], num_songs: int, systems: Sequence[str]) -> list[Order]:
    """What is measured, in this order."""
    fast: Dtype = "bfloat16" if pick_dtype("auto", torch.device("cpu")) is torch.bfloat16 else "float32"
    dtypes: dict[str, Dtype] = {
        "ours": fast,
        "hf_trainer": "float32",
        "ours_float32": "float32",
        "hf_trainer_bfloat16": "bfloat16",
    }
    return [
        Order(system, network, str(directory), num_songs, dtypes[system])
        for network, directory in networks.items()
        for system in systems
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print a table, write the lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write a JSON object for each system and network here")
    parser.add_argument("--checkpoint", type=Path, help="the directory of SmolLM2, instead of random weights like it")
    parser.add_argument("--quick", action="store_true", help="a thin network and few songs: to see that it runs")
    parser.add_argument("--songs", type=int, default=0, help="songs to train on (default: 48, quick: 8)")
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--cache", type=Path, default=Path("bench/out/checkpoints"))
    told = parser.parse_args(argv)
    systems = [name for name in told.systems.split(",") if name]
    if unknown := set(systems) - set(SYSTEMS):
        sys.exit(f"--systems knows {', '.join(SYSTEMS)}, not {', '.join(sorted(unknown))}")
    if told.quick:
        networks = {GPT2_BPE: random_checkpoint(GPT2_BPE, told.cache)}
    else:
        llama = told.checkpoint or random_checkpoint("llama-135m-random", told.cache)
        networks = {"gpt-neo-125m-random": random_checkpoint("gpt-neo-125m-random", told.cache), llama.name: llama}
    share_cores()  # for the processes to come: their torch is imported before they are told what to do
    found: dict[tuple[str, str], Figures] = {}
    print(f"{'network':24} {'system':20} {'real tokens/s':>13} {'CPU s/1000':>10} {'peak GB':>8} {'loss':>15}")
    for order in orders(networks, told.songs or (8 if told.quick else 48), systems):
        figures = measured(measure, False, order)
        found[order.network, order.system] = figures
        print(
            f"{figures.network:24} {figures.system:20} {figures.real_tokens_per_s:13.1f} "
            f"{figures.cpu_s_per_1000_tokens:10.2f} {figures.peak_bytes / 1e9:8.2f} "
            f"{figures.loss_begin:7.3f}{figures.loss_end:8.3f}",
            flush=True,
        )
        if told.json:
            told.json.parent.mkdir(parents=True, exist_ok=True)
            lines = [json.dumps(asdict(line)) for line in found.values()]
            told.json.write_text("".join(line + "\n" for line in lines))
    for network in networks:
        for mine, theirs in (("ours", "hf_trainer"), ("ours_float32", "hf_trainer"), ("ours", "hf_trainer_bfloat16")):
            if (network, mine) in found and (network, theirs) in found:
                shown = ratios(found[network, mine], found[network, theirs])
                print(f"{network}: {mine} over {theirs}: " + ", ".join(f"{k} {v:.3f}" for k, v in shown.items()))


if __name__ == "__main__":
    main()
