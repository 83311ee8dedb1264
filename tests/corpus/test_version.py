"""A version is named by its content, never changes unnoticed, and can be compared and carried away."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from contracts.bucket import LocalBucket, NoSuchKey
from contracts.manifest import DatasetManifest, dataset_folder, dataset_key, dataset_manifest_key
from corpus import version
from corpus.version import FrozenSong, Torn

DATASET = UUID(int=4)
WHEN = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def song(number: int, words: str = "The kettle hums above the coals\nand all the harbour listens") -> FrozenSong:
    return FrozenSong(
        key=f"the invented|song {number}",
        artist="The Invented",
        title=f"Song {number}",
        text=f"{words}\nfor the {number}th time tonight",
        source="paste" if number % 3 else "upload",
        url="",
        rights="mine" if number % 2 else "public_domain",
        rights_note="" if number % 2 else "https://example.org/book",
        attested_by=str(UUID(int=1)),
        attested_at="2026-03-01T12:00:00+00:00",
        language="en",
    )


def songs(num: int) -> list[FrozenSong]:
    return [song(number) for number in range(num)]


@pytest.fixture
def bucket(tmp_path: Path) -> LocalBucket:
    return LocalBucket(tmp_path / "bucket")


def frozen(bucket: LocalBucket, content: list[FrozenSong], number: int = 1, rules_off: tuple[str, ...] = ()) -> str:
    """Freezes and publishes; returns the manifest's key."""
    manifest = version.freeze(content, bucket=bucket, dataset_id=DATASET, number=number, rules_off=rules_off)
    version.publish(bucket, manifest)
    return dataset_manifest_key(DATASET, number)


def test_it_works(bucket: LocalBucket) -> None:
    content = songs(40)
    manifest = version.freeze(content, bucket=bucket, dataset_id=DATASET, number=1, name="Harbour", created_at=WHEN)
    key = dataset_manifest_key(DATASET, 1)
    with pytest.raises(NoSuchKey):
        version.read_manifest(bucket, key)
    version.publish(bucket, manifest)
    assert version.read_manifest(bucket, key) == manifest
    assert sorted(version.read(bucket, key), key=lambda s: s.key) == sorted(content, key=lambda s: s.key)
    assert manifest.counts == {"songs": 40, "lines": 120, "words": sum(len(s.text.split()) for s in content)}
    assert manifest.rights == {"mine": 20, "public_domain": 20}
    assert manifest.sources == {"paste": 26, "upload": 14}
    assert manifest.languages == {"en": 40}
    assert sum(manifest.splits.values()) == 40


def test_the_same_content_gives_the_same_hash_in_any_order_under_any_number(bucket: LocalBucket) -> None:
    content = songs(60)
    shuffled = content[1::2] + content[::2]
    one = version.freeze(content, bucket=bucket, dataset_id=DATASET, number=1)
    other = version.freeze(shuffled, bucket=bucket, dataset_id=uuid4(), number=7)
    assert one.content_sha256 == other.content_sha256
    assert one.files == other.files


@pytest.mark.parametrize("change", [{"text": "Other words\nthan before"}, {"rights": "licensed"}, {"rights_note": "x"}])
def test_other_words_or_rights_give_another_hash(bucket: LocalBucket, change: dict[str, str]) -> None:
    content = songs(10)
    one = version.freeze(content, bucket=bucket, dataset_id=DATASET, number=1)
    content[3] = replace(content[3], **change)  # type: ignore[arg-type]
    other = version.freeze(content, bucket=bucket, dataset_id=DATASET, number=2)
    assert one.content_sha256 != other.content_sha256


def test_other_cleaning_rules_give_another_hash(bucket: LocalBucket) -> None:
    hashes = {
        version.freeze(songs(5), bucket=bucket, dataset_id=DATASET, number=1, rules_off=rules).content_sha256
        for rules in [(), ("quotes",), ("quotes", "embed"), ("embed", "quotes")]
    }
    assert len(hashes) == 3


def test_a_song_that_comes_twice_is_frozen_once(bucket: LocalBucket) -> None:
    manifest = version.freeze([*songs(5), *songs(5)], bucket=bucket, dataset_id=DATASET, number=1)
    assert manifest.counts["songs"] == 5
    assert manifest == version.freeze(
        songs(5), bucket=bucket, dataset_id=DATASET, number=1, created_at=manifest.created_at
    )


def test_an_empty_version_is_read_as_empty(bucket: LocalBucket) -> None:
    key = frozen(bucket, [])
    assert list(version.read(bucket, key)) == []
    assert list(version.export(bucket, key, "jsonl")) == []


def test_shards_stay_small_and_their_order_does_not_hang_on_arrival(
    bucket: LocalBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version, "MAX_SHARD_BYTES", 4_000)
    content = songs(100)
    key = frozen(bucket, content)
    manifest = version.read_manifest(bucket, key)
    assert len(manifest.files) > 5
    assert max(file.size_bytes for file in manifest.files) <= 4_000
    assert {s.key for s in version.read(bucket, key)} == {s.key for s in content}
    assert manifest.files == version.freeze(content[::-1], bucket=bucket, dataset_id=DATASET, number=2).files


