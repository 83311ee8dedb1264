"""Steps that can be done again: states, broken losses, memory that runs out, and several processes."""

from __future__ import annotations

import os
import random
import socket
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from contracts.bucket import BucketAway, LocalBucket
from contracts.training import TrainEvent
from tests.training.homes import PRELOADED, tiny_trainer
from training import lora, state
from training.events import Refused
from training.schedule import evaluation_steps
from training.team import Team
from training.train import Keeping, steps
from training.trainer import Trainer
from training.wishes import Wishes


@pytest.fixture
def bucket(tmp_path: Path) -> LocalBucket:
    (tmp_path / "bucket").mkdir()
    return LocalBucket(tmp_path / "bucket")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiny")


def weights_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    return lora.weights(trainer.network)


def are_equal(some: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> bool:
    return some.keys() == others.keys() and all(some[name].equal(others[name]) for name in some)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_it_works(tiny: Path, bucket: LocalBucket, tmp_path: Path, dropout: float) -> None:
    """Whoever goes on from a state, after whichever step, comes to the same weights."""
    whole = tiny_trainer(tiny, lora_dropout=dropout)
    for _ in range(6):
        whole.step()
    stop = random.Random(dropout).randrange(1, 6)  # noqa: S311
    first = tiny_trainer(tiny, lora_dropout=dropout)
    for _ in range(stop):
        first.step()
    first.save(bucket, "runs/a/", tmp_path / "scratch")
    second = tiny_trainer(tiny, lora_dropout=dropout)
    second.go_on_from(state.get(bucket, first.saved[-1].key, tmp_path / "found"), first.saved[-1].key)
    for _ in range(6 - stop):
        second.step()
    assert are_equal(weights_of(whole), weights_of(second))
    assert whole.facts.losses == second.facts.losses
    assert not are_equal(weights_of(whole), weights_of(first))


def test_states_are_kept_and_torn_ones_refused(tiny: Path, bucket: LocalBucket, tmp_path: Path) -> None:
    trainer = tiny_trainer(tiny)
    for _ in range(3):
        trainer.step()
        trainer.save(bucket, "runs/a/", tmp_path / "scratch")
    folders = {key.split("/")[2] for key in bucket.keys("runs/a/")}
    assert folders == {"step-000001", "step-000002", "step-000003"}
    key = trainer.saved[-1].key
    file = bucket.root / key / "mean.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\xff")
    with pytest.raises(Refused) as refused:
        state.get(bucket, key, tmp_path / "found")
    assert refused.value.code == "bad_state"
    with pytest.raises(Refused):
        state.get(bucket, "runs/none/", tmp_path / "found")


def test_a_loss_that_is_no_number_changes_nothing(tiny: Path, bucket: LocalBucket, tmp_path: Path) -> None:
    trainer = tiny_trainer(tiny)
    trainer.step()
    good = weights_of(trainer)
    head = trainer.base.head
    kept = head[7].clone()
    head.data[7] = torch.nan
    with pytest.raises(Refused) as refused:
        trainer.step()
    head.data[7] = kept
    assert refused.value.code == "not_a_number"
    assert trainer.facts.step == 1
    assert are_equal(weights_of(trainer), good)
    trainer.save(bucket, "runs/a/", tmp_path / "scratch")
    assert are_equal(state.get(bucket, trainer.saved[-1].key, tmp_path / "found").adapter, good)


def test_broken_weights_are_not_saved(tiny: Path, bucket: LocalBucket, tmp_path: Path) -> None:
    trainer = tiny_trainer(tiny)
    trainer.step()
    next(iter(lora.parameters(trainer.network).values())).data.fill_(torch.nan)
    trainer.save(bucket, "runs/a/", tmp_path / "scratch")
    assert list(bucket.keys("runs/")) == []


def test_when_memory_runs_out_it_takes_less_and_goes_on(tiny: Path) -> None:
    said: list[TrainEvent] = []
    whole, trainer = tiny_trainer(tiny), tiny_trainer(tiny, say=said.append)

    def has_room(_module: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        if inputs[0].numel() > 130:
            raise torch.OutOfMemoryError("out of memory")

    trainer.base.body.get_input_embeddings().register_forward_pre_hook(has_room)  # type: ignore[operator]
    for _ in range(3):
        whole.step()
        trainer.step()
    assert trainer.facts.micro_batch_tokens < whole.facts.micro_batch_tokens
    assert any("Memory ran out" in event.payload.get("words", "") for event in said)
    assert trainer.facts.losses == pytest.approx(whole.facts.losses, rel=1e-5)


def test_a_song_that_no_memory_holds_is_refused(tiny: Path) -> None:
    trainer = tiny_trainer(tiny)

    def has_no_room(_module: Any, _inputs: tuple[torch.Tensor, ...]) -> None:
        raise torch.OutOfMemoryError("out of memory")

    trainer.base.body.get_input_embeddings().register_forward_pre_hook(has_no_room)  # type: ignore[operator]
    with pytest.raises(Refused) as refused:
        trainer.step()
    assert refused.value.code == "out_of_memory"
    assert trainer.facts.checkpoint_gradients  # tried before it gave up


def test_without_gain_it_stops_early_and_keeps_the_best(tiny: Path, bucket: LocalBucket, tmp_path: Path) -> None:
    trainer = tiny_trainer(tiny, num_steps=20, learning_rate=1e-6, num_evaluations=10, patience=2)
    keep = Keeping(trainer, bucket, "runs/a/", tmp_path / "scratch", 1e9)
    sampled: list[int] = []
    steps(trainer, keep, lambda: sampled.append(trainer.facts.step), Team(), lambda _event: None, Wishes())
    assert sorted(evaluation_steps(20, 10))[:3] == sampled
    assert (trainer.facts.step, trainer.facts.best_step) == (6, 2)
    trainer.use_best()
    assert are_equal(weights_of(trainer), trainer.best)


def test_a_full_disk_is_told_in_words(tiny: Path, tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")

    class Full(LocalBucket):
        """A bucket on a disk without room."""

        def upload(self, _key: str, source: Path, _progress: Any = None) -> None:
            try:
                with full.open("wb", buffering=0) as writing:
                    writing.write(source.read_bytes())
            except OSError as error:
                raise BucketAway(self.url, error) from error

    trainer = tiny_trainer(tiny)
    trainer.step()
    with pytest.raises(Refused) as refused:
        trainer.save(Full(tmp_path), "runs/a/", tmp_path / "scratch")
    assert refused.value.code == "disk_full"


def test_two_processes_train_as_one(tiny: Path, tmp_path: Path) -> None:
    alone = tiny_trainer(tiny)
    for _ in range(3):
        alone.step()
    server = get_context("forkserver")
    server.set_forkserver_preload(PRELOADED)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    team = [server.Process(target=_train_in_team, args=(tiny, tmp_path, rank, port)) for rank in range(2)]
    for process in team:
        process.start()
    for process in team:
        process.join(60)
        assert process.exitcode == 0
    of_team = load_file(tmp_path / "team.safetensors")
    for name, tensor in weights_of(alone).items():
        torch.testing.assert_close(of_team[name], tensor, rtol=0, atol=1e-5)


def _train_in_team(tiny: Path, out: Path, rank: int, port: int) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    team = Team.join(torch.device("cpu"))
    trainer = tiny_trainer(tiny, team=team)
    for _ in range(3):
        trainer.step()
    if team.leads:
        save_file(weights_of(trainer), out / "team.safetensors")
    team.leave()
