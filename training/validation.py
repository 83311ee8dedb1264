"""How well a network predicts songs that it was not trained on: bits per byte, which no tokenizer flatters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from training.loss import loss_sum
from training.networks import Base
from training.packing import MicroBatch, Piece, micro_batches


class Validation(NamedTuple):
    """Of the text of the held-out songs; a song's first token and the mark at its end do not count.

    `loss` is nats a token.
    """

    loss: float
    bits_per_byte: float


@torch.no_grad()
def validate(network: nn.Module, base: Base, pieces: Sequence[Piece], max_tokens: int) -> Validation:
    """What the network, as it stands, makes of the pieces; `max_tokens` are read at once."""
    was_training = network.training
    network.eval()
    nats, num_labels, num_bytes = 0.0, 0, 0
    for share in micro_batches([_text(piece) for piece in pieces], max_tokens):
        batch = MicroBatch.of(share, base.device)
        nats += loss_sum(base.hidden(batch), base.head, base.head_bias, batch.labels).item()
        num_labels += len(batch.labels)
        num_bytes += sum(piece.num_bytes for piece in share)
    network.train(was_training)
    return Validation(nats / max(1, num_labels), nats / math.log(2) / max(1, num_bytes))


def _text(piece: Piece) -> Piece:
    return Piece(piece.ids[:-1], piece.first, piece.num_bytes) if piece.ends else piece
