"""Turns a schedule into tensors, runs the network, and keeps the cache in step. Knows ids and rows, no text."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from inference.attention import Batch, Span
from inference.cache import KVCache
from inference.lora import AdapterWeights, Stacks
from inference.networks import Network
from inference.scheduler import Move, Schedule


class Runner:
    """A network and the cache of `num_slots` sequences of up to `max_len` tokens."""

    def __init__(self, network: Network, *, num_slots: int, max_len: int) -> None:
        self.network = network
        self.stacks = Stacks()
        on_cpu = network.device.type == "cpu"
        self.cache = KVCache(
            num_layers=network.num_layers,
            num_slots=num_slots,
            num_kv_heads=network.heads.num_kv_heads,
            max_len=max_len,
            head_dim=network.heads.head_dim,
            dtype=torch.float32 if on_cpu else network.embedding.dtype,  # inference.attention says why
            device=network.device,
        )
        if network.rope is not None:
            network.rope.to(network.device, self.cache.dtype)

    @torch.inference_mode()
    def run(self, schedule: Schedule) -> Tensor:  # [len(schedule.takes), vocab]
        """Reads the schedule's tokens; the logits of `schedule.takes`, in order and free to overwrite."""
        logits = self.network.forward(self._batch(schedule), self.cache)
        for sequence in schedule.decodes:
            sequence.num_cached_tokens = len(sequence.token_ids)
        for prefill in schedule.prefills:
            prefill.sequence.num_cached_tokens = prefill.stop
            for nth, sibling in enumerate(prefill.takes[1:], start=1):
                self.cache.copy(prefill.row, prefill.row + nth, prefill.stop)
                sibling.num_cached_tokens = prefill.stop
        return self._one_row_a_take(logits, schedule)

    @torch.inference_mode()
    def close_up(self, poisoned: Iterable[int], moves: Iterable[Move]) -> None:
        """Scrubs poisoned rows, then makes the scheduler's moves."""
        for row in poisoned:
            self.cache.scrub(row)
        self.move(moves)

    @torch.inference_mode()
    def move(self, moves: Iterable[Move]) -> None:
        """Copies rows, in order."""
        for move in moves:
            self.cache.copy(move.source, move.target, move.length, start=move.start)

    def _batch(self, schedule: Schedule) -> Batch:
        decodes, prefills = schedule.decodes, schedule.prefills
        token_ids = [sequence.token_ids[-1] for sequence in decodes]
        positions = [len(sequence.token_ids) - 1 for sequence in decodes]
        slots = list(range(len(decodes)))
        last = list(range(len(decodes)))
        adapters: list[AdapterWeights | None] = [sequence.adapter for sequence in decodes]
        longest = max(positions, default=-1) + 1
        for prefill in prefills:
            token_ids += prefill.sequence.token_ids[prefill.start : prefill.stop]
            positions += range(prefill.start, prefill.stop)
            slots += [prefill.row] * (prefill.stop - prefill.start)
            adapters += [prefill.sequence.adapter] * (prefill.stop - prefill.start)
            if prefill.takes:
                last.append(len(token_ids) - 1)
        numbers = torch.tensor([token_ids, positions, slots]).to(self.network.device, non_blocking=True)
        return Batch(
            token_ids=numbers[0],
            positions=numbers[1],
            slots=numbers[2],
            num_decodes=len(decodes),
            longest=longest,
            spans=tuple(Span(prefill.row, prefill.start, prefill.stop) for prefill in prefills),
            last=torch.tensor(last, dtype=torch.long).to(self.network.device, non_blocking=True),
            lora=self.stacks.lora(adapters),
        )

    def _one_row_a_take(self, logits: Tensor, schedule: Schedule) -> Tensor:
        """Siblings draw from the same row of logits."""
        if all(len(prefill.takes) <= 1 for prefill in schedule.prefills):
            return logits
        copies = [1] * len(schedule.decodes) + [len(prefill.takes) for prefill in schedule.prefills if prefill.takes]
        return logits.repeat_interleave(torch.tensor(copies, device=logits.device), dim=0)
