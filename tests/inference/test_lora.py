"""The engine writes with adapters as PEFT does, many of them in one batch, and lets no one else notice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from bench.checkpoints import write_adapter
from contracts.wire import CompletionRequest
from inference.engine import Engine, Formed, NoSuchAdapter
from inference.forms import prepare
from inference.lora import AdapterWeights
from inference.sequence import Sequence
from tests.inference.adapters import ATTENTION, peft_logits
from tests.inference.engines import Oracle, Reader, load, serving
from tests.inference.test_networks import drive, some_ids, take

TOLERANCE = 1e-4
NUM_ADAPTERS = 8


@pytest.fixture(scope="module")
def folders(oracles: dict[str, Oracle], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Eight adapters a checkpoint: of several ranks, on all layers and on some."""
    ranks = [4, 8, 3, 4, 16, 1, 4, 5]
    return {
        name: [
            write_adapter(
                oracle.directory,
                tmp_path_factory.mktemp("adapters") / name,
                seed=nth,
                rank=rank,
                targets=ATTENTION if nth % 3 == 2 else "all-linear",
                use_rslora=nth == 4,
            )
            for nth, rank in enumerate(ranks)
        ]
        for name, oracle in oracles.items()
    }


@pytest.fixture
def adapters(oracle: Oracle, folders: dict[str, list[Path]]) -> list[Path]:
    return folders[oracle.network.config.model_type]


def with_adapters(engine: Engine, folders: list[Path]) -> Engine:
    for nth, folder in enumerate(folders):
        engine.put_adapter(f"adapter-{nth}", AdapterWeights.read(folder, engine.runner.network))
    return engine


def adapted(engine: Engine, nth: int | None, ids: list[int], *, num_tokens: int = 4) -> Sequence:
    """A take that writes with the `nth` adapter."""
    sequence = take(engine, ids, num_tokens=num_tokens, request_id=f"{nth}-{len(ids)}")
    sequence.adapter = None if nth is None else engine._adapters[f"adapter-{nth}"]
    return sequence


def test_it_works(oracle: Oracle, adapters: list[Path]) -> None:
    engine = with_adapters(load(oracle.directory), adapters)
    for nth, folder in enumerate(adapters):
        sequence = adapted(engine, nth, some_ids(20 + 40 * nth, nth))
        logits = torch.stack(drive(engine, {0: [sequence]})[sequence])
        expected = peft_logits(oracle.directory, folder, sequence.token_ids)[len(sequence.prompt_ids) - 1 : -1]
        torch.testing.assert_close(logits, expected[:, : logits.shape[1]], atol=TOLERANCE, rtol=0)
        bare = oracle.logits(sequence.token_ids)[len(sequence.prompt_ids) - 1 : -1]
        assert (logits - bare[:, : logits.shape[1]]).abs().max() > 0.1  # the adapter does change something


def test_eight_adapters_and_none_in_one_batch_write_as_each_does_alone(oracle: Oracle, adapters: list[Path]) -> None:
    sizes: dict[int | None, int] = {None: 33, **{nth: 5 + 17 * nth for nth in range(NUM_ADAPTERS)}}
    alone = {}
    engine = with_adapters(load(oracle.directory), adapters)
    for nth, size in sizes.items():
        sequence = adapted(engine, nth, some_ids(size, size))
        alone[nth] = torch.stack(drive(engine, {0: [sequence]})[sequence])
    engine = with_adapters(load(oracle.directory, num_slots=12), adapters)
    together = {nth: adapted(engine, nth, some_ids(size, size)) for nth, size in sizes.items()}
    joining = [*together.values()]
    seen = drive(engine, {0: joining[:4], 2: joining[4:]})
    for nth, sequence in together.items():
        assert torch.equal(torch.stack(seen[sequence]), alone[nth]), nth


