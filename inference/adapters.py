"""Adapters between the bucket and an engine: found by id, checked, loaded by the first request, let go when idle.

An adapter exists while its manifest does. Nobody is told of one whose owner they are not. It is loaded in a worker
thread beside the engine, so those who write meanwhile do not wait; at most `inference_max_adapters` stay with one
checkpoint, and the one that was idle longest makes room. `AdapterShelf` asks the bucket for all of a process;
`Adapters` are those of one resident checkpoint. Lives on the event loop; knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from uuid import UUID

import structlog
from pydantic import ValidationError

from contracts.bucket import Bucket, BucketAway, NoSuchKey
from contracts.manifest import (
    ADAPTERS,
    AdapterManifest,
    BadName,
    CheckpointManifest,
    adapter_key,
    adapter_manifest_key,
    weights_sha256,
)
from inference.checkpoints import CheckpointError, Progress, fetch_files, quiet
from inference.engine import Engine
from inference.lora import CONFIG, WEIGHTS, AdapterError, AdapterWeights
from inference.refusals import UnknownVoice, VoiceRefused, VoicesBusy
from inference.shelf import FRESH_S, PATIENCE_S, Shelf
from lyrics.originality import IndexUnreadable, OriginalityIndex

SAFE_SUFFIXES = (".safetensors", ".json", ".npy", ".txt", ".md")
MAX_FILES = 64
MAX_BYTES = 2 << 30
"""Of all files: the weights have a smaller limit of their own, the rest is the index of the songs."""
SHARED_FRESH_S = 5.0
MAX_KNOWN = 1_000
MAX_CACHED = 64
"""Adapters whose downloaded files are kept on this machine."""
log = structlog.get_logger()


class AdapterCorrupt(CheckpointError):
    """An adapter whose bytes are not what its manifest says."""

    def __init__(self, why: str) -> None:
        super().__init__(f"its files are corrupt: {why}; train it again")


@dataclass(frozen=True)
class AdapterListing:
    """One adapter in the bucket. `manifest` is None when it cannot be read; `reason` says why it cannot be used."""

    name: str
    digest: str
    manifest: AdapterManifest | None
    reason: str = ""

    def is_for(self, user: str) -> bool:
        """Whether who is called `user` may know of it."""
        owner = self.manifest and self.manifest.owner_id
        return owner is None or str(owner) == user


def read_adapter(bucket: Bucket, name: str) -> AdapterListing:
    """What the manifest of an adapter says.

    Raises:
        NoSuchKey, BadName: there is none of this name.
        BucketAway: the bucket cannot be reached.
    """
    content = bucket.read(adapter_manifest_key(name))
    digest = hashlib.sha256(content).hexdigest()
    try:
        manifest = AdapterManifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        return AdapterListing(name, digest, None, f"its manifest cannot be read: {where}: {first['msg']}")
    return AdapterListing(name, digest, manifest, _why_not(name, manifest))


def _why_not(name: str, manifest: AdapterManifest) -> str:
    paths = [entry.path for entry in manifest.files]
    unsafe = [path for path in paths if not path.endswith(SAFE_SUFFIXES)]
    if manifest.adapter_id != name:
        return f"its manifest belongs to {manifest.adapter_id!r}"
    if not manifest.is_whole:
        return "its manifest was altered after it was sealed; train it again"
    if unsafe:
        return f"it holds {unsafe[0]!r}; only {', '.join(SAFE_SUFFIXES)} are ever read"
    if len(paths) > MAX_FILES or sum(entry.size_bytes for entry in manifest.files) > MAX_BYTES:
        return f"it has more than {MAX_FILES} files or {MAX_BYTES >> 30} GB"
    if folder_of(manifest) is None:
        return f"it holds no {CONFIG} with a {WEIGHTS} beside it"
    return ""


def folder_of(manifest: AdapterManifest) -> str | None:
    """Where PEFT's two files lie among the adapter's files; "" is at the top."""
    paths = {entry.path for entry in manifest.files}
    for path in sorted(paths):
        folder, _, name = path.rpartition("/")
        if name == CONFIG and f"{folder}/{WEIGHTS}".lstrip("/") in paths:
            return folder
    return None


def fetch_adapter(bucket: Bucket, listing: AdapterListing, cache: Path, progress: Progress = quiet) -> Path:
    """A directory with PEFT's two files, and `originality/` where there is one, each holding the manifest's bytes.

    Raises:
        AdapterCorrupt: it cannot be used, or a file is missing or differs.
        NoSuchKey: it was deleted meanwhile.
        BucketAway: the bucket cannot be reached.
    """
    folder = folder_of(listing.manifest) if listing.manifest else None
    if listing.manifest is None or listing.reason or folder is None:
        raise AdapterCorrupt(listing.reason)
    target = cache / "adapters" / listing.name / listing.digest[:16]
    fetch_files(
        bucket,
        adapter_key(listing.name, ""),
        listing.manifest.files,
        target,
        cache / "verified-adapters.json",
        AdapterCorrupt,
        progress,
    )
    os.utime(target.parent)
    for old in target.parent.iterdir():
        if old != target:
            shutil.rmtree(old, ignore_errors=True)
    by_use = sorted(target.parent.parent.iterdir(), key=lambda path: path.stat().st_mtime)
    for old in by_use[:-MAX_CACHED]:
        shutil.rmtree(old, ignore_errors=True)
    return target / folder


class AdapterShelf:
    """What the bucket says of adapters, each manifest asked for at most every two seconds."""

    def __init__(self, shelf: Shelf, cache: Path) -> None:
        self._shelf = shelf
        self._cache = cache
        self._known: dict[str, tuple[float, AdapterListing]] = {}  # when it was read
        self._shared: tuple[float, list[AdapterListing]] = (float("-inf"), [])
        self._asking: asyncio.Task[None] | None = None

    async def find(self, name: str, *, or_known: bool = False) -> AdapterListing:
        """The adapter of this id as the bucket has it now; with `or_known`, as it had it last where the bucket is away.

        Raises:
            UnknownVoice: there is none.
            BucketAway: the bucket is out of reach.
        """
        asked_at, known = self._known.get(name, (float("-inf"), None))
        if known is not None and monotonic() - asked_at <= FRESH_S:
            return known
        try:
            listing = await self._read(name)
        except BadName:
            raise UnknownVoice(name) from None
        except NoSuchKey:
            self._known.pop(name, None)
            shutil.rmtree(self._cache / "adapters" / name, ignore_errors=True)  # of who was deleted nothing stays
            raise UnknownVoice(name) from None
        except BucketAway:
            if known is not None and or_known:
                return known
            raise
        self._known.pop(name, None)  # the one asked for last comes last
        self._known[name] = (monotonic(), listing)
        for oldest in [*self._known][:-MAX_KNOWN]:
            del self._known[oldest]
        return listing

    async def shared(self) -> list[AdapterListing]:
        """The adapters that are everybody's, by name, as they were some seconds ago; the last known while the bucket is
        away. An adapter that is named by a UUID is a person's."""
        if self._asking is None or self._asking.done():
            if monotonic() - self._shared[0] <= SHARED_FRESH_S:
                return self._shared[1]
            self._asking = asyncio.create_task(self._list_shared())
        await asyncio.wait({self._asking}, timeout=PATIENCE_S)
        return self._shared[1]

    async def _read(self, name: str) -> AdapterListing:
        try:
            return await asyncio.wait_for(
                asyncio.to_thread(lambda: read_adapter(self._shelf.bucket(), name)), PATIENCE_S
            )
        except TimeoutError:
            raise BucketAway(self._shelf.url, f"no answer in {PATIENCE_S:.0f} s") from None

    async def _list_shared(self) -> None:
        try:
            found = await asyncio.to_thread(lambda: list(_shared(self._shelf.bucket())))
        except BucketAway:
            found = self._shared[1]
        self._shared = (monotonic(), found)


