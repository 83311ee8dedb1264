"""What tests of a training need: small checkpoints, songs, a home with a bucket, and quick processes that train.

Processes are forked from a server that has imported everything: torch alone takes seconds to import.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import torch

from contracts.bucket import LocalBucket
from contracts.training import Advanced, TrainConfig, TrainEvent, TrainRequest, TrainTask, resolve
from tests.services import TINY, make_tiny_checkpoint, publish_directory
from training import lora
from training.events import Say, silent
from training.networks import Base, load_base
from training.packing import Piece, Plan
from training.team import Team
from training.trainer import Trainer
from training.wishes import Wishes

PRELOADED = ["training.train", "tests.training.warm"]
WORDS = [
    "night",
    ", light",
    ", road",
    ", fire",
    ", river",
    ", moon",
    ", rain",
    ", train",
    ", home",
    ", stone",
    ", bone",
    ", alone",
    ", gold",
    ", cold",
    ", told",
    ", hold",
    ", day",
    ", way",
    ", say",
    ", stay",
]


def config(**advanced: Any) -> TrainConfig:
    """A quick training of the tiny checkpoint in float32, without dropout."""
    numbers = {"dtype": "float32", "lora_dropout": 0.0, "batch_tokens": 512, "lora_rank": 4, "seed": 5} | advanced
    request = TrainRequest(checkpoint=TINY, effort="quick", advanced=Advanced(**numbers))  # type: ignore[arg-type]
    return resolve(request, num_tokens=30_000)


def songs(num: int = 16, **fields: str) -> list[dict[str, str]]:
    """Invented songs as a version has them; every eighth is held out."""
    return [
        {
            "key": f"song {i}",
            "artist": "Nobody",
            "title": f"Song {i}",
            "text": "\n".join(
                " ".join(WORDS[(i * 7 + line * 3 + word * (i + 2)) % len(WORDS)] for word in range(5))
                for line in range(4 + i % 5)
            ),
            "rights": "mine",
            "source": "pasted",
            "split": "test" if i % 8 == 7 else "train",
        }
        | fields
        for i in range(num)
    ]


def pieces(lengths: Sequence[int], vocab: int, seed: int = 0, first: int = 1) -> list[Piece]:
    """Pieces of random tokens."""
    torch.manual_seed(seed)
    return [Piece(tuple(torch.randint(vocab, (length,)).tolist()), first, num_bytes=length) for length in lengths]


def tiny_base(directory: Path) -> Base:
    """The tiny checkpoint, ready for an adapter."""
    if not (directory / "config.json").is_file():
        make_tiny_checkpoint(directory)
    return load_base(directory, dtype="float32", device=torch.device("cpu"))


def tiny_trainer(
    directory: Path, *, num_steps: int = 6, say: Say = silent, team: Team | None = None, **advanced: Any
) -> Trainer:
    """A trainer of random pieces on the tiny checkpoint; called again, it is the same one anew."""
    base, numbers = tiny_base(directory), config(**advanced)
    data = pieces([40, 90, 17, 64, 120, 33, 55, 80], 256, seed=1)
    plan = Plan.dealt(data, [], num_steps=num_steps, num_tokens=num_steps * 300, task_share=0, seed=numbers.seed)
    return Trainer(
        base,
        lora.attach(base, numbers),
        numbers,
        plan,
        pieces([50, 70], 256, seed=2),
        identity={"songs": "random"},
        team=team or Team(),
        say=say,
        wishes=Wishes(),
    )


@dataclass
class Home:
    """A $GHOST_HOME with the tiny checkpoint in its bucket, and folders of trainings."""

    root: Path
    _server: Any = field(default_factory=lambda: multiprocessing.get_context("forkserver"))

    def __post_init__(self) -> None:
        self._server.set_forkserver_preload(PRELOADED)
        (self.root / "bucket").mkdir(parents=True, exist_ok=True)
        source = self.root / "source"
        make_tiny_checkpoint(source)
        publish_directory(source, self.root / "bucket", TINY, self.root / "scratch")

    @property
    def bucket(self) -> LocalBucket:
        """Its bucket."""
        return LocalBucket(self.root / "bucket")

    def task(self, name: str, records: list[dict[str, str]], **told: Any) -> Path:
        """A folder with a task and its songs."""
        folder = self.root / "tasks" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "songs.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        told = {"run_id": UUID(int=1), "config": config(), "save_key": f"runs/{name}/"} | told
        (folder / "task.json").write_text(TrainTask(**told).model_dump_json())
        return folder

    def start(self, folder: Path, **environment: str) -> Training:
        """`python -m training FOLDER`, on its way."""
        said = folder / f"said-{len(list(folder.glob('said-*')))}.jsonl"
        environment = {"GHOST_HOME": str(self.root), "OMP_NUM_THREADS": "1"} | environment
        process = self._server.Process(target=_train, args=(folder, said, environment))
        process.start()
        return Training(process, said)


@dataclass
class Training:
    """A process that trains, and what it has said."""

    process: Any
    _said: Path

    @property
    def events(self) -> list[TrainEvent]:
        """What it has said so far, in whole lines."""
        if not self._said.is_file():
            return []
        lines = self._said.read_bytes().split(b"\n")[:-1]
        return [TrainEvent.model_validate_json(line) for line in lines]

    def of(self, kind: str) -> list[TrainEvent]:
        """Events of one kind."""
        return [event for event in self.events if event.kind == kind]

    def wait_for(self, seen: Callable[[Training], object], timeout_s: float = 60) -> None:
        """Until `seen` holds."""
        deadline = time.monotonic() + timeout_s
        while not seen(self):
            assert self.process.is_alive(), f"ended with {self.process.exitcode}: {self.events[-3:]}"
            assert time.monotonic() < deadline, f"not within {timeout_s} s: {self.events[-3:]}"
            self.process.join(0.005)

    def end(self, timeout_s: float = 120) -> int:
        """How it ended, once it has."""
        self.process.join(timeout_s)
        assert self.process.exitcode is not None, f"still at it: {self.events[-3:]}"
        code: int = self.process.exitcode
        return code


def _train(folder: Path, said: Path, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    torch.set_num_threads(int(environment["OMP_NUM_THREADS"]))  # read by libgomp before the fork
    writing = os.open(said, os.O_WRONLY | os.O_CREAT)
    os.dup2(writing, 1)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    from training.__main__ import run

    os._exit(run(folder))
