"""Make the demo's adapter again: `python -m sandbox.cowboy BOOK.txt`, the plain text of Project Gutenberg's book 21300.

The songs go through `corpus` as an upload would, the training is `training.train.main`, as a worker runs it, and the
files that come of it are measured, as they will be shipped, by more lines than a worker has written. Two CPU cores need
about twenty minutes. The files of `sandbox/cowboy` are replaced; in `$GHOST_HOME` the demo checkpoint is put into the
bucket, if it is not there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import torch
from safetensors.torch import load_file, save_file

from contracts.settings import load_settings
from contracts.training import (
    Advanced,
    Effort,
    Table,
    TrainConfig,
    TrainEvent,
    TrainRequest,
    TrainTask,
    resolve,
    what_is_worse,
)
from inference.checkpoints import bucket_of
from inference.convert import smollm2
from inference.device import num_cores, pick_device
from sandbox import cowboy
from sandbox.cowboy.songs import NAME, URL, read_book
from training import lora, train
from training.card import as_markdown, completed
from training.judging import Judge, write_originality
from training.networks import load_base
from training.songs import TrainSong, read_songs
from training.validation import validate

SIZES = (6,)
"""Of the runs of words in the index: those that serving keeps out. All sizes would be 3 MB."""
NUM_SAMPLES = 5
REQUEST = TrainRequest(
    checkpoint=cowboy.BASE,
    effort=Effort.STANDARD,
    advanced=Advanced(
        epochs=1.75,
        learning_rate=1e-3,
        lora_rank=4,  # 2.4 MB in bfloat16
        lora_alpha=8,
        lora_dropout=0.1,
        batch_tokens=1_024,
        num_evaluations=4,
        patience=2,
        seed=7,
    ),
)


class Found(NamedTuple):
    """What the files were measured to be."""

    table: Table
    samples: list[dict[str, Any]]


class Told:
    """What a training says: printed as it comes, and its card kept."""

    def __init__(self) -> None:
        self.card: dict[str, Any] = {}

    def __call__(self, event: TrainEvent) -> None:
        """Hear an event."""
        if event.kind == "done":
            self.card = event.payload["card"]
        elif event.kind == "sample":
            print(f"{event.step:5} sample: {event.payload['text']!r}", flush=True)
        elif event.kind not in ("machine", "saved"):
            print(f"{event.step:5} {event.kind}: {event.payload}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.cowboy", description=__doc__)
    parser.add_argument("book", type=Path, help="the plain text of Project Gutenberg's book 21300")
    parser.add_argument("--out", type=Path, default=cowboy.FOLDER, help="where the files go")
    parser.add_argument("--lines", type=int, default=2_000, help="written freely by each of the two that are compared")
    parser.add_argument("--epochs", type=float, help="of the songs; fewer to try it out")
    parser.add_argument("--scratch", type=Path, help="a folder to train in; what is trained there already is measured")
    given = parser.parse_args(arguments)
    smollm2(bucket_of(load_settings()))
    chosen = read_book(given.book)
    print(f"{len(chosen.songs)} songs; left out: {chosen.left_out}")
    with tempfile.TemporaryDirectory(prefix="ghost-cowboy-") as scratch:
        folder = given.scratch or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        task = TrainTask(run_id=uuid4(), config=config_of(given.epochs))
        record = b"".join(song.as_line() + b"\n" for song in chosen.songs)
        card = trained(task, folder, record)
        small = folder / "small"
        shrink(folder / train.ADAPTER, small)
        songs = read_songs(folder / task.songs)
        write_originality(songs, small, SIZES)
        found = measure(small, songs, task.config, given.lines)
        dataset = {"name": NAME, "number": 1, "content_sha256": hashlib.sha256(record).hexdigest(), "url": URL}
        card = completed(card, title=cowboy.TITLE, number=cowboy.NUMBER, dataset=dataset)
        card["dataset"]["left_out"] = chosen.left_out
        card |= {
            "table": found.table.model_dump(mode="json"),
            "worse": [worse.words for worse in what_is_worse(found.table)],
            "samples": found.samples,
        }
        replace(small, card, given.out)
    print(as_markdown(card))


def config_of(epochs: float | None = None) -> TrainConfig:
    """How Cowboy is trained."""
    advanced = REQUEST.advanced.model_copy(update={"epochs": epochs} if epochs else {})
    return resolve(REQUEST.model_copy(update={"advanced": advanced}), num_tokens=1)  # no number is left to the size


def trained(task: TrainTask, folder: Path, record: bytes) -> dict[str, Any]:
    """Train in the folder, unless just these songs were trained on so there already; the card as the training tells
    it."""
    songs, kept = folder / task.songs, folder / "card.json"
    if kept.is_file() and songs.read_bytes() == record:
        card: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        if card["config"] == task.config.model_dump(mode="json"):
            return card
    songs.write_bytes(record)
    told = Told()
    train.main(task, folder, told)
    return told.card


def shrink(adapter: Path, target: Path) -> None:
    """Copy PEFT's two files, the matrices as bfloat16: half the size, and the precision that they are served in."""
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(adapter / lora.CONFIG_FILE, target)
    tensors = load_file(adapter / lora.WEIGHTS_FILE)
    halved = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in tensors.items()}
    save_file(halved, target / lora.WEIGHTS_FILE, {"format": "pt"})


def measure(adapter: Path, songs: list[TrainSong], config: TrainConfig, num_lines: int) -> Found:
    """The bare checkpoint and the adapter as its files are now, on the held-out songs and by what they write."""
    settings = load_settings()
    device = pick_device(settings.training_device)
    torch.set_num_threads(num_cores())
    stock = train.fetch(bucket_of(settings), config.checkpoint, settings)
    dtype = train.usable_dtype(config, device)
    base = load_base(stock.directory, dtype=dtype, device=device, eight_bit=False)
    network = lora.attach(base, config)
    held_out = train.read(songs, train.spelling_of(stock.directory, base, config), config).held_out
    with lora.without(network):
        bare_bits = validate(network, base, held_out, config.micro_batch_tokens).bits_per_byte
    with lora.other(network, adapter):
        bits = validate(network, base, held_out, config.micro_batch_tokens).bits_per_byte
    words = settings.home / "cache" / "words"
    with Judge(stock.directory, songs, device=str(device), dtype=dtype, seed=config.seed, words=words) as judge:
        table = Table(bare=judge.measure(None, bare_bits, num_lines), adapter=judge.measure(adapter, bits, num_lines))
        return Found(table, judge.samples(adapter, NUM_SAMPLES))


def replace(made: Path, card: dict[str, Any], target: Path) -> None:
    """Lay what was made, and its card, into the folder, in the place of what was there."""
    target.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target / "originality", ignore_errors=True)
    shutil.copytree(made, target, dirs_exist_ok=True)
    (target / cowboy.CARD).write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (target / "card.md").write_text(as_markdown(card), encoding="utf-8")
