"""Our small bucket: a local directory or Google Cloud Storage behind the same few verbs.

Keys are slash-separated relative paths, spelt only by `contracts.manifest`. Writes are atomic: a reader sees the old
object, the new one, or none. Nothing here knows what an object means.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import urlparse

import requests
from google.api_core import exceptions as gcs_errors
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

CHUNK_BYTES = 8 << 20
RETRY = DEFAULT_RETRY.with_timeout(8.0)
"""Google's own would try for two minutes before it says that the bucket is away."""
TIMEOUT_S = 5.0
"""For one answer to a question about keys or a small object."""
Progress = Callable[[int], None]
"""Called with the number of bytes just moved."""


class BucketAway(RuntimeError):
    """The bucket cannot be reached or refuses us; trying again later may work."""

    def __init__(self, url: str, why: object) -> None:
        super().__init__(f"the bucket {url} is out of reach: {why}")


class NoSuchKey(KeyError):
    """No object stands under this key."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"there is no {self.key!r} in the bucket"


class Bucket(Protocol):
    """The verbs. All raise `BucketAway` when the store cannot be reached, and reads raise `NoSuchKey`."""

    url: str

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys that start with `prefix`, in order."""

    def folders(self, prefix: str) -> list[str]:
        """The names of the folders right below `prefix`, which ends with a slash; in order, whatever lies in them."""

    def read(self, key: str) -> bytes:
        """A small object, whole."""

    def write(self, key: str, content: bytes) -> None:
        """Put a small object, replacing what stood there."""

    def upload(self, key: str, source: Path, progress: Progress = lambda _: None) -> None:
        """Put a file, replacing what stood there."""

    def download(self, key: str, target: Path, progress: Progress = lambda _: None) -> None:
        """Copy an object to `target`, whole or not at all."""

    def delete(self, key: str) -> None:
        """Remove an object; removing what is not there is fine."""

    def local_path(self, key: str) -> Path | None:
        """The object as a file that may be mapped into memory, where the store has one."""


def open_bucket(url: str, *, emulator_host: str = "") -> Bucket:
    """The bucket at `file:///directory` or `gs://name/prefix`."""
    parts = urlparse(url)
    if parts.scheme == "file":
        return LocalBucket(Path(parts.path))
    if parts.scheme == "gs" and parts.netloc:
        return GcsBucket(parts.netloc, parts.path.strip("/"), emulator_host=emulator_host)
    raise ValueError(f"BUCKET_URL is {url!r}; it must be file:///absolute/directory or gs://bucket/prefix")


def _checked_key(key: str) -> str:
    if "\\" in key or "\0" in key or any(part in ("", ".", "..") for part in key.split("/")):
        raise ValueError(f"{key[:80]!r} is not a bucket key")
    return key


