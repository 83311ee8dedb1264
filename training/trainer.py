"""One training, step by step: a network, its adapter and optimiser, the plan of its data, and what came of it so far.

`Trainer` knows how a step is done, evaluated, saved and gone on from; which comes when is `training.train`'s. A step
depends on the state, the plan and the number of the step alone, so one that is done again, by whomever and on as many
threads, has the same result.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from contracts.bucket import Bucket, BucketAway
from contracts.training import TrainConfig, TrainEvent
from training import lora, memory, state
from training.events import Refused, Say, tell_log
from training.loss import loss_sum
from training.networks import Base
from training.packing import MicroBatch, Piece, Plan, micro_batches, share_out
from training.schedule import learning_rate
from training.state import Facts, State
from training.team import Team
from training.validation import Validation, validate
from training.wishes import Wishes

MAX_NORM = 1.0
"""Gradients longer than this are shortened to it. Source: Pascanu et al. 2013, arXiv:1211.5063."""
BETAS = (0.9, 0.999)
MIN_MICRO_BATCH_TOKENS = 64
NOT_A_NUMBER = "not_a_number"
MIN_GAIN = 1e-4
"""An evaluation that is better by less, in bits a byte, is none."""


class Saved(NamedTuple):
    """Where a state lies: `key` is its folder in the bucket, `name` the last part of it."""

    key: str
    name: str


class Trainer:
    """A training at the end of some step. Everything but `evaluate` leaves it at the end of one, or raises."""

    def __init__(
        self,
        base: Base,
        network: nn.Module,
        config: TrainConfig,
        plan: Plan,
        held_out: Sequence[Piece],
        *,
        identity: dict[str, str],
        team: Team,
        say: Say,
        wishes: Wishes,
    ) -> None:
        self.base, self.network, self.config, self.plan = base, network, config, plan
        self.facts = Facts(identity, micro_batch_tokens=config.micro_batch_tokens, num_threads=torch.get_num_threads())
        self.saved: list[Saved] = []
        self._held_out, self._team, self._say, self._wishes = held_out, team, say, wishes
        self._parameters = lora.parameters(network)
        self._best = lora.weights(network)
        self._optimizer = torch.optim.AdamW(
            self._parameters.values(),
            lr=config.learning_rate,
            betas=BETAS,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self._make_moments()
        if config.gradient_checkpointing:
            self._checkpoint_gradients()

    # Steps

    def step(self) -> None:
        """The next update, and its event.

        Raises:
            Refused: its loss is no number, or there is no memory for the smallest micro batch; nothing is changed.
        """
        began = time.monotonic()
        number = self.facts.step + 1
        pieces = self.plan.pieces(number)
        while True:
            try:
                loss, num_labels = self._gradients(number, pieces)
                break
            except (RuntimeError, MemoryError) as error:
                if not memory.ran_out(error):
                    raise
            # Outside the handler: there the error still holds every tensor of the step that failed.
            self._take_less(number, pieces)
        rate = learning_rate(number, self.plan.num_steps, self.config.learning_rate, self.config.warmup_share)
        gradients = [parameter.grad for parameter in self._parameters.values() if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if not math.isfinite(loss) or not math.isfinite(norm.item()):
            self._optimizer.zero_grad()
            raise Refused(
                NOT_A_NUMBER,
                f"The loss of step {number} is no number any more. What was good until step {self.facts.step} is kept. "
                "A lower learning rate most often helps; the one used here was "
                f"{self.config.learning_rate:g}.",
            )
        torch.nn.utils.clip_grads_with_norm_(self._parameters.values(), MAX_NORM, norm)
        num_tokens = sum(piece.num_tokens for piece in pieces)
        with self._wishes.shield():
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            self._optimizer.step()
            self._optimizer.zero_grad()
            seconds = time.monotonic() - began
            self.facts.step = number
            self.facts.tokens += num_tokens
            self.facts.seconds += seconds
            self.facts.losses.append(loss / max(1, num_labels))
            self._say(
                TrainEvent(
                    kind="step",
                    step=number,
                    payload={
                        "loss": loss / max(1, num_labels),
                        "learning_rate": rate,
                        "tokens": num_tokens,
                        "seconds": round(seconds, 4),
                    },
                )
            )

    def _gradients(self, number: int, pieces: Sequence[Piece]) -> tuple[float, int]:
        """Leaves the gradients of the mean loss; returns the summed loss and the number of labels, of all processes."""
        self._optimizer.zero_grad()
        self.network.train()
        num_labels = sum(piece.num_labels for piece in pieces)
        own = share_out(pieces, self._team.size)[self._team.rank] if self._team.size > 1 else pieces
        total = torch.zeros((), device=self.base.device)
        for nth, share in enumerate(micro_batches(own, self.facts.micro_batch_tokens)):
            torch.manual_seed(_seed(self.config.seed, number, nth, self._team.rank))
            batch = MicroBatch.of(share, self.base.device)
            loss = loss_sum(self.base.hidden(batch), self.base.head, self.base.head_bias, batch.labels)
            (loss / num_labels).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        for parameter in self._parameters.values():
            if parameter.grad is None:  # this process had nothing to read
                parameter.grad = torch.zeros_like(parameter)
        self._team.add_up([total, *(p.grad for p in self._parameters.values() if p.grad is not None)])
        return total.item(), num_labels

    def _take_less(self, number: int, pieces: Sequence[Piece]) -> None:
        self._optimizer.zero_grad()
        if self.base.device.type == "cuda":
            torch.cuda.empty_cache()
        longest = max(piece.num_tokens for piece in pieces)
        if self.facts.micro_batch_tokens > max(MIN_MICRO_BATCH_TOKENS, longest):
            self.facts.micro_batch_tokens = max(MIN_MICRO_BATCH_TOKENS, self.facts.micro_batch_tokens // 2)
            words = f"Memory ran out: {self.facts.micro_batch_tokens} tokens at a time from here on."
        elif not self.facts.checkpoint_gradients:
            self._checkpoint_gradients()
            words = "Memory ran out: less is kept between the layers from here on, which is slower."
        else:
            raise Refused(
                "out_of_memory",
                f"There is not enough memory for the longest song, of {longest} tokens. Train with a lower max_len, on "
                "a smaller checkpoint, or on a larger machine.",
            )
        tell_log(self._say, words, number)

    def _checkpoint_gradients(self) -> None:
        self.base.checkpoint_gradients()
        self.facts.checkpoint_gradients = True

    # Evaluation

    def evaluate_bare(self) -> None:
        """What the checkpoint does without an adapter: step 0 of the curve."""
        with lora.without(self.network):
            found = self._validate()
        self.facts.bare_bits_per_byte = found.bits_per_byte
        self._tell_validation(found)

    def evaluate(self) -> bool:
        """Judge the adapter as it stands; whether it is the best so far."""
        found = self._validate()
        with self._wishes.shield():
            is_best = not self.facts.best_step or found.bits_per_byte < self.facts.best_bits_per_byte - MIN_GAIN
            if is_best:
                self.facts.best_step, self.facts.best_bits_per_byte = self.facts.step, found.bits_per_byte
                self._best = lora.weights(self.network)
            self.facts.without_gain = 0 if is_best else self.facts.without_gain + 1
            self._tell_validation(found)
        return is_best

    def bits_per_byte_of(self, folder: Path) -> float:
        """What another adapter for the same checkpoint does on the same songs."""
        with lora.other(self.network, folder):
            return self._validate().bits_per_byte

    def _validate(self) -> Validation:
        found = self.validated() if self._team.leads else Validation(0.0, 0.0)
        found = Validation(*self._team.from_leader(found, self.base.device))
        if not math.isfinite(found.loss):
            raise Refused(NOT_A_NUMBER, "The loss on the held-out songs is no number: the weights are broken.")
        return found

    def validated(self) -> Validation:
        """What the network as it stands makes of the held-out songs, in this process; nothing is said."""
        max_tokens = self.facts.micro_batch_tokens
        while True:
            try:
                return validate(self.network, self.base, self._held_out, max_tokens)
            except (RuntimeError, MemoryError) as error:
                if not memory.ran_out(error) or max_tokens <= MIN_MICRO_BATCH_TOKENS:
                    raise
            max_tokens //= 2

    def _tell_validation(self, found: Validation) -> None:
        self.facts.evaluated_step = self.facts.step
        self.facts.curve.append({"step": self.facts.step, **found._asdict()})
        self._say(TrainEvent(kind="validation", step=self.facts.step, payload=found._asdict()))

    # States

    def save(self, bucket: Bucket, folder: str, scratch: Path, *, is_best: bool = False) -> None:
        """Put the state into the bucket and say so, unless it lies there. `folder` ends with a slash.

        A bucket that cannot be reached is logged, and tried again at the next save. Weights that are no numbers are
        not kept: the state before them is.

        Raises:
            Refused: there is no room for it.
        """
        step = self.facts.step
        name = f"{'evaluated' if self.facts.evaluated_step == step else 'step'}-{step:06}/"
        if not self._team.leads or (self.saved and self.saved[-1].name == name):
            return
        if not all(bool(parameter.isfinite().all()) for parameter in self._parameters.values()):
            return
        key = folder + name
        try:
            with self._wishes.shield():
                state.put(bucket, key, self._state(), scratch)
                self.saved.append(Saved(key, name))
                self._say(TrainEvent(kind="saved", step=step, payload={"key": key, "is_best": is_best}))
                # None is deleted here: only who hears of them knows which one the run would go on from.
        except state.DiskFull as error:
            raise Refused(
                "disk_full", "There is no room left to save the training. What was saved before is kept."
            ) from error
        except BucketAway as error:
            tell_log(self._say, f"The state of step {step} could not be saved, and will be later: {error}", step)

    def go_on_from(self, found: State, key: str) -> None:
        """Become what a state says.

        Raises:
            Refused: it is one of another training.
        """
        if found.facts.identity != self.facts.identity:
            other = sorted(
                name for name, value in self.facts.identity.items() if found.facts.identity.get(name) != value
            )
            raise Refused(
                "other_state",
                f"What the training was to go on from belongs to another: not the same {', '.join(other)}. Start anew.",
            )
        if found.facts.num_threads != torch.get_num_threads():
            words = f"Begun on {found.facts.num_threads} threads, goes on with {torch.get_num_threads()}."
            tell_log(self._say, words, found.facts.step)
        self.facts = replace(found.facts, num_threads=torch.get_num_threads())
        if self.facts.checkpoint_gradients:
            self._checkpoint_gradients()
        self._best = found.best
        lora.put_weights(self.network, found.adapter)
        for name, parameter in self._parameters.items():
            moments = self._optimizer.state[parameter]
            moments["exp_avg"].copy_(found.mean[name])
            moments["exp_avg_sq"].copy_(found.square[name])
            moments["step"].fill_(float(self.facts.step))
        self.saved = [Saved(key, key.rstrip("/").rpartition("/")[2] + "/")]

    def use_best(self) -> None:
        """Make the network that of the best evaluation."""
        lora.put_weights(self.network, self._best)

    @property
    def best(self) -> dict[str, Tensor]:
        """The adapter of the best evaluation so far."""
        return self._best

    def _state(self) -> State:
        moments = {name: self._optimizer.state[parameter] for name, parameter in self._parameters.items()}
        return State(
            facts=self.facts,
            adapter=lora.weights(self.network),
            best=self._best,
            mean={name: held["exp_avg"].cpu() for name, held in moments.items()},
            square={name: held["exp_avg_sq"].cpu() for name, held in moments.items()},
        )

    def _make_moments(self) -> None:
        """As the optimiser's first step would make them, so that a state can be put into a new one."""
        for parameter in self._parameters.values():
            self._optimizer.state[parameter] = {
                "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }


def _seed(*parts: int) -> int:
    """What torch draws from while a micro batch is read."""
    return int.from_bytes(hashlib.sha256(" ".join(map(str, parts)).encode()).digest()[:7])