def _shared(bucket: Bucket) -> Iterator[AdapterListing]:
    for name in bucket.folders(ADAPTERS):
        if not _is_uuid(name):
            try:
                listing = read_adapter(bucket, name)
            except (NoSuchKey, BadName):
                continue
            if listing.is_for(""):
                yield listing


def _is_uuid(name: str) -> bool:
    try:
        UUID(name)
    except ValueError:
        return False
    return True


@dataclass(eq=False)
class ResidentAdapter:
    """An adapter in an engine, under the name `key`. A retired one is dropped with the last who borrowed it."""

    listing: AdapterListing
    key: str
    index: OriginalityIndex | None
    """Of the songs that it was trained on."""
    num_borrowed: int = 0
    last_used: float = field(default_factory=monotonic)
    retired: bool = False


class Adapters:
    """The adapters of one resident checkpoint."""

    def __init__(self, engine: Engine, base: CheckpointManifest, shelf: Shelf, cache: Path, max_adapters: int) -> None:
        self._engine = engine
        self._base = base
        self._base_sha256 = weights_sha256(base)
        self._shelf = shelf
        self._cache = cache
        self._max_adapters = max_adapters
        self._resident: dict[str, ResidentAdapter] = {}
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._refused: dict[str, tuple[str, str]] = {}  # name -> digest of the refused manifest, reason

    def __len__(self) -> int:
        return len(self._resident)

    def names(self) -> list[str]:
        """Those in memory."""
        return [*self._resident]

    async def borrow(self, listing: AdapterListing) -> ResidentAdapter:
        """The adapter, loaded if need be; pair it with `give_back`.

        Raises:
            UnknownVoice, VoiceRefused, VoicesBusy: why it cannot be had.
            BucketAway: it is not resident, and the bucket is out of reach.
        """
        while True:
            adapter = self._resident.get(listing.name)
            if adapter is not None and adapter.listing.digest == listing.digest:
                adapter.num_borrowed += 1
                return adapter
            if reason := self.why_refused(listing):
                raise VoiceRefused(listing.name, reason)
            if listing.name not in self._loading:
                task = asyncio.create_task(self._bring_in(listing))
                task.add_done_callback(lambda task: task.cancelled() or task.exception())  # who waited may have left
                self._loading[listing.name] = task
            await asyncio.shield(self._loading[listing.name])

    def give_back(self, adapter: ResidentAdapter) -> None:
        """The end of a `borrow`."""
        adapter.num_borrowed -= 1
        adapter.last_used = monotonic()
        if adapter.retired and not adapter.num_borrowed:
            self._engine.drop_adapter(adapter.key)

    def state(self, listing: AdapterListing) -> str:
        """The state of a voice that is resident or on its way, else ""."""
        adapter = self._resident.get(listing.name)
        if listing.name in self._loading:
            return "loading"
        return "resident" if adapter is not None and adapter.listing.digest == listing.digest else ""

    def why_refused(self, listing: AdapterListing) -> str:
        """Why it will not serve on this checkpoint; "" when nothing is known against it."""
        manifest = listing.manifest
        if listing.reason or manifest is None:
            return listing.reason
        if manifest.base_sha256 != self._base_sha256:
            return f"it was trained on other weights than {self._base.name!r} has now; train it again on these"
        if manifest.architecture != self._base.architecture:
            return f"it is for {manifest.architecture}, and {self._base.name!r} is {self._base.architecture}"
        digest, reason = self._refused.get(listing.name, ("", ""))
        return reason if digest == listing.digest else ""

    def retire(self, name: str) -> None:
        """Take it out of service now, and out of memory when the last of its requests ends."""
        adapter = self._resident.pop(name, None)
        if adapter is None:
            return
        adapter.retired = True
        if not adapter.num_borrowed:
            self._engine.drop_adapter(adapter.key)

    async def _bring_in(self, listing: AdapterListing) -> None:
        name, began = listing.name, monotonic()
        try:
            self.retire(name)  # its manifest has changed
            self._make_room(name)
            adapter = await asyncio.to_thread(self._load, listing)
            self._resident[name] = adapter
            self._refused.pop(name, None)
            log.info("adapter_loaded", adapter=name, base=self._base.name, load_s=round(monotonic() - began, 3))
        except VoiceRefused as error:
            self._refused[name] = (listing.digest, error.reason)
            log.error("adapter_refused", adapter=name, reason=error.reason)
            raise
        finally:
            del self._loading[name]

    def _make_room(self, name: str) -> None:
        ahead = list(self._loading).index(name)
        while len(self._resident) + ahead >= self._max_adapters:
            idle = [adapter for adapter in self._resident.values() if not adapter.num_borrowed]
            if not idle:
                raise VoicesBusy(name, "every adapter in memory is writing; try again in a moment")
            oldest = min(idle, key=lambda adapter: adapter.last_used).listing.name
            log.info("adapter_evicted", adapter=oldest, for_adapter=name)
            self.retire(oldest)

    def _load(self, listing: AdapterListing) -> ResidentAdapter:
        """Fetch, verify and put into the engine, in a worker thread."""
        try:
            folder = fetch_adapter(self._shelf.bucket(), listing, self._cache)
            weights = AdapterWeights.read(folder, self._engine.runner.network)
            index = OriginalityIndex.load(folder / "originality") if (folder / "originality").is_dir() else None
            self._engine.token_words()  # ahead of the first free text
        except NoSuchKey:
            raise UnknownVoice(listing.name) from None
        except (AdapterCorrupt, AdapterError) as error:
            raise VoiceRefused(listing.name, str(error)) from error
        except IndexUnreadable as error:
            said = "its index of learned lines is damaged, so no line could be kept from being a copy: train it again"
            raise VoiceRefused(listing.name, said) from error
        except BucketAway:
            raise
        except MemoryError as error:
            raise VoicesBusy(listing.name, f"out of memory: {error}") from error
        except Exception as error:  # whatever an adapter's bytes provoke, the other voices go on serving
            raise VoiceRefused(listing.name, f"it cannot be loaded: {error or type(error).__name__}") from error
        key = f"{listing.name}@{listing.digest[:16]}"
        self._engine.put_adapter(key, weights)
        return ResidentAdapter(listing, key, index)
