"""The demo's adapter: small, clean, as good as its card must say, and put into the bucket once for the base there."""

from __future__ import annotations

import doctest
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import sandbox.cowboy.songs
from contracts.bucket import LocalBucket
from contracts.manifest import (
    AdapterManifest,
    CheckpointManifest,
    FileEntry,
    adapter_key,
    adapter_manifest_key,
    checkpoint_manifest_key,
    weights_sha256,
)
from contracts.training import Table, what_is_worse
from inference.adapters import fetch_adapter, read_adapter
from lyrics.explicit import is_explicit
from lyrics.originality import OriginalityIndex
from sandbox import cowboy
from sandbox.cowboy.songs import SLURS

MAX_BYTES = 5_000_000


def base(sha256: str) -> CheckpointManifest:
    return CheckpointManifest(
        name=cowboy.BASE,
        architecture="llama",
        num_parameters=1,
        dtype="float32",
        licence="made by the tests",
        source="nowhere",
        files=(FileEntry(path="model.safetensors", size_bytes=1, sha256=sha256 * 64),),
    )


@pytest.fixture
def bucket(tmp_path: Path) -> LocalBucket:
    (tmp_path / "bucket").mkdir()
    bucket = LocalBucket(tmp_path / "bucket")
    bucket.write(checkpoint_manifest_key(cowboy.BASE), base("a").model_dump_json().encode())
    return bucket


def test_it_works(bucket: LocalBucket, tmp_path: Path) -> None:
    assert not cowboy.is_there(bucket)
    assert cowboy.put(bucket)
    assert cowboy.is_there(bucket)
    listing = read_adapter(bucket, cowboy.ADAPTER_ID)
    assert listing.reason == ""
    assert listing.is_for("anybody")
    assert listing.manifest is not None
    assert listing.manifest.base_sha256 == weights_sha256(base("a"))
    folder = fetch_adapter(bucket, listing, tmp_path / "cache")
    assert {file.name for file in folder.iterdir()} == {*cowboy.FILES, "originality"}
    assert OriginalityIndex.load(folder / "originality").runs("home home on the range where the deer", 6)


def test_it_is_put_once(bucket: LocalBucket) -> None:
    assert cowboy.put(bucket)
    before = bucket.read(adapter_manifest_key(cowboy.ADAPTER_ID))
    assert not cowboy.put(bucket)
    assert bucket.read(adapter_manifest_key(cowboy.ADAPTER_ID)) == before


def test_it_is_put_again_when_the_base_was_replaced(bucket: LocalBucket) -> None:
    cowboy.put(bucket)
    bucket.write(checkpoint_manifest_key(cowboy.BASE), base("b").model_dump_json().encode())
    assert not cowboy.is_there(bucket)
    assert cowboy.put(bucket)
    manifest = AdapterManifest.model_validate_json(bucket.read(adapter_manifest_key(cowboy.ADAPTER_ID)))
    assert manifest.base_sha256 == weights_sha256(base("b"))


def test_what_an_older_one_left_goes(bucket: LocalBucket) -> None:
    bucket.write(adapter_key(cowboy.ADAPTER_ID, "old/adapter_model.safetensors"), b"old")
    bucket.write(adapter_manifest_key(cowboy.ADAPTER_ID), b"{}")
    assert cowboy.put(bucket)
    assert not any("/old/" in key for key in bucket.keys(adapter_key(cowboy.ADAPTER_ID, "")))


def test_the_folder_is_small() -> None:
    files = [file for file in cowboy.FOLDER.rglob("*") if file.is_file() and file.suffix != ".pyc"]
    assert sum(file.stat().st_size for file in files) <= MAX_BYTES


def test_its_card_keeps_what_was_promised() -> None:
    card = json.loads((cowboy.FOLDER / cowboy.CARD).read_text())
    table = Table.model_validate(card["table"])
    assert table.adapter.bits_per_byte <= 0.92 * table.bare.bits_per_byte
    assert table.adapter.num_lines >= 2_000
    assert table.adapter.copied_share <= 0.005
    assert what_is_worse(table) == [] == card["worse"]
    assert card["dataset"]["rights"].keys() == {"public_domain"}


def test_no_line_that_it_learned_holds_a_slur() -> None:
    index = cowboy.FOLDER / "originality"
    text = np.load(index / "lines.text.npy").tobytes()
    lines = [text[start:end].decode() for start, end in pairwise(np.load(index / "lines.starts.npy"))]
    assert len(lines) == OriginalityIndex.load(index).num_lines > 4_000
    assert not [line for line in lines if SLURS.search(line) or is_explicit(line)]


def test_the_examples_are_true() -> None:
    assert doctest.testmod(sandbox.cowboy.songs).failed == 0


@pytest.mark.parametrize("word", ["Greasers", "half-breed", "redskins", "Injun", "chinaman"])
def test_a_song_with_a_slur_is_left_out(word: str) -> None:
    assert SLURS.search(f"and the {word} rode away")


@pytest.mark.parametrize("word", ["Indian", "Mexican", "raccoon", "darkest", "japan", "snigger", "spice"])
def test_a_plain_word_is_none(word: str) -> None:
    assert not SLURS.search(f"and the {word} rode away")
