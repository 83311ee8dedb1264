"""The whole loop, with a scripted writer: what a writer keeps of v1 is what v2 writes more of, as they see unseen.

The writer keeps only lines that begin with an h, an s or a t. Everything between their picks is the real thing: cards,
feedback, the dataset's next version, the trainer, the engine with both adapters, and the blind comparison.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
import torch
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from app import store
from app.beginnings import OUR_OWN
from contracts.bucket import LocalBucket
from contracts.manifest import checkpoint_manifest_key, dataset_manifest_key
from contracts.settings import Settings, load_settings
from contracts.training import Advanced, TrainEvent, TrainRequest, TrainTask, resolve
from corpus import version
from models import DatasetVersion
from tests.app.builders import Desk, frozen, made, ok, upload
from tests.app.conftest import Caller
from tests.app.loop import PATIENCE_S, adapter_of, wait_for_voice
from tests.inference.adapters import publish_adapter
from tests.patience import EVERY_S, until
from tests.services import InferenceService, byte_tokenizer, publish_directory
from training import train

SINGER = "tiny-singer"
WORDS = (
    "river", "lantern", "harbour", "morning", "gravel", "candle", "orchard", "thunder", "paper", "mirror", "copper",
    "garden", "hollow", "timber", "yellow", "feather", "blanket", "silver", "winter", "shadow",
)  # fmt: skip
ENOUGH = 10
"""Kept lines: with fewer than five or so the trait is not learnt for certain."""
WIDTH = 264
"""A place for each byte and the end, and a multiple of the heads."""


def songs() -> dict[str, str]:
    """Invented songs by title: lines of any five words."""
    dice = Random(7)  # noqa: S311 - no secrets
    lines = [" ".join(dice.choices(WORDS, k=5)) for _ in range(16 * 8)]
    return {f"Song {number}": "\n".join(lines[8 * number : 8 * number + 8]) for number in range(16)}


def make_singer(folder: Path) -> None:
    """A checkpoint that knows which letter follows which, without any training: its embedding holds a one for each
    letter, its head the logarithms of what comes next, and its only layer adds nothing."""
    tokenizer = byte_tokenizer()
    num_symbols = tokenizer.get_vocab_size()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    follows: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for before, after in pairwise(tokenizer.encode("\n".join((*OUR_OWN, *songs().values()))).ids):
        follows[before][after] += 1
    torch.manual_seed(1)
    network = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=num_symbols,
            hidden_size=WIDTH,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=2048,
            tie_word_embeddings=False,
            eos_token_id=None,
            bos_token_id=None,
        )
    )
    with torch.no_grad():
        network.model.embed_tokens.weight.copy_(torch.eye(num_symbols, WIDTH))
        network.model.layers[0].self_attn.o_proj.weight.zero_()
        network.model.layers[0].mlp.down_proj.weight.zero_()
        network.lm_head.weight.fill_(math.log(1e-5) / math.sqrt(WIDTH))
        for before, found in follows.items():
            for after, count in found.items():
                network.lm_head.weight[after, before] = math.log(count / found.total()) / math.sqrt(WIDTH)
    network.save_pretrained(folder)


@pytest.fixture(scope="module")
def singer(inference: InferenceService) -> Iterator[InferenceService]:
    """The service, with the singer among its voices while this test lasts."""
    folder = inference.home / SINGER
    make_singer(folder)
    publish_directory(folder, inference.home / "bucket", SINGER, inference.home)
    wait_for_voice(inference, SINGER)
    yield inference
    LocalBucket(inference.home / "bucket").delete(checkpoint_manifest_key(SINGER))


@pytest.fixture
def inference_url(singer: InferenceService) -> str:
    return singer.url


@pytest.fixture
def desk(engine: Engine, settings: Settings) -> Desk:
    return Desk(engine, settings)


@pytest.fixture
def trainers_home(singer: InferenceService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a training in this process finds the checkpoint; it is judged by fewer lines than a real one."""
    monkeypatch.setenv("GHOST_HOME", str(tmp_path / "trainer"))
    monkeypatch.setenv("BUCKET_URL", f"file://{singer.home / 'bucket'}")
    monkeypatch.setattr(train, "NUM_LINES", 8)
    monkeypatch.setattr(train, "NUM_SAMPLES", 0)
    load_settings.cache_clear()
    yield tmp_path / "trainer"
    load_settings.cache_clear()


def has_trait(line: str) -> bool:
    """What this writer likes."""
    return line.startswith(("h", "s", "t"))


