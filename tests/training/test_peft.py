"""Against plain peft on transformers' own networks: the same loss, the same gradients, the same files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional
from transformers import AutoModelForCausalLM

from bench.checkpoints import write_checkpoint
from tests.inference.engines import small_configs
from tests.training.homes import config, pieces
from training import lora
from training.loss import loss_sum
from training.networks import Base, load_base
from training.packing import MicroBatch


@pytest.fixture(scope="module", params=["gpt_neo", "gptj", "llama"])
def directory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("checkpoints") / request.param
    write_checkpoint(directory, small_configs()[request.param])
    return directory


def ours(directory: Path) -> tuple[Base, torch.nn.Module]:
    base = load_base(directory, dtype="float32", device=torch.device("cpu"))
    network = lora.attach(base, config())
    torch.manual_seed(3)
    for parameter in lora.parameters(network).values():
        parameter.data.normal_(std=0.05)
    return base, network


def theirs(directory: Path) -> Any:
    plain = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    how = peft.LoraConfig(
        r=config().lora_rank, lora_alpha=config().lora_alpha, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    return peft.get_peft_model(plain, how)


def test_it_works(directory: Path, tmp_path: Path) -> None:
    """An adapter of ours, read by peft, has the same loss and gradients there, and comes out of it as it went in."""
    base, network = ours(directory)
    lora.save(network, tmp_path / "ours")
    reference = theirs(directory)
    peft.set_peft_model_state_dict(reference, load_file(tmp_path / "ours" / lora.WEIGHTS_FILE))

    data = pieces([300, 40, 7], 600)
    batch = MicroBatch.of(data, base.device)
    loss = loss_sum(base.hidden(batch), base.head, base.head_bias, batch.labels)
    loss.backward()  # type: ignore[no-untyped-call]
    wanted = torch.zeros(())
    for piece in data:
        ids = torch.tensor([piece.ids])
        wanted = wanted + functional.cross_entropy(reference(ids).logits[0, :-1], ids[0, 1:], reduction="sum")
    wanted.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    slopes = {name: parameter.grad for name, parameter in reference.named_parameters() if parameter.requires_grad}
    mine = lora.parameters(network)
    assert mine.keys() == slopes.keys()
    for name, parameter in mine.items():
        assert parameter.grad is not None
        scale = slopes[name].abs().max().item()
        torch.testing.assert_close(parameter.grad, slopes[name], rtol=1e-4, atol=1e-4 * scale)

    reference.save_pretrained(str(tmp_path / "theirs"))
    of_ours, of_theirs = (load_file(tmp_path / who / lora.WEIGHTS_FILE) for who in ("ours", "theirs"))
    assert of_ours.keys() == of_theirs.keys()
    assert all(of_ours[name].equal(of_theirs[name]) for name in of_ours)


def test_peft_reads_our_files_by_itself(directory: Path, tmp_path: Path) -> None:
    base, network = ours(directory)
    lora.save(network, tmp_path)
    plain = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    read = peft.PeftModel.from_pretrained(plain, str(tmp_path)).eval()
    (piece,) = pieces([60], 600)
    batch = MicroBatch.of([piece], base.device)
    network.eval()
    with torch.no_grad():
        scores = functional.linear(base.hidden(batch), base.head, base.head_bias)
        wanted = read(torch.tensor([piece.ids])).logits[0, :-1]
    torch.testing.assert_close(scores, wanted, rtol=0, atol=1e-4)


def test_the_bare_checkpoint_and_another_adapter_take_its_place_for_a_while(directory: Path, tmp_path: Path) -> None:
    base, network = ours(directory)
    lora.save(network, tmp_path)
    batch = MicroBatch.of(pieces([60], 600), base.device)

    def loss() -> float:
        with torch.no_grad():
            return loss_sum(base.hidden(batch), base.head, base.head_bias, batch.labels).item()

    first = loss()
    with lora.without(network):
        bare = loss()
    lora.put_weights(network, {name: tensor * 2 for name, tensor in lora.weights(network).items()})
    second = loss()
    with lora.other(network, tmp_path):
        assert loss() == pytest.approx(first, rel=1e-6)
    assert loss() == second
    assert len({first, bare, second}) == 3
    assert len(lora.parameters(network)) == len(lora.weights(network))
