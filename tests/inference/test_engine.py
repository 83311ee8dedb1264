"""Requests join, are written, and leave; each hears of its own end, whatever happens to others."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from contracts.wire import SamplingParams
from inference.engine import Engine, EngineStopped, Piece, PromptTooLong, QueueFull
from tests.inference.engines import Oracle, Reader, load, serving

POISON = 600


@pytest.fixture
def directory(oracles: dict[str, Oracle]) -> Path:
    return oracles["gpt_neo"].directory


@pytest.fixture
def poisoned(directory: Path, tmp_path: Path) -> Path:
    """A checkpoint in which one token's embedding is not a number."""
    for path in directory.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    weights["lm_head.weight"] = weights["transformer.wte.weight"].clone()
    weights["transformer.wte.weight"][POISON] = float("nan")
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"tie_word_embeddings": true', '"tie_word_embeddings": false'))
    return tmp_path


def test_it_works(directory: Path) -> None:
    with serving(directory) as engine:
        reader = Reader(engine)
        reader.ask("r", "under the streetlight", max_tokens=40, temperature=0.9, seed=1)
        reader.wait()
        pieces = reader.pieces["r"]
        assert len(pieces) > 10
        assert sum(piece.num_tokens for piece in pieces) == 40
        assert [piece.finish_reason for piece in pieces[:-1]] == [None] * (len(pieces) - 1)
        assert reader.reason("r") == "length"
        assert all(piece.text for piece in pieces[:-1])
        stats = engine.stats()
        assert (stats.num_running, stats.num_waiting, stats.tokens_total) == (0, 0, 40)
        assert stats.step_s > 0


def test_greedy_text_equals_generate(oracle: Oracle) -> None:
    with serving(oracle.directory) as engine:
        reader = Reader(engine)
        ids = engine.encode("under the streetlight we sing")
        reader.ask("r", ids, max_tokens=60, temperature=0.0)
        reader.wait()
        expected = engine.tokenizer._framer.decode(oracle.generate(ids, 60), skip_special_tokens=True)
        assert reader.text("r") == expected