def trained(alice: Caller, desk: Desk, singer: InferenceService, home: Path, dataset_id: str, number: int) -> str:
    """Version `number` of the voice: trained on that version of the dataset, as a worker has it done, and served."""
    adapter_id, folder = uuid4(), home / f"v{number}"
    folder.mkdir(parents=True)
    with store.bucket() as bucket:
        held = list(version.read(bucket, dataset_manifest_key(UUID(dataset_id), number)))
    (folder / "songs.jsonl").write_bytes(b"".join(song.as_line() + b"\n" for song in held))
    numbers = Advanced(
        epochs=4,
        learning_rate=4e-3,
        lora_rank=8,
        lora_dropout=0.0,
        batch_tokens=512,
        num_evaluations=1,
        dtype="float32",
    )
    config = resolve(TrainRequest(checkpoint=SINGER, effort="quick", advanced=numbers), 2_000)
    said: list[TrainEvent] = []
    train.main(TrainTask(run_id=adapter_id, config=config), folder, said.append)
    assert said[-1].kind == "done"
    with Session(desk.engine) as session:
        rows = select(DatasetVersion.id).where(DatasetVersion.dataset_id == UUID(dataset_id))
        version_id = session.scalars(rows.where(DatasetVersion.number == number)).one()
    publish_adapter(
        singer.home / "bucket", str(adapter_id), folder / said[-1].payload["folder"], SINGER, owner=alice.user().id
    )
    told = {"adapter_id": adapter_id, "dataset_id": dataset_id, "version_id": version_id, "base": SINGER}
    return adapter_of(alice, "Harbour", number, **told)  # type: ignore[arg-type]


def line_of(caller: Caller, generation_id: str) -> str:
    """What a card holds, once it is written."""

    def shown() -> dict[str, Any] | None:
        generation: dict[str, Any] = ok(caller("GET", f"/generations/{generation_id}"))
        return None if generation["state"] in ("queued", "running") else generation

    return str((until(shown, PATIENCE_S) or {})["takes"][0]["text"]).strip()


def play_cards(caller: Caller, voice: str) -> None:
    """Keep what has the trait and reject the rest, until enough is kept to learn from."""
    num_kept = 0
    while num_kept < ENOUGH:
        for card in ok(caller("POST", "/cards", {"voice": voice, "num": 40}), 201)["cards"]:
            if line := line_of(caller, card["generation_id"]):
                verdict = "kept" if has_trait(line) else "rejected"
                said = caller(
                    "POST", "/feedback", {"generation_id": card["generation_id"], "line": 1, "verdict": verdict}
                )
                num_kept = int(ok(said, 201)["kept"])


def compare(caller: Caller, voice_a: str, voice_b: str, num_pairs: int) -> dict[str, Any]:
    """Pick the text of which more lines have the trait; what that comes to."""
    body = {"voice_a": voice_a, "voice_b": voice_b, "num_pairs": num_pairs}
    shown = ok(caller("POST", "/comparisons", body), 201)
    path = f"/comparisons/{shown['id']}"
    deadline = time.monotonic() + PATIENCE_S
    while shown["result"] is None:
        assert time.monotonic() < deadline
        if not (pair := shown["pair"])["is_ready"]:
            time.sleep(EVERY_S)
            shown = ok(caller("GET", path))
            continue
        left, right = (sum(map(has_trait, pair[side].split("\n"))) for side in ("left", "right"))
        pick = "tie" if left == right else "left" if left > right else "right"
        shown = ok(caller("POST", f"{path}/pairs/{pair['number']}", {"pick": pick}))
    result: dict[str, Any] = shown["result"]
    return result


def test_it_works(alice: Caller, desk: Desk, singer: InferenceService, trainers_home: Path) -> None:
    home = trainers_home
    dataset_id = made(alice)
    rows = [json.dumps({"artist": "Ada Quill", "title": title, "text": text}) for title, text in songs().items()]
    ok(upload(alice, dataset_id, "songs.jsonl", "\n".join(rows).encode()), 202)
    desk.do()
    frozen(alice, desk, dataset_id)
    first = trained(alice, desk, singer, home, dataset_id, 1)
    play_cards(alice, first)
    ok(alice("POST", f"/adapters/{first}/improve", {"attest": True}), 202)
    desk.do()
    second = trained(alice, desk, singer, home, dataset_id, 2)
    result = compare(alice, second, first, num_pairs=16)
    assert result["low"] > 0.5, result
    assert result["words"].startswith("Harbour v2 won ")
    assert result["words"].endswith(": better")
