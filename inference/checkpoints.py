"""Checkpoints between the bucket and a directory: list, fetch with verified bytes, publish, verify.

A checkpoint exists when its manifest does, and it is what the manifest says: a file whose size or SHA-256 differs makes
it corrupt. Only safetensors and the text files of a config and a tokenizer are ever accepted, so nothing here can run
code out of a download. Knows nothing of networks, engines or HTTP.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from contracts.bucket import CHUNK_BYTES, Bucket, NoSuchKey, open_bucket
from contracts.manifest import (
    CHECKPOINTS,
    MANIFEST,
    BadName,
    CheckpointManifest,
    FileEntry,
    checked_name,
    checkpoint_key,
    checkpoint_manifest_key,
)
from contracts.settings import Settings

SAFE_SUFFIXES = (".safetensors", ".json", ".txt")
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many bytes are done, and how many there are."""


def quiet(_what: str, _done: int, _total: int) -> None:
    """A `Progress` that nobody watches."""


class CheckpointError(Exception):
    """A checkpoint that cannot be used as it is; the message says why and what to do."""


class CheckpointCorrupt(CheckpointError):
    """A checkpoint whose bytes are not what its manifest says."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"checkpoint {name!r} is corrupt: {why}; add it again with `ghost checkpoints add`")
        self.name = name


@dataclass(frozen=True)
class Listing:
    """One name in the bucket. `manifest` is None when it cannot be used, and `reason` then says why."""

    name: str
    digest: str
    manifest: CheckpointManifest | None
    reason: str = ""


def bucket_of(settings: Settings) -> Bucket:
    """The stack's bucket. The default directory is made when it is missing; one that was named must exist."""
    if not settings.bucket_url:
        (settings.home / "bucket").mkdir(parents=True, exist_ok=True)
    return open_bucket(settings.bucket, emulator_host=settings.storage_emulator_host)


def list_checkpoints(bucket: Bucket) -> dict[str, Listing]:
    """Every checkpoint whose manifest stands in the bucket, by name; folders with impossible names are passed over.

    Raises:
        BucketAway: the bucket cannot be listed.
    """
    found = {}
    for key in bucket.keys(CHECKPOINTS):
        name, _, file = key.removeprefix(CHECKPOINTS).partition("/")
        if file != MANIFEST:
            continue
        try:
            found[name] = _read_listing(bucket, checked_name(name))
        except (BadName, NoSuchKey):  # NoSuchKey: it was removed since the keys were listed
            continue
    return found


def _read_listing(bucket: Bucket, name: str) -> Listing:
    content = bucket.read(checkpoint_manifest_key(name))
    digest = hashlib.sha256(content).hexdigest()
    try:
        manifest = CheckpointManifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        return Listing(name, digest, None, f"its manifest cannot be read: {where}: {first['msg']}")
    paths = [entry.path for entry in manifest.files]
    unsafe = [path for path in paths if not path.endswith(SAFE_SUFFIXES)]
    if manifest.name != name:
        return Listing(name, digest, None, f"its manifest belongs to {manifest.name!r}")
    if unsafe:
        return Listing(name, digest, None, f"it holds {unsafe[0]!r}; only safetensors, json and txt are ever read")
    if "config.json" not in paths or not any(path.endswith(".safetensors") for path in paths):
        return Listing(name, digest, None, "it holds no config.json or no safetensors")
    return Listing(name, digest, manifest)


def is_published(bucket: Bucket, name: str) -> bool:
    """Whether the manifest of `name` stands in the bucket."""
    try:
        bucket.read(checkpoint_manifest_key(name))
    except NoSuchKey:
        return False
    return True


def publish(bucket: Bucket, manifest: CheckpointManifest, files: dict[str, Path], progress: Progress = quiet) -> None:
    """Put `files` (by their path in the checkpoint) into the bucket, then the manifest, then drop what it replaced.

    `manifest.files` is filled in here. A crash in between leaves no manifest, or an old one whose checksums expose it.
    """
    total = 2 * sum(file.stat().st_size for file in files.values())
    done = 0

    def step(num_bytes: int) -> None:
        nonlocal done
        done += num_bytes
        progress("storing", done, total)

    entries = []
    for path, file in files.items():
        entries.append(FileEntry(path=path, size_bytes=file.stat().st_size, sha256=_sha256(file, step)))
        bucket.upload(checkpoint_key(manifest.name, path), file, step)
    whole = manifest.model_copy(update={"files": tuple(entries), "created_at": datetime.now(UTC)})
    bucket.write(checkpoint_manifest_key(manifest.name), whole.model_dump_json(indent=2).encode())
    kept = {checkpoint_key(manifest.name, path) for path in (*files, MANIFEST)}
    for key in list(bucket.keys(checkpoint_key(manifest.name, ""))):
        if key not in kept:
            bucket.delete(key)


def fetch(bucket: Bucket, listing: Listing, cache: Path, progress: Progress = quiet) -> Path:
    """A directory with exactly the manifest's files, each holding the bytes that the manifest promises.

    A local bucket is read in place (the directory holds links); any other is downloaded once into `cache`. Checksums
    that were verified before are remembered in `cache` and trusted while the file is untouched.

    Raises:
        CheckpointCorrupt: a file is missing or differs.
        BucketAway: the bucket cannot be reached.
    """
    manifest = _usable(listing)
    target = cache / "checkpoints" / listing.name / listing.digest[:16]
    fetch_files(
        bucket,
        checkpoint_key(listing.name, ""),
        manifest.files,
        target,
        cache / "verified.json",
        partial(CheckpointCorrupt, listing.name),
        progress,
    )
    for old in target.parent.iterdir():
        if old != target:
            shutil.rmtree(old, ignore_errors=True)
    return target