class LocalBucket:
    """A directory. An object is a file, written beside its place, flushed to disk and renamed into it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = f"file://{root}"

    def keys(self, prefix: str) -> Iterator[str]:
        self._ask_root()
        folder = self.root / prefix.rpartition("/")[0]
        found = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".tmp-"))
        for path in found:
            key = path.relative_to(self.root).as_posix()
            if key.startswith(prefix):
                yield key

    def folders(self, prefix: str) -> list[str]:
        self._ask_root()
        folder = self.root / prefix
        return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []

    def read(self, key: str) -> bytes:
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            self._ask_root()
            raise NoSuchKey(key) from None
        except OSError as error:
            raise BucketAway(self.url, error) from error

    def write(self, key: str, content: bytes) -> None:
        self._put(key, lambda handle: handle.write(content))

    def upload(self, key: str, source: Path, progress: Progress = lambda _: None) -> None:
        with source.open("rb") as reading:
            self._put(key, lambda handle: _copy(reading, handle, progress))

    def download(self, key: str, target: Path, progress: Progress = lambda _: None) -> None:
        try:
            with self._path(key).open("rb") as reading:
                _replace(target, lambda handle: _copy(reading, handle, progress))
        except FileNotFoundError:
            self._ask_root()
            raise NoSuchKey(key) from None
        except OSError as error:
            raise BucketAway(self.url, error) from error

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def local_path(self, key: str) -> Path | None:
        return self._path(key)

    def _path(self, key: str) -> Path:
        return self.root / _checked_key(key)

    def _ask_root(self) -> None:
        if not self.root.is_dir():
            raise BucketAway(self.url, "the directory does not exist")

    def _put(self, key: str, fill: Callable[[BinaryIO], object]) -> None:
        try:
            _replace(self._path(key), fill)
        except OSError as error:
            raise BucketAway(self.url, error) from error


class GcsBucket:
    """Google Cloud Storage. Credentials are found as Google's client finds them; an emulator needs none."""

    def __init__(self, name: str, prefix: str = "", *, emulator_host: str = "") -> None:
        self.url = f"gs://{name}/{prefix}".rstrip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        try:
            if emulator_host:
                client = storage.Client(
                    project="emulator",
                    credentials=AnonymousCredentials(),
                    client_options={"api_endpoint": emulator_host},
                )
            else:
                client = storage.Client()
        except (GoogleAuthError, OSError) as error:
            raise BucketAway(self.url, error) from error
        self._bucket = client.bucket(name)

    def keys(self, prefix: str) -> Iterator[str]:
        with self._reached():
            blobs = list(self._bucket.list_blobs(prefix=self._prefix + prefix, timeout=TIMEOUT_S, retry=RETRY))
        yield from sorted(str(blob.name).removeprefix(self._prefix) for blob in blobs)

    def folders(self, prefix: str) -> list[str]:
        with self._reached():
            listing = self._bucket.list_blobs(
                prefix=self._prefix + prefix, delimiter="/", timeout=TIMEOUT_S, retry=RETRY
            )
            list(listing)  # the folders are known when the pages have been read
        return sorted(str(name).rstrip("/").rpartition("/")[2] for name in listing.prefixes)

    def read(self, key: str) -> bytes:
        with self._reached(key):
            return bytes(self._blob(key).download_as_bytes(timeout=TIMEOUT_S, retry=RETRY))

    def write(self, key: str, content: bytes) -> None:
        with self._reached(key):
            self._blob(key).upload_from_string(
                content, content_type="application/octet-stream", timeout=TIMEOUT_S, retry=RETRY
            )

    def upload(self, key: str, source: Path, progress: Progress = lambda _: None) -> None:
        with self._reached(key):
            self._blob(key).upload_from_filename(str(source), retry=RETRY)
        progress(source.stat().st_size)

    def download(self, key: str, target: Path, progress: Progress = lambda _: None) -> None:
        with self._reached(key):
            blob = self._blob(key)
            blob.reload(timeout=TIMEOUT_S, retry=RETRY)
            size = int(blob.size or 0)

            def fill(handle: BinaryIO) -> None:
                for start in range(0, size, CHUNK_BYTES):
                    chunk = blob.download_as_bytes(
                        start=start,
                        end=min(start + CHUNK_BYTES, size) - 1,
                        if_generation_match=blob.generation,
                        retry=RETRY,
                    )
                    handle.write(chunk)
                    progress(len(chunk))

            _replace(target, fill)

    def delete(self, key: str) -> None:
        try:
            with self._reached(key):
                self._blob(key).delete(timeout=TIMEOUT_S, retry=RETRY)
        except NoSuchKey:
            return

    def local_path(self, key: str) -> Path | None:  # noqa: ARG002 - the protocol names it
        return None

    def _blob(self, key: str) -> storage.Blob:
        return self._bucket.blob(self._prefix + _checked_key(key))

    @contextmanager
    def _reached(self, key: str = "") -> Iterator[None]:
        try:
            yield
        except gcs_errors.NotFound:
            raise NoSuchKey(key or self.url) from None
        except (gcs_errors.GoogleAPIError, GoogleAuthError, requests.RequestException) as error:
            raise BucketAway(self.url, error) from error


def _copy(reading: BinaryIO, writing: BinaryIO, progress: Progress) -> None:
    while chunk := reading.read(CHUNK_BYTES):
        writing.write(chunk)
        progress(len(chunk))


def _replace(target: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Write a file so that a crash at any moment leaves the old one or the new one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".tmp-", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as writing:
            fill(writing)
            writing.flush()
            os.fsync(writing.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
