"""How a training speaks: one line of JSON an event, on the stream that its worker reads. Knows no network."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TextIO

from contracts.training import Stage, TrainEvent

Say = Callable[[TrainEvent], None]


class Refused(Exception):
    """A training that cannot be done, or not go on; `words` say why to the run's owner."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


def silent(_event: TrainEvent) -> None:
    """A `Say` that nobody hears."""


def tell_stage(say: Say, stage: Stage, step: int = 0) -> None:
    """Say what is being done now."""
    say(TrainEvent(kind="stage", step=step, payload={"stage": stage}))


def tell_log(say: Say, words: str, step: int = 0) -> None:
    """Say something worth knowing in plain words."""
    say(TrainEvent(kind="log", step=step, payload={"words": words}))


def own_stdout() -> TextIO:
    """Stdout for events alone: what anything else prints from now on, libraries of C included, goes to stderr."""
    kept = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", newline="\n")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return kept


def speaker(stream: TextIO) -> Say:
    """A `Say` that writes to `stream`, each event at once."""

    def say(event: TrainEvent) -> None:
        stream.write(event.model_dump_json() + "\n")
        stream.flush()

    return say
