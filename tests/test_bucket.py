"""The bucket's promises, kept alike by a local directory and by Google Cloud Storage (its emulator)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gcp_storage_emulator.server import create_server

from contracts.bucket import Bucket, BucketAway, GcsBucket, LocalBucket, NoSuchKey, open_bucket
from tests.services import free_port


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    """A GCS emulator with one bucket, `ghost`."""
    port = free_port()
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket="ghost")
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture(params=["local", "gcs"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Bucket:
    """An empty bucket of each kind."""
    if request.param == "local":
        (tmp_path / "bucket").mkdir()
        return open_bucket(f"file://{tmp_path / 'bucket'}")
    emulator = request.getfixturevalue("emulator")
    return open_bucket(f"gs://ghost/{tmp_path.name}", emulator_host=emulator)


def test_it_works(bucket: Bucket, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(100_000))
    moved: list[int] = []
    bucket.write("checkpoints/demo/config.json", b"{}")
    bucket.upload("checkpoints/demo/model.safetensors", source, moved.append)
    bucket.download("checkpoints/demo/model.safetensors", tmp_path / "copy", moved.append)
    assert bucket.read("checkpoints/demo/config.json") == b"{}"
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()
    assert sum(moved) == 200_000


def test_keys_come_in_order_and_by_prefix(bucket: Bucket) -> None:
    for key in ("b/2", "a/1", "b/1", "b1"):
        bucket.write(key, b"x")
    assert list(bucket.keys("b/")) == ["b/1", "b/2"]
    assert list(bucket.keys("")) == ["a/1", "b/1", "b/2", "b1"]
    assert list(bucket.keys("nothing/")) == []


def test_folders_are_told_without_what_lies_in_them(bucket: Bucket) -> None:
    for key in ("a/cowboy/manifest.json", "a/cowboy/x/1", "a/sea/manifest.json", "a/plain", "b/other/1"):
        bucket.write(key, b"x")
    assert bucket.folders("a/") == ["cowboy", "sea"]
    assert bucket.folders("nothing/") == []


def test_a_write_replaces_what_stood_there(bucket: Bucket) -> None:
    bucket.write("a/1", b"old and longer")
    bucket.write("a/1", b"new")
    assert bucket.read("a/1") == b"new"


def test_a_missing_key_is_told_from_a_missing_bucket(bucket: Bucket, tmp_path: Path) -> None:
    bucket.write("here", b"x")
    with pytest.raises(NoSuchKey, match="there is no 'not/here'"):
        bucket.read("not/here")
    with pytest.raises(NoSuchKey):
        bucket.download("not/here", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_deleting_twice_is_fine(bucket: Bucket) -> None:
    bucket.write("a", b"x")
    bucket.delete("a")
    bucket.delete("a")
    assert list(bucket.keys("")) == []


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", "a/../../x", "a/./b", "a\\b", "a\0b"])
def test_a_key_cannot_leave_the_bucket(bucket: Bucket, key: str) -> None:
    with pytest.raises(ValueError, match="is not a bucket key"):
        bucket.write(key, b"x")


def test_an_empty_object_is_an_object(bucket: Bucket, tmp_path: Path) -> None:
    bucket.write("empty", b"")
    bucket.download("empty", tmp_path / "copy")
    assert bucket.read("empty") == (tmp_path / "copy").read_bytes() == b""


def test_a_directory_that_went_away_is_said_to_be_away(tmp_path: Path) -> None:
    bucket = LocalBucket(tmp_path / "gone")
    with pytest.raises(BucketAway, match="the directory does not exist"):
        list(bucket.keys(""))
    with pytest.raises(BucketAway):
        bucket.read("a")


def test_a_store_that_does_not_answer_is_away_within_seconds(tmp_path: Path) -> None:
    bucket = GcsBucket("ghost", emulator_host=f"http://127.0.0.1:{free_port()}")
    began = time.monotonic()
    with pytest.raises(BucketAway, match="gs://ghost is out of reach"):
        bucket.read("a")
    assert time.monotonic() - began < 15


def test_a_half_written_file_is_not_listed(tmp_path: Path) -> None:
    bucket = LocalBucket(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".tmp-123").write_bytes(b"half")
    bucket.write("a/whole", b"x")
    assert list(bucket.keys("a/")) == ["a/whole"]


def test_an_upload_that_fails_leaves_the_old_object(tmp_path: Path) -> None:
    bucket = LocalBucket(tmp_path / "bucket")
    bucket.write("a", b"old")
    source = tmp_path / "source"
    source.write_bytes(b"new")

    def full_disk(_num_bytes: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(BucketAway, match="No space left"):
        bucket.upload("a", source, full_disk)
    assert bucket.read("a") == b"old"
    assert list(bucket.keys("")) == ["a"]


@pytest.mark.parametrize("url", ["", "s3://bucket", "gs://", "/var/bucket"])
def test_a_url_of_another_kind_is_refused_with_the_kinds_there_are(url: str) -> None:
    with pytest.raises(ValueError, match=r"it must be file:///absolute/directory or gs://bucket/prefix"):
        open_bucket(url)
