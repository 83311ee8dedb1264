"""The card: what an adapter was made of and what came of it, complete, plain, honest about what was not measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from contracts.manifest import CheckpointManifest, FileEntry, weights_sha256
from contracts.training import Measures, Table, TrainRequest, resolve
from training.card import Curve, EnergyMeter, Spent, as_markdown, card, completed, thinned
from training.songs import TrainSong

SONGS = [
    TrainSong("a", "", "Low Tide", "The harbour lights are low\nand nobody will know", "mine", "train", "upload"),
    TrainSong("b", "", "High Tide", "The river runs alone", "public_domain", "train", "upload"),
    TrainSong("c", "", "No Tide", "I walk the line at night", "mine", "test", "upload"),
    TrainSong("d", "", "", "I kept this line", "mine", "train", "feedback", "The tide is low\n"),
]
BASE = CheckpointManifest(
    name="tiny",
    architecture="llama",
    num_parameters=30_000,
    dtype="float32",
    licence="made by the tests",
    source="random",
    files=(FileEntry(path="model.safetensors", size_bytes=1, sha256="0" * 64),),
)


def measures(**changes: float) -> Measures:
    usual = {
        "bits_per_byte": 1.5,
        "rhyme_rate": 0.1,
        "metre_rate": 0.4,
        "copied_share": 0.0,
        "longest_copy": 4,
        "distinct_2": 0.9,
        "explicit_share": 0.0,
        "num_lines": 96,
    }
    return Measures.model_validate(usual | changes)


def a_card(**changes: float) -> dict[str, object]:
    return card(
        config=resolve(TrainRequest(checkpoint="tiny"), 1_000),
        songs=SONGS,
        base=BASE,
        table=Table(bare=measures(), adapter=measures(bits_per_byte=1.2, **changes)),
        train=Curve(range(1, 1_001), [4.0 - step / 1_000 for step in range(1_000)]),
        validation=Curve([500, 1_000], [1.4, 1.2]),
        samples=[{"prompt": "I walk", "form": "AABB, 8 syllables", "text": "one\n\ntwo"}],
        spent=Spent(tokens=12_345, steps=1_000, best_step=900, seconds=123.4),
        device="cpu",
        num_threads=2,
    )


def test_it_works() -> None:
    made = a_card()
    assert json.loads(json.dumps(made)) == made, "a card is plain JSON"
    assert made["dataset"]["songs"] == {"train": 2, "held_out": 1, "kept_lines": 1}  # type: ignore[index]
    assert made["dataset"]["rights"] == {"mine": 3, "public_domain": 1}  # type: ignore[index]
    assert made["base"]["weights_sha256"] == weights_sha256(BASE)  # type: ignore[index]
    assert made["worse"] == []


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    points = thinned(Curve(range(1, 1_001), [float(step) for step in range(1_000)]), most=50)
    assert len(points) == 50
    assert (points[0], points[-1]) == ([1, 0.0], [1_000, 999.0])


def test_what_is_worse_stands_in_words() -> None:
    made = a_card(copied_share=0.25)
    assert made["worse"] == ["25.0% of its lines stand in the training songs word for word."]
    assert "- 25.0% of its lines stand in the training songs" in as_markdown(made)


def test_who_ran_it_adds_what_only_they_know() -> None:
    version = {"name": "Harbour", "number": 3, "dataset_id": "x", "content_sha256": "ab" * 32}
    made = completed(a_card(), title="Harbour voice", number=2, dataset=version, price_cents=14, minutes=7)
    words = as_markdown(made)
    assert words.startswith("# Harbour voice v2\n")
    assert "Harbour v3: 2 songs to learn from and 1 to be judged by" in words
    assert "Price: 0.14. Energy: not measured." in words
    assert made["dataset"]["words"] == a_card()["dataset"]["words"], "nothing that was told is lost"  # type: ignore[index]


def test_the_markdown_has_a_column_for_each_that_was_compared() -> None:
    words = as_markdown(a_card())
    assert "| | bare checkpoint | this adapter |" in words
    assert "| bits a byte, held-out songs | 1.500 | 1.200 |" in words
    assert "version before" not in words


def test_energy_is_told_only_where_a_counter_tells_it(tmp_path: Path) -> None:
    assert EnergyMeter(tmp_path).joules() is None
    zone = tmp_path / "intel-rapl:0"
    zone.mkdir()
    (zone / "energy_uj").write_text("9000000\n")
    (zone / "max_energy_range_uj").write_text("10000000\n")
    meter = EnergyMeter(tmp_path)
    (zone / "energy_uj").write_text("9500000\n")
    assert meter.joules() == 0.5
    (zone / "energy_uj").write_text("1000000\n")  # it went round
    assert meter.joules() == 2.0
    (zone / "energy_uj").unlink()
    assert meter.joules() is None


def test_a_card_can_be_read_without_torch() -> None:
    code = "import sys, training.card; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