def flip(bucket: LocalBucket, key: str, at: int) -> None:
    path = bucket.local_path(key)
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_a_flipped_byte_in_a_shard_is_noticed_and_names_the_shard(
    bucket: LocalBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version, "MAX_SHARD_BYTES", 4_000)
    key = frozen(bucket, songs(40))
    manifest = version.check(bucket, key)
    shard = dataset_key(DATASET, 1, manifest.files[1].path)
    flip(bucket, shard, 777)
    reading = version.read(bucket, key)
    with pytest.raises(Torn, match=r"songs-00001\.jsonl.*checksum differs") as torn:
        list(reading)
    assert torn.value.key == shard
    with pytest.raises(Torn):
        version.check(bucket, key)
    for kind in version.KINDS:
        with pytest.raises(Torn):
            version.export(bucket, key, kind)


def test_a_shard_that_is_gone_is_noticed(bucket: LocalBucket) -> None:
    key = frozen(bucket, songs(4))
    bucket.delete(dataset_key(DATASET, 1, version.read_manifest(bucket, key).files[0].path))
    with pytest.raises(Torn, match="songs-00000"):
        list(version.read(bucket, key))


def test_any_flipped_byte_in_a_manifest_is_noticed(bucket: LocalBucket) -> None:
    key = frozen(bucket, songs(4))
    whole = bucket.read(key)
    was = version.read_manifest(bucket, key)
    for at in range(len(whole)):
        flip(bucket, key, at)
        try:
            read = version.read_manifest(bucket, key)
        except Torn as torn:
            assert torn.key == key  # noqa: PT017
        else:
            assert read == was, f"the byte {at} made another manifest"  # a blank between two values
        flip(bucket, key, at)
    assert bucket.read(key) == whole


def test_splits_are_nine_in_ten_and_hang_on_the_key_alone(bucket: LocalBucket) -> None:
    content = songs(4_000)
    shares = Counter(s.split for s in content)
    assert 0.88 < shares["train"] / 4_000 < 0.92
    assert 0.04 < shares["validation"] / 4_000 < 0.06
    edited = [replace(s, text="Altogether other words\nthan it had", rights="licensed") for s in content]
    assert [s.split for s in edited] == [s.split for s in content]
    key = frozen(bucket, content[:50])
    records = [json.loads(line) for shard in version.export(bucket, key, "jsonl") for line in shard.splitlines()]
    assert {r["key"]: r["split"] for r in records} == {s.key: s.split for s in content[:50]}


def test_a_diff_says_what_came_went_and_changed(bucket: LocalBucket) -> None:
    before = songs(10)
    after = [replace(before[0], text="New words\nfor an old tune", rights="licensed"), *before[2:], song(99)]
    after = after[::2] + after[1::2]
    one, two = frozen(bucket, before, 1), frozen(bucket, after, 2)
    diff = version.diff(version.read(bucket, one), version.read(bucket, two))
    assert diff.added == [("The Invented", "Song 99")]
    assert diff.removed == [("The Invented", "Song 1")]
    assert diff.changed == [("The Invented", "Song 0", ("text", "rights"))]
    same = version.diff(version.read(bucket, one), version.read(bucket, one))
    assert (same.added, same.removed, same.changed) == ([], [], [])


def test_text_and_lines_hold_every_song(bucket: LocalBucket) -> None:
    content = songs(30)
    key = frozen(bucket, content)
    text = b"".join(version.export(bucket, key, "txt")).decode()
    assert all(s.text in text and f"The Invented - {s.title}\n\n" in text for s in content)
    lines = b"".join(version.export(bucket, key, "jsonl")).decode().splitlines()
    assert {json.loads(line)["text"] for line in lines} == {s.text for s in content}


def test_a_zip_has_a_safe_name_of_its_own_for_each_song(bucket: LocalBucket) -> None:
    titles = [
        "../../etc/passwd",
        "a/b\\c",
        "con",
        "?",
        "",
        "Same",
        "same",
        "Same (2)",
        "<script>",
        "夜" * 90,
        ".hidden",
    ]
    content = [replace(song(at), artist="", title=title) for at, title in enumerate(titles)]
    key = frozen(bucket, content)
    pieces = list(version.export(bucket, key, "zip"))
    assert len(pieces) > len(content)  # streamed, not made whole first
    archive = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    assert archive.testzip() is None
    names = [name for name in archive.namelist() if name.startswith("songs/")]
    assert len({name.casefold() for name in names}) == len(content)
    assert all("/" not in name[6:] and "\\" not in name and not name[6:].startswith(".") for name in names)
    assert all(len(name.encode()) < 200 for name in names)
    assert {s.text for s in content} == {
        archive.read(name).decode().partition("\n\n")[2].removesuffix("\n") for name in names
    }
    DatasetManifest.model_validate_json(archive.read("manifest.json"))
    records = [json.loads(line) for line in archive.read("songs-00000.jsonl").splitlines()]
    assert all(record["rights"] and record["source"] for record in records)


def test_a_version_that_is_removed_leaves_nothing_and_its_neighbour_stays(bucket: LocalBucket) -> None:
    keys = [frozen(bucket, songs(4), number) for number in (1, 10)]
    version.remove(bucket, DATASET, 1)
    assert all("/v10/" in key for key in bucket.keys(dataset_folder(DATASET)))
    version.check(bucket, keys[1])
    version.remove(bucket, DATASET, 1)


def test_freezing_holds_far_less_than_the_songs(bucket: LocalBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "MAX_SHARD_BYTES", 100_000)
    monkeypatch.setattr(version, "SPOOL_BYTES", 50_000)

    def many() -> Iterator[FrozenSong]:
        for number in range(600):
            yield song(number, "A line of rather many words about a number\n" * 200)

    tracemalloc.start()
    manifest = version.freeze(many(), bucket=bucket, dataset_id=DATASET, number=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(file.size_bytes for file in manifest.files) > 5e6
    assert peak < 1e6