def fetch_files(
    bucket: Bucket,
    folder: str,
    files: Sequence[FileEntry],
    target: Path,
    memory: Path,
    corrupt: Callable[[str], Exception],
    progress: Progress = quiet,
) -> None:
    """Have in `target` exactly these files of the bucket's `folder`, which ends with a slash: verified, and links where
    the bucket is local. `memory` remembers what was verified; `corrupt` makes the error that says why a file is not.

    Raises:
        BucketAway: the bucket cannot be reached.
    """
    verified = VerifiedFiles(memory)
    total = sum(entry.size_bytes for entry in files)
    before = 0
    for entry in files:
        key, place = folder + entry.path, target / entry.path
        place.parent.mkdir(parents=True, exist_ok=True)
        report = _reporter(progress, "verifying", before, total)
        stored = bucket.local_path(key)
        if stored is not None:
            _link(place, stored)
            file = stored
        else:
            file = place
            if not verified.holds(file, entry, report):
                try:
                    bucket.download(key, place, _reporter(progress, "downloading", before, total))
                except NoSuchKey:
                    raise corrupt(f"{entry.path} is missing") from None
        if not file.is_file():
            bucket.read(folder + MANIFEST)  # the whole bucket may be away: that is no corruption
        _check(entry, file, verified, corrupt, report)
        before += entry.size_bytes
    verified.save()


def verify(bucket: Bucket, listing: Listing, cache: Path, progress: Progress = quiet) -> None:
    """Read every byte of a checkpoint again, trusting nothing remembered.

    Raises:
        CheckpointCorrupt: a file is missing or differs.
        BucketAway: the bucket cannot be reached.
    """
    VerifiedFiles(cache / "verified.json").forget_all()
    if bucket.local_path(checkpoint_manifest_key(listing.name)) is None:
        shutil.rmtree(cache / "checkpoints" / listing.name, ignore_errors=True)
    fetch(bucket, listing, cache, progress)


def _usable(listing: Listing) -> CheckpointManifest:
    if listing.manifest is None:
        raise CheckpointCorrupt(listing.name, listing.reason)
    return listing.manifest


def _check(
    entry: FileEntry,
    file: Path,
    verified: VerifiedFiles,
    corrupt: Callable[[str], Exception],
    report: Callable[[int], None],
) -> None:
    try:
        size = file.stat().st_size
    except FileNotFoundError:
        raise corrupt(f"{entry.path} is missing") from None
    if size != entry.size_bytes:
        raise corrupt(f"{entry.path} has {size} bytes, its manifest says {entry.size_bytes}")
    if not verified.holds(file, entry, report):
        raise corrupt(f"the checksum of {entry.path} is not the one in its manifest")


class VerifiedFiles:
    """Which files have been hashed, and what they looked like then: a small JSON file, so that a restart is quick.

    A file counts as untouched while size, modification time, change time and inode are the same; the change time
    cannot be set by hand, so an edit that restores the modification time is seen too.
    """

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._seen = self._remembered()

    def holds(self, file: Path, entry: FileEntry, report: Callable[[int], None]) -> bool:
        """Whether `file` holds the bytes of `entry`; hashes it when that is not known already."""
        if not file.is_file():
            return False
        now = _fingerprint(file, entry.sha256)
        if self._seen.get(str(file)) == now:
            return True
        if file.stat().st_size != entry.size_bytes or _sha256(file, report) != entry.sha256:
            self._seen.pop(str(file), None)
            return False
        self._seen[str(file)] = now
        return True

    def forget_all(self) -> None:
        """Have every file hashed again."""
        self._memory.unlink(missing_ok=True)

    def save(self) -> None:
        """Remember what was verified beside what others verified meanwhile, and drop files that are gone."""
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        kept = {path: seen for path, seen in (self._remembered() | self._seen).items() if Path(path).exists()}
        temporary = self._memory.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(kept, indent=1))
        temporary.replace(self._memory)

    def _remembered(self) -> dict[str, list[int | str]]:
        try:
            remembered = json.loads(self._memory.read_text())
        except (OSError, ValueError):
            return {}  # nothing remembered: everything is hashed again
        return remembered if isinstance(remembered, dict) else {}


def _fingerprint(file: Path, sha256: str) -> list[int | str]:
    stat = file.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, sha256]


def _link(place: Path, stored: Path) -> None:
    if place.is_symlink() and place.readlink() == stored:
        return
    place.unlink(missing_ok=True)
    place.symlink_to(stored)


def _reporter(progress: Progress, what: str, before: int, total: int) -> Callable[[int], None]:
    done = before

    def report(num_bytes: int) -> None:
        nonlocal done
        done += num_bytes
        progress(what, done, total)

    return report


def _sha256(file: Path, report: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as reading:
        while chunk := reading.read(CHUNK_BYTES):
            digest.update(chunk)
            report(len(chunk))
    return digest.hexdigest()