def test_many_requests_from_many_threads_are_not_mixed_up(directory: Path) -> None:
    with serving(directory, num_slots=8) as engine:
        alone, readers = Reader(engine), [Reader(engine) for _ in range(6)]
        alone.ask("alone", "one", max_tokens=20, seed=5, temperature=1.0)
        alone.wait()

        def ask(nth: int) -> None:
            for turn in range(8):
                readers[nth].ask(
                    f"{nth}-{turn}", "one" if turn % 2 else f"other {nth}", max_tokens=20, seed=5, temperature=1.0
                )

        threads = [threading.Thread(target=ask, args=(nth,)) for nth in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for nth, reader in enumerate(readers):
            reader.wait()
            assert {reader.text(f"{nth}-{turn}") for turn in (1, 3, 5, 7)} == {alone.text("alone")}


def test_a_stop_string_ends_the_text_and_is_not_shown(directory: Path) -> None:
    with serving(directory) as engine:
        reader = Reader(engine)
        reader.ask("whole", "a song", max_tokens=60, temperature=1.0, seed=3)
        reader.wait()
        whole = reader.text("whole")
        stop = next(whole[i : i + 3] for i in range(10, len(whole)) if whole[i : i + 3].isprintable())
        reader.ask("cut", "a song", max_tokens=60, temperature=1.0, seed=3, stop=[stop, "never seen"])
        reader.wait()
        assert reader.text("cut") == whole[: whole.index(stop)]
        assert reader.reason("cut") == "stop"
        shown = ""
        for piece in reader.pieces["cut"]:
            shown += piece.text
            assert whole.startswith(shown)


def test_the_end_token_ends_the_text(directory: Path) -> None:
    with serving(directory, num_slots=32) as engine:
        reader = Reader(engine)
        for seed in range(60):
            reader.ask(str(seed), "a", max_tokens=300, temperature=2.0, top_p=1.0, seed=seed)
        reader.wait()
        stopped = [seed for seed in range(60) if reader.reason(str(seed)) == "stop"]
        assert stopped
        assert all("<|endoftext|>" not in reader.text(str(seed)) for seed in stopped)
        assert all(sum(piece.num_tokens for piece in reader.pieces[str(seed)]) <= 300 for seed in range(60))


def test_an_abort_frees_the_slot_and_ends_the_request(directory: Path) -> None:
    with serving(directory, num_slots=1) as engine:
        reader = Reader(engine)
        reader.ask("long", "a", max_tokens=700, temperature=1.0, top_k=3)
        reader.ask("waiting", "b", max_tokens=700, temperature=1.0)
        reader.ask("next", "c", max_tokens=3)
        reader.wait(lambda: bool(reader.pieces["long"]))
        engine.abort("waiting")
        engine.abort("long")
        engine.abort("long")
        engine.abort("never heard of")
        reader.wait()
        assert (reader.reason("long"), reader.reason("waiting"), reader.reason("next")) == (
            "cancelled",
            "cancelled",
            "length",
        )
        assert reader.pieces["waiting"] == [Piece("waiting", 0, "", 0, "cancelled")]
        assert sum(piece.num_tokens for piece in reader.pieces["long"]) < 700
        engine.abort("next")  # it has ended by itself


def test_a_full_queue_refuses_and_says_when_to_come_back(directory: Path) -> None:
    engine = load(directory, num_slots=2, max_waiting=1)  # not started, so nothing leaves
    params = SamplingParams(max_tokens=5)
    engine.add("one", [1], params, lambda _: None)
    with pytest.raises(QueueFull):
        engine.add("three takes", [1], SamplingParams(n=3), lambda _: None)
    engine.add("two", [1], SamplingParams(n=2), lambda _: None)
    with pytest.raises(QueueFull) as refused:
        engine.add("late", [1], params, lambda _: None)
    assert 1 <= refused.value.retry_after_s <= 60
    assert engine.stats().num_waiting == 3
    engine.stop()


def test_a_prompt_without_room_for_a_token_is_refused(directory: Path) -> None:
    with serving(directory, max_len=64) as engine:
        with pytest.raises(PromptTooLong) as refused:
            engine.add("r", [1] * 64, SamplingParams(), lambda _: None)
        assert (refused.value.num_tokens, refused.value.max_tokens) == (64, 63)
        reader = Reader(engine)
        reader.ask("fits", [1] * 63, max_tokens=50)
        reader.ask("nearly", [1] * 60, max_tokens=50)
        reader.wait()
        assert sum(piece.num_tokens for piece in reader.pieces["fits"]) == 1
        assert sum(piece.num_tokens for piece in reader.pieces["nearly"]) == 4


@pytest.mark.parametrize("ids", [[], [640], [-1]])
def test_ids_that_the_network_does_not_know_are_refused(directory: Path, ids: list[int]) -> None:
    engine = load(directory)
    with pytest.raises(ValueError, match="ids that this checkpoint knows"):
        engine.add("r", ids, SamplingParams(), lambda _: None)


def test_the_same_request_cannot_run_twice_at_once(directory: Path) -> None:
    engine = load(directory)
    engine.add("r", [1], SamplingParams(), lambda _: None)
    with pytest.raises(ValueError, match="already"):
        engine.add("r", [1], SamplingParams(), lambda _: None)


def test_stopping_ends_everything_and_lets_nothing_in(directory: Path) -> None:
    engine = load(directory, num_slots=2)
    engine.start()
    reader = Reader(engine)
    for nth in range(5):
        reader.ask(str(nth), "a", max_tokens=700, temperature=1.0)
    engine.stop()
    engine.stop()
    reader.wait()
    assert {reader.reason(str(nth)) for nth in range(5)} == {"cancelled"}
    with pytest.raises(EngineStopped):
        reader.ask("late", "a")


def test_one_poisoned_sequence_does_not_harm_the_others(poisoned: Path) -> None:
    with serving(poisoned, num_slots=3) as engine:
        reader = Reader(engine)
        healthy = {f"healthy-{nth}": list(range(nth + 1, nth + 30)) for nth in range(6)}
        for name, ids in healthy.items():
            reader.ask(name, ids, max_tokens=30, seed=1, temperature=0.8)
        reader.wait()
        alone = {name: reader.text(name) for name in healthy}
        for turn in range(3):
            for name, ids in healthy.items():
                reader.ask(f"sick-{turn}-{name}", [*ids, POISON, 5], max_tokens=30)
                reader.ask(name, ids, max_tokens=30, seed=1, temperature=0.8)
            reader.wait()
            assert {name: reader.text(name) for name in healthy} == alone
            assert {reader.reason(f"sick-{turn}-{name}") for name in healthy} == {"error"}
        assert engine.failure is None
        assert np.isfinite(engine.runner.cache.keys.numpy()).all()


def test_a_client_whose_callback_fails_is_dropped_alone(directory: Path) -> None:
    def broken(_pieces: list[Piece]) -> None:
        raise ConnectionError("the client has gone")

    with serving(directory) as engine:
        engine.add("broken", [1], SamplingParams(max_tokens=500, n=2), broken)
        reader = Reader(engine)
        reader.ask("r", "a", max_tokens=30)
        reader.wait()
        assert reader.reason("r") == "length"
        assert engine.stats().num_running == 0
        assert engine.failure is None


def test_a_failure_of_the_loop_is_told_to_all(directory: Path) -> None:
    engine = load(directory, num_slots=1)
    reader = Reader(engine)
    reader.ask("running", "a", max_tokens=700, temperature=1.0)
    reader.ask("waiting", "b", n=2)
    del engine.runner.network.head  # as good a fault as any
    engine.start()
    reader.wait()
    assert [reader.reason("running"), reader.reason("waiting"), reader.reason("waiting", 1)] == ["error"] * 3
    assert isinstance(engine.failure, AttributeError)
    with pytest.raises(EngineStopped, match="failed"):
        reader.ask("late", "a")
    engine.stop()


def test_auto_picks_what_the_machine_has(directory: Path) -> None:
    engine = Engine.load(directory, num_slots=1, max_len=100_000, max_waiting=0)
    assert engine.dtype in ("float32", "bfloat16")
    assert engine.max_len == 768
    with pytest.raises(ValueError, match="INFERENCE_DTYPE"):
        Engine.load(directory, dtype="float8", num_slots=1, max_len=10, max_waiting=0)
