"""Carries text from the inference service to the stored events and on to the readers.

One event loop in a thread of its own runs a task for each generation; a second thread, the recorder, stores what has
come since its last turn, for all generations in one transaction, and only then shows it to the readers. So what a
reader has seen is in Postgres, and the number of commits does not grow with the number of streams.

A generation whose last reader has left goes on for `GRACE_S`, in which a lost line may be picked up again; then it
is stopped and its slot is free. One that never had a reader runs to its end. Knows nothing of HTTP towards browsers.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import UUID

import structlog

from app.db import unit_of_work
from app.errors import AppError, ServiceAway
from app.inference_client import InferenceClient
from contracts.settings import Settings
from contracts.wire import Completion, CompletionRequest, Offer, VoiceList
from models.generation import (
    Ending,
    EventRow,
    GenerationState,
    append_events,
    beat,
    begin,
    done_payload,
    end,
    failure_payload,
    new_take,
)

GRACE_S = 3.0
BEAT_S = 1.0
GATHER_S = 0.015
"""How long the recorder lets tokens gather: short enough that a line still flows, long enough to share a commit."""
RETRY_S = 0.25
CLOSE_S = 4.0
VOICES_AGE_S = 2.0

log = structlog.get_logger()
Answer = TypeVar("Answer")
Translate = Callable[[list[Offer]], list[Offer]]


class Live:
    """One generation that this process is running: its events so far, and who reads them."""

    def __init__(self, generation_id: UUID, request: CompletionRequest, num_takes: int, translate: Translate) -> None:
        self.generation_id = generation_id
        self.request = request
        self.translate = translate
        self.num_readers = 0
        self.takes = [new_take(index) for index in range(num_takes)]
        self.tokens_used = 0
        self.prompt_tokens = 0
        self.refusal: AppError | None = None
        self.answered = threading.Event()
        self.task: asyncio.Task[None] | None = None
        self._events: list[EventRow] = []
        self._last_seq = 0
        self._closed = False
        self._changed = threading.Condition()

    def event(self, kind: str, payload: dict[str, object]) -> EventRow:
        """The next event of this generation; the order of calls is the order of numbers."""
        self._last_seq += 1
        return EventRow(self.generation_id, self._last_seq, kind, payload)

    def show(self, events: list[EventRow], *, closed: bool) -> None:
        """Let the readers have events that are stored by now."""
        with self._changed:
            self._events += events
            self._closed = self._closed or closed
            self._changed.notify_all()

    def read(self, after: int, patience_s: float) -> Iterator[EventRow | None]:
        """Events after number `after`, as they come; None whenever `patience_s` pass in silence. Ends with the text."""
        position = 0
        while True:
            with self._changed:
                if position == len(self._events) and not self._closed:
                    self._changed.wait(patience_s)
                news, closed = self._events[position:], self._closed
            position += len(news)
            if not news and not closed:
                yield None
            yield from (event for event in news if event.seq > after)
            if closed and not news:
                return

    @property
    def num_events(self) -> int:
        """How many events the readers have been shown, or will be, before the last one."""
        return self._last_seq - 1

    @property
    def is_closed(self) -> bool:
        """Whether the last event has been shown."""
        with self._changed:
            return self._closed


class Relay:
    """All generations that this process is running. One per process, made after the fork."""

    def __init__(self, settings: Settings) -> None:
        self._lives: dict[UUID, Live] = {}
        self._lock = threading.Lock()
        self._news: list[EventRow] = []
        self._endings: dict[UUID, tuple[Ending, EventRow]] = {}
        self._pending = threading.Event()
        self._voices: tuple[float, VoiceList] | None = None
        self._loop = asyncio.new_event_loop()
        self._client = InferenceClient(settings)
        self._closing = threading.Event()
        self._carrier = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._recorder = threading.Thread(target=self._record_forever, name="recorder", daemon=True)
        self._carrier.start()
        self._recorder.start()

    # --- what verbs call, from any thread ---------------------------------------------------------------------------

    def launch(self, generation_id: UUID, request: CompletionRequest, num_takes: int, translate: Translate) -> Live:
        """Begin a generation whose row is committed. `translate` makes the service's offers speak of what was asked."""
        if self._closing.is_set():
            raise ServiceAway("The studio is restarting: try again in a few seconds.", retry_after_s=3)
        live = Live(generation_id, request, num_takes, translate)
        with self._lock:
            self._lives[generation_id] = live
        self._loop.call_soon_threadsafe(self._begin, live)
        return live

    def stop(self, generation_id: UUID) -> None:
        """Stop a generation of this process; one of another process hears of it by its heartbeat."""
        if live := self._lives.get(generation_id):
            self._loop.call_soon_threadsafe(self._cancel, live)

    @contextmanager
    def reading(self, generation_id: UUID) -> Iterator[Live | None]:
        """Be counted as a reader; None when the generation does not run here."""
        with self._lock:
            live = self._lives.get(generation_id)
            if live:
                live.num_readers += 1
        try:
            yield live
        finally:
            if live:
                self._leave(live)

    def voices(self) -> VoiceList:
        """The service's checkpoints, at most `VOICES_AGE_S` old; an older list when the service does not answer.

        Raises:
            VoicesAway: it does not answer and never has.
        """
        known = self._voices
        if known and time.monotonic() - known[0] < VOICES_AGE_S:
            return known[1]
        try:
            fresh = self._wait_for(self._client.voices())
        except AppError:
            if known:
                return known[1]
            raise
        self._voices = (time.monotonic(), fresh)
        return fresh

    def inference_is_ready(self) -> tuple[bool, str]:
        """Whether the inference service can write, and its reason if not."""
        return self._wait_for(self._client.is_ready())

    @property
    def is_alive(self) -> bool:
        """Whether both threads do their work."""
        return self._carrier.is_alive() and self._recorder.is_alive()

    def close(self) -> None:
        """Stop what is being written, store it, and end both threads. What takes longer the worker will end."""
        if self._loop.is_closed():
            return
        self._closing.set()
        for generation_id in list(self._lives):
            self.stop(generation_id)
        self._pending.set()
        self._recorder.join(CLOSE_S)
        asyncio.run_coroutine_threadsafe(self._client.close(), self._loop).result(CLOSE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._carrier.join(CLOSE_S)
        self._loop.close()

    # --- on the event loop ------------------------------------------------------------------------------------------

    def _begin(self, live: Live) -> None:
        live.task = self._loop.create_task(self._carry(live))

    def _cancel(self, live: Live) -> None:
        if live.task:
            live.task.cancel()

    async def _carry(self, live: Live) -> None:
        """Read one generation's text to its end, whatever that is."""
        error: AppError | None = None
        state = GenerationState.DONE
        try:
            async for completion in self._client.stream(live.request, on_accepted=live.answered.set):
                self._take_in(live, completion)
        except asyncio.CancelledError:
            state = GenerationState.CANCELLED
        except AppError as refused:
            refused.offers = live.translate(refused.offers)
            error = refused
        except Exception as broken:  # whatever it is: the writer must hear of it and not be charged
            log.exception("relay.broken", generation_id=str(live.generation_id))
            error = ServiceAway(
                f"Writing failed in a way we did not expect ({type(broken).__name__}); nothing was charged."
            )
        self._finish(live, GenerationState.FAILED if error else state, error)

    def _take_in(self, live: Live, completion: Completion) -> None:
        if completion.usage:
            live.tokens_used = completion.usage.completion_tokens
            live.prompt_tokens = completion.usage.prompt_tokens
        events = []
        if completion.voice_load_ms is not None:
            events.append(live.event("voice", {"load_ms": completion.voice_load_ms}))
        for choice in completion.choices:
            words = choice.text.replace("\0", "\N{REPLACEMENT CHARACTER}")  # Postgres keeps no NUL
            lines = [line.model_dump(mode="json") for line in choice.lines]
            take = live.takes[choice.index]
            take["text"] += words
            take["lines"] += lines
            take["finish_reason"] = choice.finish_reason or take["finish_reason"]
            take["score"] = take["score"] if choice.score is None else choice.score
            if words:
                events.append(live.event("token", {"take": choice.index, "text": words}))
            events += [live.event("line", {"take": choice.index, **line}) for line in lines]
        if events:
            with self._lock:
                self._news += events
            self._pending.set()

    def _finish(self, live: Live, state: GenerationState, error: AppError | None) -> None:
        fallback = {GenerationState.CANCELLED: "cancelled", GenerationState.FAILED: "error"}.get(state, "stop")
        if live.request.form:  # of the alternatives that were asked for there may be fewer
            live.takes = [take for take in live.takes if take["text"] or take["finish_reason"]]
        ending = Ending(
            state,
            [take | {"finish_reason": take["finish_reason"] or fallback} for take in live.takes],
            tokens_used=0 if error else live.tokens_used,
            prompt_tokens=live.prompt_tokens,
            error_code=error.name if error else None,
            error_message=error.message if error else None,
            error_offers=[offer.model_dump() for offer in error.offers] if error else None,
        )
        final = live.event("error", failure_payload(ending)) if error else live.event("done", done_payload(ending))
        live.refusal = error
        with self._lock:
            self._endings[live.generation_id] = (ending, final)
        self._pending.set()
        live.answered.set()

    def _leave(self, live: Live) -> None:
        with self._lock:
            live.num_readers -= 1
        if not live.is_closed:
            self._loop.call_soon_threadsafe(self._loop.call_later, GRACE_S, self._cancel_if_unread, live)

    def _cancel_if_unread(self, live: Live) -> None:
        if live.num_readers == 0:
            self._cancel(live)

    # --- on the recorder's thread -----------------------------------------------------------------------------------

    def _record_forever(self) -> None:
        last_beat = 0.0
        while self._lives or not self._closing.is_set():
            if self._pending.wait(BEAT_S):
                time.sleep(GATHER_S)
            self._pending.clear()
            with self._lock:
                news, self._news = self._news, []
                endings, self._endings = self._endings, {}
                running = list(self._lives)
            beat_is_due = bool(running) and time.monotonic() - last_beat >= BEAT_S
            if news or endings or beat_is_due:
                self._record(news, endings, running if beat_is_due else [])
            if beat_is_due:
                last_beat = time.monotonic()

    def _record(self, news: list[EventRow], endings: dict[UUID, tuple[Ending, EventRow]], running: list[UUID]) -> None:
        """Store a turn's news, then show it. While Postgres is away, wait: what was not stored is not shown."""
        while True:
            try:
                with unit_of_work() as session:
                    begin(session, {event.generation_id for event in news if event.seq == 1})
                    append_events(session, news)
                    ended = {key for key, (ending, _) in endings.items() if end(session, key, ending)}
                    append_events(session, [endings[key][1] for key in ended])
                    to_stop = beat(session, running) if running else set()
                break
            except ServiceAway:
                if self._closing.is_set():
                    return  # the worker ends what could not be stored
                log.warning("recorder.database_away", waiting=len(news))
                time.sleep(RETRY_S)
            except Exception:  # the recorder must outlive whatever one generation brings
                log.exception("recorder.refused", num_events=len(news), num_endings=len(endings))
                self._record_one_by_one(news, endings)
                return
        for generation_id in to_stop - set(endings):
            self.stop(generation_id)
        self._show(news, endings, ended)

    def _record_one_by_one(self, news: list[EventRow], endings: dict[UUID, tuple[Ending, EventRow]]) -> None:
        """One generation's rows were refused (its user may be gone): the others must not suffer for it."""
        ids = {event.generation_id for event in news} | set(endings)
        if len(ids) == 1:
            for generation_id in ids:
                self.stop(generation_id)
            self._show([], endings, set())
            return
        for generation_id in ids:
            own_endings = {generation_id: endings[generation_id]} if generation_id in endings else {}
            self._record([event for event in news if event.generation_id == generation_id], own_endings, [])

    def _show(self, news: list[EventRow], endings: dict[UUID, tuple[Ending, EventRow]], ended: set[UUID]) -> None:
        by_generation: dict[UUID, list[EventRow]] = {generation_id: [] for generation_id in endings}
        for event in news:
            by_generation.setdefault(event.generation_id, []).append(event)
        for generation_id in ended:
            by_generation[generation_id].append(endings[generation_id][1])
        for generation_id, events in by_generation.items():
            with self._lock:
                live = self._lives.get(generation_id)
                if live and generation_id in endings:
                    del self._lives[generation_id]
            if live:
                live.show(events, closed=generation_id in endings)

    def _wait_for(self, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
