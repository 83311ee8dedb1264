"""Which checkpoints of the bucket are cold, loading, resident or refused, and the engines of those that are resident.

A request borrows a voice by name and gives it back. The first to name a cold one starts its load, in a worker thread;
whoever names it meanwhile waits for the same load, and the other voices go on serving. At most `inference_max_resident`
are kept: the one that was idle longest makes room. A name that no checkpoint has is an adapter's: its base is borrowed,
and from that the adapter (`inference.adapters`). Lives on the event loop; knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import structlog
import torch

from contracts.bucket import BucketAway
from contracts.manifest import CheckpointManifest
from contracts.settings import Settings
from contracts.wire import VoiceCard
from inference.adapters import AdapterListing, Adapters, AdapterShelf, ResidentAdapter
from inference.checkpoints import CheckpointCorrupt, Listing, Progress, bucket_of, fetch
from inference.engine import Engine, EngineStats
from inference.refusals import Stopping, UnknownVoice, VoiceRefused, VoicesBusy
from inference.shelf import Shelf
from inference.telemetry import Telemetry
from inference.trie import Unspellable

KEEP_EVERY_S = 2.0
SWEEP_EVERY_S = 20.0
"""How soon adapters that were deleted leave the memory, if nobody asks for them."""
CRAFTED_LINES = 2
log = structlog.get_logger()


@dataclass
class Voice:
    """One resident checkpoint. `num_borrowed` counts the requests that hold it; a retired one ends with the last."""

    name: str
    digest: str
    manifest: CheckpointManifest
    engine: Engine
    adapters: Adapters
    indexes: Path
    """Where the originality indexes lie."""
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CRAFTED_LINES))
    """Who crafts a line takes one while it is written."""
    num_borrowed: int = 0
    last_used: float = field(default_factory=monotonic)
    retired: bool = False


@dataclass(frozen=True)
class Loan:
    """What a request borrowed: a voice, with one of its adapters or bare, and how long it had to be waited for."""

    voice: Voice
    adapter: ResidentAdapter | None = None
    load_ms: int = 0


@dataclass
class Loading:
    """One load under way."""

    task: asyncio.Task[None]
    status: str = "waiting"


class Voices:
    """All voices of one process."""

    def __init__(self, settings: Settings, telemetry: Telemetry) -> None:
        self._settings = settings
        self._telemetry = telemetry
        self._shelf = Shelf(lambda: bucket_of(settings), settings.bucket)
        self._adapter_shelf = AdapterShelf(self._shelf, settings.home / "cache")
        self._preloads = tuple(name.strip() for name in settings.inference_preload.split(",") if name.strip())
        self._due = set(self._preloads)  # preloads that are not resident yet, or whose engine has failed
        self._resident: dict[str, Voice] = {}
        self._loading: dict[str, Loading] = {}
        self._refused: dict[str, tuple[str, str]] = {}  # name -> digest of the refused manifest, reason
        self._background: set[asyncio.Task[None]] = set()
        self._stopping = False
        telemetry.watch(self.stats)

    def start(self) -> None:
        """Begin to keep the preloads resident, and deleted adapters away."""
        self._spawn(self._keep_preloads())
        self._spawn(self._sweep_adapters())

    async def stop(self) -> None:
        """Abort what is being written or loaded and wait for the engines to end."""
        self._stopping = True
        for task in list(self._background):
            task.cancel()
        voices, self._resident = list(self._resident.values()), {}
        await asyncio.gather(*(asyncio.to_thread(voice.engine.stop) for voice in voices))
        await asyncio.gather(*(loading.task for loading in self._loading.values()), return_exceptions=True)

    def stop_writing(self) -> None:
        """End every text where it is, so that its reader gets a clean last piece. Returns at once."""
        self._stopping = True
        for voice in self._resident.values():
            self._spawn(asyncio.to_thread(voice.engine.stop))

    async def borrow(self, name: str, user: str = "") -> Loan:
        """The voice `name` for a person, loaded if need be; pair it with `give_back`.

        Raises:
            UnknownVoice, VoiceRefused, VoicesBusy, Stopping: why it cannot be had.
            BucketAway: it is not resident, and the bucket is out of reach.
        """
        began = monotonic()
        listings = self._shelf.known() or await self._shelf.fresh()
        listing = None if name in listings else await self._find_adapter(name, user)
        if listing is None or listing.manifest is None:
            voice, is_loaded = await self._borrow_checkpoint(name)
            return Loan(voice, None, _ms_since(began) if is_loaded else 0)
        try:
            voice, is_loaded = await self._borrow_checkpoint(listing.manifest.base)
        except UnknownVoice:
            raise VoiceRefused(
                name, f"its checkpoint {listing.manifest.base!r} is not in the bucket any more"
            ) from None
        try:
            is_loaded |= voice.adapters.state(listing) != "resident"
            adapter = await voice.adapters.borrow(listing)
        except BaseException:
            self._give_back(voice)
            raise
        return Loan(voice, adapter, _ms_since(began) if is_loaded else 0)

    def give_back(self, loan: Loan) -> None:
        """The end of a `borrow`."""
        if loan.adapter is not None:
            loan.voice.adapters.give_back(loan.adapter)
        self._give_back(loan.voice)

    async def _find_adapter(self, name: str, user: str) -> AdapterListing | None:
        """The adapter of this id, if there is one; a stranger's is none.

        Raises:
            UnknownVoice: it is somebody else's, or it was deleted.
            VoiceRefused: its manifest cannot be used.
        """
        try:
            listing = await self._adapter_shelf.find(name, or_known=True)
        except UnknownVoice:
            for voice in self._resident.values():
                voice.adapters.retire(name)
            return None
        if not listing.is_for(user):
            raise UnknownVoice(name)
        if listing.manifest is None or listing.reason:
            raise VoiceRefused(name, listing.reason)
        return listing

    async def _borrow_checkpoint(self, name: str) -> tuple[Voice, bool]:
        """The resident checkpoint, and whether it had to be waited for."""
        is_loaded = False
        while True:
            if self._stopping:
                raise Stopping
            if self._healthy(name) is None:
                listing = (await self._shelf.fresh()).get(name)
            else:
                listing = self._shelf.known().get(name)
            if listing is None:
                raise UnknownVoice(name)
            voice = self._healthy(name)  # it may have come or gone while the bucket was being asked
            if voice is not None and voice.digest == listing.digest:
                voice.num_borrowed += 1
                return voice, is_loaded
            if reason := self._why_refused(listing):
                raise VoiceRefused(name, reason)
            is_loaded = True
            await asyncio.shield(self._load(listing))

    def _give_back(self, voice: Voice) -> None:
        voice.num_borrowed -= 1
        voice.last_used = monotonic()
        if voice.retired and not voice.num_borrowed:
            self._spawn(asyncio.to_thread(_end, voice))

    async def cards(self) -> list[VoiceCard]:
        """Every voice by name, as `GET /v1/models` shows it.

        Raises:
            BucketAway: the bucket is out of reach and has never been listed.
        """
        try:
            listings = await self._shelf.fresh()
        except BucketAway:
            listings = self._shelf.known()
            if not listings:
                raise
        shared = [self._adapter_card(listing, listings) for listing in await self._adapter_shelf.shared()]
        return [
            *(self._card(listing) for _, listing in sorted(listings.items())),
            *(card for card in shared if card.id not in listings),
        ]

    async def unready(self) -> BucketAway | str:
        """Why this process cannot write yet, for a person; empty when it can."""
        try:
            listings = await self._shelf.fresh()
        except BucketAway as error:
            listings = self._shelf.known()
            if not self._resident:
                return error
        if not any(listing.manifest for listing in listings.values()):
            return f"no checkpoint is in the bucket {self._shelf.url} yet; put one there with `ghost checkpoints add`"
        for name in sorted(self._due):
            if name not in listings:
                return f"the checkpoint {name!r}, to be loaded at the start, is not in the bucket {self._shelf.url}"
            state, reason = self._state(listings[name])
            if state == "refused" and any(one.manifest and not self._why_refused(one) for one in listings.values()):
                continue  # the other voices can write, and this one's card says why it does not
            return f"{name}: {reason or 'about to be loaded'}"
        return ""

    def resident(self) -> dict[str, Voice]:
        """The voices in memory, by name."""
        return dict(self._resident)

    def stats(self) -> dict[str, EngineStats]:
        """What each resident engine is doing."""
        return {name: voice.engine.stats() for name, voice in self._resident.items()}

    def _healthy(self, name: str) -> Voice | None:
        """The resident voice; one whose engine has failed is retired here, so that it is loaded anew."""
        voice = self._resident.get(name)
        if voice is None or voice.engine.failure is None:
            return voice
        log.error("engine_failed", voice=name, error=repr(voice.engine.failure))
        self._due |= {name} & set(self._preloads)
        self._retire(voice)
        return None

    def _card(self, listing: Listing) -> VoiceCard:
        state, reason = self._state(listing)
        resident = self._resident.get(listing.name)
        manifest = listing.manifest
        if manifest is None:
            return VoiceCard.model_validate({"id": listing.name, "state": state, "reason": reason})
        return VoiceCard.model_validate(
            {
                "id": listing.name,
                "created": int(manifest.created_at.timestamp()),
                "title": manifest.title or listing.name,
                "licence": manifest.licence,
                "source": manifest.source,
                "architecture": manifest.architecture,
                "num_parameters": manifest.num_parameters,
                "max_len": resident.engine.max_len if resident else self._settings.inference_max_len,
                "state": state,
                "reason": reason,
            }
        )

    def _adapter_card(self, listing: AdapterListing, checkpoints: Mapping[str, Listing]) -> VoiceCard:
        manifest = listing.manifest
        if manifest is None:
            return VoiceCard(id=listing.name, kind="adapter", state="refused", reason=listing.reason)
        base = checkpoints.get(manifest.base)
        if base is None or base.manifest is None:
            under = VoiceCard(id="", state="refused", reason=f"its checkpoint {manifest.base!r} is not in the bucket")
        else:
            under = self._card(base)
        voice = self._resident.get(manifest.base)
        if voice is not None and under.state == "resident":
            reason = voice.adapters.why_refused(listing)
            state = "refused" if reason else voice.adapters.state(listing) or "cold"
        else:
            reason = listing.reason or under.reason
            state = "refused" if listing.reason else "cold" if under.state == "resident" else under.state
        return under.model_copy(
            update={
                "id": listing.name,
                "created": int(manifest.created_at.timestamp()),
                "kind": "adapter",
                "base": manifest.base,
                "number": manifest.number,
                "title": manifest.title,
                "licence": manifest.licence,
                "architecture": manifest.architecture,
                "state": state,
                "reason": reason,
            }
        )

    def _state(self, listing: Listing) -> tuple[str, str]:
        """The state of a voice and what there is to say about it."""
        voice = self._resident.get(listing.name)
        loading = self._loading.get(listing.name)
        if loading is not None:
            return "loading", loading.status
        if voice is not None and voice.digest == listing.digest:
            return "resident", ""
        if reason := self._why_refused(listing):
            return "refused", reason
        return "cold", str(self._shelf.away or "")

    def _why_refused(self, listing: Listing) -> str:
        digest, reason = self._refused.get(listing.name, ("", ""))
        return listing.reason or (reason if digest == listing.digest else "")

    def _load(self, listing: Listing) -> asyncio.Task[None]:
        if listing.name not in self._loading:
            task = asyncio.create_task(self._bring_in(listing))
            task.add_done_callback(lambda task: task.cancelled() or task.exception())  # who waited may have left
            self._loading[listing.name] = Loading(task)
        return self._loading[listing.name].task

    async def _bring_in(self, listing: Listing) -> None:
        name, began, outcome = listing.name, monotonic(), "failed"
        try:
            await self._make_room(name)
            engine = await asyncio.to_thread(self._load_engine, listing, self._loading[name])
            if self._stopping or listing.manifest is None:
                await asyncio.to_thread(engine.stop)
                raise Stopping
            settings = self._settings
            adapters = Adapters(
                engine, listing.manifest, self._shelf, settings.home / "cache", settings.inference_max_adapters
            )
            indexes = settings.home / "indexes"
            self._resident[name] = Voice(name, listing.digest, listing.manifest, engine, adapters, indexes)
            self._due.discard(name)
            outcome = "loaded"
            self._telemetry.load_s.labels(name).observe(monotonic() - began)
            log.info("checkpoint_loaded", voice=name, load_s=round(monotonic() - began, 3), dtype=str(engine.dtype))
        except VoiceRefused as error:
            outcome = "refused"
            self._refused[name] = (listing.digest, error.reason)
            log.error("checkpoint_refused", voice=name, reason=error.reason)
            raise
        finally:
            self._telemetry.loads.labels(name, outcome).inc()
            del self._loading[name]

    async def _make_room(self, name: str) -> None:
        if older := self._resident.get(name):
            self._retire(older)  # its manifest has changed
        ahead = list(self._loading).index(name)
        while len(self._resident) + ahead >= self._settings.inference_max_resident:
            idle = [voice for voice in self._resident.values() if not voice.num_borrowed]
            if not idle:
                raise VoicesBusy(name, "every checkpoint in memory is writing; try again in a moment")
            oldest = min(idle, key=lambda voice: voice.last_used)
            log.info("checkpoint_evicted", voice=oldest.name, for_voice=name)
            oldest.retired = True
            del self._resident[oldest.name]
            await asyncio.to_thread(_end, oldest)  # its memory is free before the new one asks for some

    def _load_engine(self, listing: Listing, loading: Loading) -> Engine:
        """Fetch, verify and load, in a worker thread."""
        settings = self._settings
        logged_at = float("-inf")

        def progress(what: str, done: int, total: int) -> None:
            nonlocal logged_at
            if self._stopping:
                raise Stopping
            begins = not loading.status.startswith(what)
            loading.status = f"{what}: {100 * done // max(total, 1)} %"
            if begins or done >= total or monotonic() - logged_at > KEEP_EVERY_S:
                logged_at = monotonic()
                log.info("checkpoint_loading", voice=listing.name, step=what, done=done, total=total)

        try:
            directory = fetch(self._shelf.bucket(), listing, settings.home / "cache", progress)
        except CheckpointCorrupt as error:
            raise VoiceRefused(listing.name, str(error)) from error
        return self._start_engine(listing.name, directory, progress)

    def _start_engine(self, name: str, directory: Path, progress: Progress) -> Engine:
        settings = self._settings
        try:
            engine = Engine.load(
                directory,
                dtype=settings.inference_dtype,
                device=settings.inference_device,
                num_slots=settings.inference_num_slots,
                max_len=settings.inference_max_len,
                max_waiting=settings.inference_max_waiting,
                progress=lambda done, total: progress("loading", done, total),
                words=settings.home / "cache" / "words",
            )
        except Stopping:
            raise
        except (MemoryError, torch.OutOfMemoryError) as error:
            gc.collect()
            raise VoicesBusy(name, f"out of memory: {error}") from error
        except Exception as error:  # whatever a checkpoint's bytes provoke, the other voices go on serving
            raise VoiceRefused(name, f"it cannot be loaded: {error or type(error).__name__}") from error
        engine.start()
        threading.Thread(target=_learn_words, args=(name, engine), name="words", daemon=True).start()
        return engine

    def _retire(self, voice: Voice) -> None:
        """Take it out of service now, and out of memory when the last of its requests ends."""
        if voice.retired:
            return
        voice.retired = True
        self._resident.pop(voice.name, None)
        if not voice.num_borrowed:
            self._spawn(asyncio.to_thread(_end, voice))

    async def _keep_preloads(self) -> None:
        waits: dict[str, str] = {}
        while True:
            for name in self._preloads:
                if self._healthy(name) is None and name in self._due:
                    try:
                        self.give_back(await self.borrow(name))
                    except (UnknownVoice, VoiceRefused, VoicesBusy, BucketAway) as error:
                        if waits.get(name) != str(error):
                            log.warning("preload_waits", voice=name, reason=str(error))
                        waits[name] = str(error)
            await asyncio.sleep(KEEP_EVERY_S)

    async def _sweep_adapters(self) -> None:
        """Drop adapters whose manifests are gone."""
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            for name in {name for voice in self._resident.values() for name in voice.adapters.names()}:
                with suppress(BucketAway, UnknownVoice, VoiceRefused):
                    await self._find_adapter(name, "")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _ms_since(began: float) -> int:
    return max(1, round(1000 * (monotonic() - began)))


def _learn_words(name: str, engine: Engine) -> None:
    """Ahead of the first form: some seconds for a tokenizer that was never met."""
    try:
        engine.speller()
    except Unspellable as error:
        log.info("no_forms", voice=name, reason=str(error))


def _end(voice: Voice) -> None:
    voice.engine.stop()
    gc.collect()
