"""A training as a process: what it says, what it leaves, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from contracts.manifest import checkpoint_key
from contracts.training import HANDED_BACK, REFUSED, STAGES, Table
from tests.services import TINY
from tests.training.homes import Home, Training, config, songs


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def undisturbed(home: Home) -> tuple[Path, Training]:
    folder = home.task("undisturbed", songs())
    training = home.start(folder)
    assert training.end() == 0, training.events[-1:]
    return folder, training


def told(training: Training) -> dict[int, tuple[object, ...]]:
    """What it said of each step, but for how long it took."""
    return {
        event.step: tuple(event.payload[name] for name in ("loss", "learning_rate", "tokens"))
        for event in training.of("step")
    }


def test_it_works(undisturbed: tuple[Path, Training]) -> None:
    folder, training = undisturbed
    stages = [event.payload["stage"] for event in training.of("stage")]
    assert stages == [stage for stage in STAGES if stage != "phonemise"]
    assert [event.step for event in training.of("step")] == list(range(1, len(training.of("step")) + 1))
    curve = [event.payload["bits_per_byte"] for event in training.of("validation")]
    assert curve[-1] < curve[0]
    table = Table.model_validate(training.of("table")[0].payload)
    assert table.bare.bits_per_byte == curve[0]
    assert table.adapter.bits_per_byte == min(curve)
    done = training.events[-1]
    assert done.kind == "done"
    made = folder / done.payload["folder"]
    assert load_file(made / "adapter_model.safetensors")
    assert json.loads((made / "adapter_config.json").read_text())["r"] == 4
    assert (made / "originality").is_dir()
    assert done.payload["card"]["cost"]["steps"] == done.step
    assert done.payload["tokens"] == sum(event.payload["tokens"] for event in training.of("step"))


def test_it_ends_bit_equal_after_it_was_stopped_and_killed(home: Home, undisturbed: tuple[Path, Training]) -> None:
    whole_folder, whole = undisturbed
    folder = home.task("stopped", songs())
    first = home.start(folder)
    first.wait_for(lambda training: len(training.of("step")) >= 2)
    began = time.monotonic()
    os.kill(first.process.pid, signal.SIGTERM)
    assert first.end() == HANDED_BACK
    assert time.monotonic() - began < 10
    key = first.of("saved")[-1].payload["key"]

    home.task("stopped", songs(), resume_key=key, save_key="runs/second/", save_every_s=0)
    second = home.start(folder)
    second.wait_for(lambda training: len(training.of("saved")) >= 2)
    os.kill(second.process.pid, signal.SIGKILL)
    second.end()
    key = second.of("saved")[-1].payload["key"]

    home.task("stopped", songs(), resume_key=key, save_key="runs/third/")
    third = home.start(folder)
    assert third.end() == 0, third.events[-1:]
    for training in (first, second, third):
        said = told(training)
        assert said == {step: told(whole)[step] for step in said}
    assert told(first).keys() | told(second).keys() | told(third).keys() == told(whole).keys()
    mine, theirs = (load_file(path / "adapter" / "adapter_model.safetensors") for path in (folder, whole_folder))
    assert mine.keys() == theirs.keys()
    assert all(mine[name].equal(theirs[name]) for name in theirs)
    assert third.events[-1].payload["tokens"] == whole.events[-1].payload["tokens"]


def test_told_to_stop_early_it_finishes_with_the_best(home: Home) -> None:
    folder = home.task("early", songs(), config=config(epochs=50))
    training = home.start(folder)
    training.wait_for(lambda training: len(training.of("step")) >= 2)
    os.kill(training.process.pid, signal.SIGUSR1)
    assert training.end() == 0, training.events[-1:]
    num_steps = len(training.of("step"))
    assert num_steps < 50
    assert [event.step for event in training.of("validation")] == [0, num_steps]
    assert training.events[-1].payload["best_step"] == num_steps


@pytest.mark.parametrize(
    ("records", "code"),
    [
        ([], "no_songs"),
        (songs(1), "too_few_songs"),
        (songs(4, rights="unknown"), "not_trainable"),
        (songs(4, text="\n"), "no_songs"),
        ([{"key": "torn"}], "bad_songs"),
    ],
)
def test_songs_that_cannot_be_trained_on_are_refused_in_words(
    home: Home, records: list[dict[str, str]], code: str
) -> None:
    training = home.start(home.task(f"refused-{code}-{len(records)}", records))
    assert training.end() == REFUSED
    refused = training.events[-1]
    assert (refused.kind, refused.payload["code"]) == ("refused", code)
    assert refused.payload["words"].endswith(".")


def test_checkpoints_that_cannot_be_trained_on_are_refused(home: Home) -> None:
    missing = home.start(home.task("missing", songs(), config=config().model_copy(update={"checkpoint": "gone"})))
    assert missing.end() == REFUSED
    assert missing.events[-1].payload["code"] == "no_checkpoint"
    weights = home.root / "bucket" / checkpoint_key(TINY, "model.safetensors")
    whole = weights.read_bytes()
    try:
        weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        torn = home.start(home.task("torn", songs()))
        assert torn.end() == REFUSED
        assert torn.events[-1].payload["code"] == "bad_checkpoint"
    finally:
        weights.write_bytes(whole)


def test_eight_bits_are_refused_without_a_gpu(home: Home) -> None:
    training = home.start(home.task("eight", songs(), config=config(eight_bit=True)))
    assert training.end() == REFUSED
    assert training.events[-1].payload["code"] == "needs_gpu"


def test_the_state_of_another_training_is_refused(home: Home, undisturbed: tuple[Path, Training]) -> None:
    key = undisturbed[1].of("saved")[-1].payload["key"]
    other = home.start(home.task("other", songs(17), resume_key=key))
    assert other.end() == REFUSED
    assert other.events[-1].payload["code"] == "other_state"


def test_a_probe_measures_and_leaves_nothing(home: Home) -> None:
    before = list(home.bucket.keys(""))
    training = home.start(home.task("probe", songs(), kind="probe"))
    assert training.end() == 0, training.events[-1:]
    found = training.events[-1].payload
    assert found["tokens_per_s"] > 0
    assert found["num_tokens"] > 0
    assert list(home.bucket.keys("")) == before
