"""The short measurement behind a quote: a few micro batches of the real songs, on the machine that will train.

A training is not begun: nothing is saved, and the adapter that learned a little is thrown away. Other work on the
machine slows a probe as it slows a run, so the quote's cap leaves room.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from contracts.training import Probe, TrainConfig
from training import lora, memory
from training.events import silent
from training.judging import Judge
from training.networks import Base
from training.packing import Piece, Plan
from training.team import Team
from training.trainer import Trainer
from training.validation import validate
from training.wishes import Wishes

WARM_TOKENS = 256
ENOUGH_S = 3.0
"""Of timed steps; a single one may be longer."""
MAX_STEPS = 8
EVALUATED_TOKENS = 1_024
"""Of the held-out songs; the rest is reckoned from them."""
FEW_LINES, MORE_LINES = 8, 64
"""Written to see how fast lines come, one text alone and several together; more are reckoned from the two."""
COMPARED = 3
"""The bare checkpoint, the version before, and the new one."""


def probe(
    base: Base,
    network: nn.Module,
    config: TrainConfig,
    train: list[Piece],
    tasks: list[Piece],
    held_out: list[Piece],
    judge: Judge,
    *,
    load_s: float,
    num_samples: int,
    num_lines: int,
    scratch: Path,
) -> Probe:
    """What a training of these pieces will take; leaves the adapter a little trained."""
    num_tokens = sum(piece.num_tokens for piece in train)
    dealt = Plan.dealt(
        train,
        tasks,
        num_steps=MAX_STEPS,
        num_tokens=MAX_STEPS * config.micro_batch_tokens,
        task_share=config.phonemes,
        seed=config.seed,
    )
    plan = Plan([_some(dealt.pieces(1), WARM_TOKENS), *map(dealt.pieces, range(1, MAX_STEPS + 1))])
    trainer = Trainer(base, network, config, plan, held_out, identity={}, team=Team(), say=silent, wishes=Wishes())
    trainer.step()  # warms up: the first one asks for memory, and picks its kernels
    warm_s, warm_tokens = trainer.facts.seconds, trainer.facts.tokens
    while trainer.facts.step < plan.num_steps and trainer.facts.seconds - warm_s < ENOUGH_S:
        trainer.step()
    tokens_per_s = (trainer.facts.tokens - warm_tokens) / max(1e-3, trainer.facts.seconds - warm_s)

    began = time.monotonic()
    some = _some(held_out, EVALUATED_TOKENS)
    validate(network, base, some, config.micro_batch_tokens)
    validate_s = (time.monotonic() - began) * sum(map(_size, held_out)) / max(1, sum(map(_size, some)))
    began = time.monotonic()
    lora.save(network, scratch)
    judge.samples(scratch, num_samples)
    samples_s = time.monotonic() - began
    few_s, more_s = (_measure_s(judge, lines) for lines in (FEW_LINES, MORE_LINES))
    measure_s = few_s + max(0.0, more_s - few_s) * (num_lines - FEW_LINES) / (MORE_LINES - FEW_LINES)
    return Probe(
        device=_device(base.device),
        tokens_per_s=tokens_per_s,
        load_s=load_s,
        evaluate_s=validate_s + samples_s,
        judge_s=COMPARED * (measure_s + validate_s),
        num_tokens=max(1, num_tokens),
        peak_bytes=memory.peak_bytes(base.device),
    )


def _measure_s(judge: Judge, num_lines: int) -> float:
    began = time.monotonic()
    judge.measure(None, 0.0, num_lines)
    return time.monotonic() - began


def _some(pieces: Sequence[Piece], max_tokens: int) -> list[Piece]:
    """The first of the pieces, until they have so many tokens; at least one."""
    found: list[Piece] = []
    while len(found) < len(pieces) and sum(map(_size, found)) < max_tokens:
        found.append(pieces[len(found)])
    return found


def _size(piece: Piece) -> int:
    return piece.num_tokens


def _device(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