def test_a_batch_without_adapters_computes_nothing_of_them(oracle: Oracle, adapters: list[Path]) -> None:
    engine = with_adapters(load(oracle.directory), adapters[:1])
    sequence = adapted(engine, None, some_ids(20))
    bare = load(oracle.directory)
    twin = take(bare, some_ids(20), num_tokens=4)
    assert torch.equal(
        torch.stack(drive(engine, {0: [sequence]})[sequence]), torch.stack(drive(bare, {0: [twin]})[twin])
    )
    assert engine.runner.stacks.lora([None, None]) is None


def test_requests_name_adapters_as_they_come_and_go(oracle: Oracle, adapters: list[Path]) -> None:
    with serving(oracle.directory, num_slots=4) as engine:
        first, second = (AdapterWeights.read(folder, engine.runner.network) for folder in adapters[:2])
        reader = Reader(engine)

        def text(name: str, adapter: str = "") -> str:
            reader.ask(name, "a line of text", adapter=adapter, temperature=0.0, max_tokens=24)
            reader.wait()
            return reader.text(name)

        with pytest.raises(NoSuchAdapter, match="no adapter 'mine'"):
            text("too early", "mine")
        engine.put_adapter("mine", first)
        with_first, bare = text("first", "mine"), text("bare")
        assert with_first != bare
        engine.put_adapter("mine", second)
        assert text("second", "mine") not in (with_first, bare)
        engine.drop_adapter("mine")
        engine.drop_adapter("mine")
        assert engine.adapters() == []
        with pytest.raises(NoSuchAdapter):
            text("too late", "mine")
        assert text("bare again") == bare


def test_an_adapter_that_is_dropped_goes_on_for_who_writes_with_it(oracle: Oracle, adapters: list[Path]) -> None:
    with serving(oracle.directory) as engine:
        engine.put_adapter("mine", AdapterWeights.read(adapters[0], engine.runner.network))
        reader = Reader(engine)
        reader.ask("whole", "a line", adapter="mine", seed=5, max_tokens=200)
        reader.wait()
        reader.ask("cut", "a line", adapter="mine", seed=5, max_tokens=200)
        reader.wait(lambda: bool(reader.pieces["cut"]))
        engine.drop_adapter("mine")
        reader.wait()
        assert reader.text("cut") == reader.text("whole")
        engine.put_adapter("other", AdapterWeights.read(adapters[1], engine.runner.network))
        reader.ask("other", "a line", adapter="other", max_tokens=3)
        reader.wait()
        assert len(engine.runner.stacks._stacks) == 1  # of what was dropped nothing is kept


def test_free_rows_and_rows_under_a_form_write_with_adapters_as_each_does_alone(
    oracles: dict[str, Oracle], folders: dict[str, list[Path]], words: Path
) -> None:
    with serving(oracles["llama"].directory, num_slots=20, words=words) as engine:
        with_adapters(engine, folders["llama"])
        form = {"scheme": "AA", "syllables": 4}
        prepared = prepare(CompletionRequest(model="-", prompt="night falls\n", form=form), engine.speller(), Path())
        names = ["", *(f"adapter-{nth}" for nth in range(0, NUM_ADAPTERS, 2))]
        alone, together = Reader(engine), Reader(engine)

        def ask(reader: Reader, nth: int) -> None:
            how: dict[str, Any] = {"seed": nth, "max_tokens": 40, "temperature": 1.0, "adapter": names[nth]}
            reader.ask(f"free-{nth}", "night falls\n", n=1 + nth % 2, **how | {"max_tokens": 8})
            reader.ask(f"formed-{nth}", prepared.prompt, formed=Formed(prepared.begin), **how)

        for nth in range(len(names)):
            ask(alone, nth)
            alone.wait()
        for nth in range(len(names)):
            ask(together, nth)
        together.wait()
        for request_id in alone.pieces:
            assert together.text(request_id) == alone.text(request_id), request_id
        for nth in range(len(names)):
            text = together.text(f"formed-{nth}")
            assert all(not line.failures for line in prepared.judge(text, is_whole=True)), text
        assert len({together.text(f"formed-{nth}") for nth in range(len(names))}) > len(names) / 2
