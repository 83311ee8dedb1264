"""Packed songs give what each song alone gives, on all three architectures; and every song is dealt out."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch.nn import functional

from bench.checkpoints import write_checkpoint
from inference.tokenizer import Tokenizer
from tests.inference.engines import small_configs
from tests.services import make_tiny_checkpoint
from tests.training.homes import config, pieces
from training import lora
from training.loss import loss_sum, plain_loss_sum
from training.networks import Base, load_base
from training.packing import MicroBatch, Piece, Plan, Spelling, micro_batches, share_out
from training.songs import TrainSong
from training.validation import validate

LENGTHS = (290, 5, 41, 2)
"""One beyond the window of GPT-Neo's local layers."""


@pytest.fixture(scope="module", params=["gpt_neo", "gptj", "llama"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Base:
    directory = tmp_path_factory.mktemp("checkpoints") / request.param
    write_checkpoint(directory, small_configs()[request.param])
    return load_base(directory, dtype="float32", device=torch.device("cpu"))


@pytest.fixture(scope="module")
def spelling(tmp_path_factory: pytest.TempPathFactory) -> Spelling:
    directory = tmp_path_factory.mktemp("tiny")
    make_tiny_checkpoint(directory)  # a token is a byte
    return Spelling(Tokenizer.load(directory, []), 256, 64)


def gradients(base: Base, parts: list[list[Piece]]) -> tuple[float, list[torch.Tensor]]:
    """The loss of all parts, each read by itself, and its gradients."""
    parameters = list(lora.parameters(base.network).values())
    total = torch.zeros(())
    for part in parts:
        batch = MicroBatch.of(part, base.device)
        total = total + loss_sum(base.hidden(batch), base.head, base.head_bias, batch.labels)
    return total.item(), list(torch.autograd.grad(total, parameters))


def test_it_works(base: Base) -> None:
    """Loss and gradients of packed songs are those of each song alone."""
    network = lora.attach(base, config())
    torch.manual_seed(3)
    for parameter in lora.parameters(network).values():
        parameter.data.normal_(std=0.05)
    data = [*pieces(LENGTHS, 600), *pieces([60, 30], 600, seed=1, first=20)]
    packed, slopes = gradients(base, [data])
    alone, slow_slopes = gradients(base, [[piece] for piece in data])
    assert packed == pytest.approx(alone, rel=1e-5)
    for slope, slow in zip(slopes, slow_slopes, strict=True):
        torch.testing.assert_close(slope, slow, rtol=1e-4, atol=1e-4 * slow.abs().max().item())


def test_a_song_does_not_see_the_one_before_it(base: Base) -> None:
    song, others = pieces([50], 600, seed=4), pieces([30, 30], 600, seed=5)
    with torch.no_grad():
        states = [base.hidden(MicroBatch.of([other, *song], base.device))[-49:] for other in others]
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=1e-5)


def test_the_loss_in_parts_is_the_plain_one() -> None:
    torch.manual_seed(0)
    hidden, head, bias = torch.randn(300, 8), torch.randn(40_000, 8), torch.randn(40_000)
    labels = torch.randint(40_000, (300,))
    found = []
    for measure in (loss_sum, plain_loss_sum):
        states = hidden.clone().requires_grad_()
        loss = measure(states, head, bias, labels)
        (loss / 7).backward()
        assert states.grad is not None
        found.append((loss.item(), states.grad))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-4, atol=1e-5)
    assert loss_sum(hidden, head, bias, labels).item() == pytest.approx(found[1][0], rel=1e-5)


def test_only_what_follows_the_prompt_is_learned(spelling: Spelling) -> None:
    kept = TrainSong("k", "", "", "a light", "mine", "train", source="feedback", prompt="in the night\n")
    (piece,) = spelling.song(kept)
    assert bytes_of(spelling, piece.ids[piece.first :]) == b"a light"
    assert piece.num_labels == piece.num_bytes == 7
    batch = MicroBatch.of([piece], torch.device("cpu"))
    assert batch.labels.tolist() == list(piece.ids[13:])
    assert batch.where.tolist() == list(range(12, 19))


def test_a_long_song_is_cut_at_line_ends(spelling: Spelling) -> None:
    lines = [f"line number {i} of it" for i in range(9)]
    song = TrainSong("s", "", "", "\n".join(lines), "mine", "train")
    cut = spelling.song(song)
    texts = [bytes_of(spelling, piece.ids[: len(piece.ids) - piece.ends]).decode() for piece in cut]
    assert "".join(texts) == song.text + "\n"
    assert all(text.endswith("\n") and len(text) < 64 for text in texts)
    assert [piece.ends for piece in cut] == [False] * (len(cut) - 1) + [True]
    assert max(len(piece.ids) for piece in spelling.song(TrainSong("l", "", "", "x" * 200, "mine", "train"))) <= 64


def test_every_song_is_read_as_often_as_the_epochs_say() -> None:
    data = pieces([50, 80, 30, 64, 90, 20], 200)
    total = sum(piece.num_tokens for piece in data)
    plan = Plan.dealt(data, [], num_steps=7, num_tokens=3 * total, task_share=0.5, seed=1)
    counted = Counter(piece for step in range(1, 8) for piece in plan.pieces(step))
    assert set(counted.values()) == {3}
    assert all(plan.pieces(step) for step in range(1, 8))
    again = Plan.dealt(data, [], num_steps=7, num_tokens=3 * total, task_share=0.5, seed=1)
    assert [plan.pieces(step) for step in range(1, 8)] == [again.pieces(step) for step in range(1, 8)]


def test_tasks_have_their_share_of_the_tokens() -> None:
    data, tasks = pieces([60] * 40, 200), pieces([20] * 500, 200, seed=1)
    plan = Plan.dealt(data, tasks, num_steps=10, num_tokens=2000, task_share=0.3, seed=1)
    read = [piece for step in range(1, 11) for piece in plan.pieces(step)]
    assert sum(piece.num_tokens for piece in read) == pytest.approx(2000, rel=0.05)
    assert sum(piece.num_tokens for piece in read if len(piece.ids) == 20) == pytest.approx(600, rel=0.05)


def test_micro_batches_hold_everything_once_and_no_more_than_they_may() -> None:
    data = pieces([50, 80, 30, 64, 90, 20, 300], 200)
    shares = micro_batches(data, 128)
    assert Counter(piece for share in shares for piece in share) == Counter(data)
    assert all(sum(piece.num_tokens for piece in share) <= 128 or len(share) == 1 for share in shares)
    sizes = [sum(piece.num_tokens for piece in share) for share in share_out(data[:6], 2)]
    assert max(sizes) - min(sizes) < 40


def test_bits_per_byte_are_those_of_each_song_alone(base: Base) -> None:
    data = pieces([40, 130, 9], 600)
    found = validate(base.network, base, data, 200)
    nats = 0.0
    for piece in data:
        batch = MicroBatch.of([piece], base.device)
        with torch.no_grad():
            scores = functional.linear(base.hidden(batch), base.head, base.head_bias)
        nats += functional.cross_entropy(scores, batch.labels, reduction="sum").item()
    assert found.bits_per_byte == pytest.approx(nats / 0.6931472 / sum(piece.num_bytes for piece in data), rel=1e-5)


def bytes_of(spelling: Spelling, ids: tuple[int, ...]) -> bytes:
    return b"".join(spelling.tokenizer.bytes_of[token] for token in ids)
