"""The engine: continuous batching over one checkpoint, in one thread of its own.

Requests come from any thread, join the next step, and leave it when they are done or aborted. Text crosses here:
prompts come in as ids that `encode` made, takes go out as `Piece`s. Knows nothing of HTTP, buckets or users.
"""

from __future__ import annotations

import logging
import math
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Self

import torch
from transformers import AutoConfig, GenerationConfig

from contracts.wire import FinishReason, SamplingParams
from inference import islands
from inference.constrained import FormState
from inference.device import keep_freed_memory, num_cores, pick_device, pick_dtype
from inference.lora import AdapterWeights
from inference.networks import read_network
from inference.recital import Restraint, TokenWords
from inference.runner import Runner
from inference.sampling import hold, sample
from inference.scheduler import Move, Scheduler
from inference.sequence import Deliver, Piece, Sequence
from inference.speller import Speller
from inference.tokenizer import Tokenizer
from inference.trie import TokenTrie
from inference.weights import CheckpointError, Progress, Weights
from lyrics.ends import Impossible
from lyrics.vocabulary import Vocabulary

__all__ = ["Engine", "EngineStats", "EngineStopped", "NoSuchAdapter", "Piece", "PromptTooLong", "QueueFull"]

log = logging.getLogger(__name__)

PREFILL_BUDGET = {"cpu": 256, "cuda": 4096}
"""Prompt tokens a step: about what a step of decoding costs, so that nobody's text stalls while others join."""
RECENT_STEPS = 256
_SEEDS = 1 << 63


class QueueFull(Exception):
    """No room for another request now; `retry_after_s` is when there may be."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many requests are waiting; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class PromptTooLong(ValueError):
    """A prompt that leaves no room for a single token of text."""

    def __init__(self, num_tokens: int, max_tokens: int) -> None:
        super().__init__(f"the prompt has {num_tokens} tokens; this checkpoint reads at most {max_tokens}: shorten it")
        self.num_tokens = num_tokens
        self.max_tokens = max_tokens


class NoSuchAdapter(LookupError):
    """A request that names an adapter which was not put into the engine, or was dropped."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the engine has no adapter {name[:80]!r}: put it there first")


class EngineStopped(RuntimeError):
    """The engine serves no more, because it was told to stop or because its loop failed."""


@dataclass(frozen=True)
class EngineStats:
    """A look at the engine. Totals count since it was loaded; `step_s` is the median of recent steps."""

    num_running: int
    num_waiting: int
    num_slots: int
    tokens_total: int
    steps_total: int
    step_s: float
    num_adapters: int


@dataclass(frozen=True)
class Formed:
    """How a request keeps a form. `begin` makes a take's state from its seed, on the engine's thread; `num_typed_bytes`
    begin the text that the writer has typed already. Takes write in islands of `island_size` particles, if it is set:
    those bring no text before their end."""

    begin: Callable[[int], FormState]
    num_typed_bytes: int = 0
    island_size: int | None = None


class Engine:
    """One checkpoint, being served. `add`, `abort`, `encode`, `stats` and the verbs of adapters may be called from any
    thread."""

    def __init__(
        self,
        runner: Runner,
        tokenizer: Tokenizer,
        *,
        num_slots: int,
        max_waiting: int,
        num_parameters: int = 0,
        words: Path | None = None,
    ) -> None:
        self.runner = runner
        self.tokenizer = tokenizer
        self.vocab_size = runner.network.vocab_size
        self.max_len = runner.cache.max_len
        self.num_parameters = num_parameters
        self.device = str(runner.network.device)
        self.dtype = str(runner.network.embedding.dtype).removeprefix("torch.")
        self.failure: Exception | None = None
        """What ended the loop, if anything did."""
        self.num_slots = num_slots
        self.scheduler = Scheduler(num_slots, PREFILL_BUDGET[runner.network.device.type])
        self._words = words
        self._speller: Speller | None = None
        self._token_words: TokenWords | None = None
        self._learning = threading.Lock()
        self._max_open = num_slots + max_waiting
        self._open: dict[str, list[Sequence]] = {}  # by request, what has not finished; guarded by _changed
        self._inbox: deque[Sequence] = deque()  # the same guard
        self._aborted: set[str] = set()  # the same guard
        self._adapters: dict[str, AdapterWeights] = {}  # the same guard
        self._stopping = False  # the same guard
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._loop, name="engine", daemon=True)
        self._tokens_total = self._steps_total = 0
        self._step_s: deque[float] = deque(maxlen=RECENT_STEPS)

    @classmethod
    def load(
        cls,
        directory: Path,
        *,
        dtype: str = "auto",
        device: str = "auto",
        num_slots: int,
        max_len: int,
        max_waiting: int,
        progress: Progress | None = None,
        words: Path | None = None,
    ) -> Self:
        """An engine over a Hugging Face checkpoint directory; call `start` to serve. What it learns of its words is
        kept in the folder `words`.

        Raises:
            CheckpointError: the directory is not a whole checkpoint of a known architecture.
        """
        torch.set_num_threads(num_cores())
        keep_freed_memory()
        where = pick_device(device)
        config = _read_config(directory)
        tokenizer = Tokenizer.load(directory, _eos_ids(directory, config))
        num_tokens = min(tokenizer.num_tokens, config.vocab_size)
        with (
            torch.inference_mode(),
            Weights(directory, dtype=pick_dtype(dtype, where), device=where, progress=progress) as weights,
        ):
            network = read_network(config, weights, num_tokens)
            num_parameters = weights.num_parameters
            runner = Runner(network, num_slots=num_slots, max_len=min(max_len, network.max_positions))
        return cls(
            runner,
            tokenizer,
            num_slots=num_slots,
            max_waiting=max_waiting,
            num_parameters=num_parameters,
            words=words,
        )

    # -- from any thread ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Serves in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Aborts all and ends the thread; nothing may be added afterwards. May be called twice."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is None:  # never started
            self._close("cancelled")
        else:
            self._thread.join()

    def encode(self, text: str, *, frame: str = "") -> list[int]:
        """Ids for `add`: `frame` with its special tokens, then `text`, in which they are plain text."""
        return self.tokenizer.encode(text, frame=frame)

    def speller(self) -> Speller:
        """How this checkpoint's tokenizer spells words; some seconds at the first call.

        Raises:
            Unspellable: it cannot keep a form.
        """
        with self._learning:
            if self._speller is None:
                trie = TokenTrie.of(self.tokenizer, Vocabulary.shipped(), self._words)
                self._speller = Speller(self.tokenizer, trie, self.vocab_size)
            return self._speller

    def token_words(self) -> TokenWords:
        """Which tokens end which words; a moment at the first call."""
        with self._learning:
            if self._token_words is None:
                self._token_words = TokenWords(self.tokenizer.bytes_of, self.vocab_size)
            return self._token_words

    def put_adapter(self, name: str, weights: AdapterWeights) -> None:
        """Requests may name it from now on; one of the same name is replaced, and who writes with that goes on so."""
        self.runner.stacks.prepare(weights)
        with self._changed:
            older = self._adapters.get(name)
            self._adapters[name] = weights
        if older is not None and older is not weights:
            self.runner.stacks.forget(older)

    def drop_adapter(self, name: str) -> None:
        """Let no more requests name it; who writes with it goes on. An unknown one was dropped before."""
        with self._changed:
            weights = self._adapters.pop(name, None)
        if weights is not None:
            self.runner.stacks.forget(weights)

    def adapters(self) -> list[str]:
        """The names that requests may use."""
        with self._changed:
            return [*self._adapters]

    def add(
        self,
        request_id: str,
        prompt_ids: list[int],
        params: SamplingParams,
        deliver: Deliver,
        *,
        formed: Formed | None = None,
        num_takes: int | None = None,
        adapter: str = "",
        restrain: Callable[[], Restraint | None] | None = None,
    ) -> None:
        """Queues a request of `num_takes` takes, `params.n` unless it is said; take i draws with seed + i. `adapter` is
        one that was put here; "" is the bare checkpoint. `restrain` makes what keeps a free take from reciting.

        `deliver` is called on the engine's thread, at most once a step, with that step's pieces of this request; it
        must be quick. `finish_reason` ends each take.

        Raises:
            PromptTooLong, QueueFull, NoSuchAdapter, EngineStopped: the request was not taken in.
        """
        if len(prompt_ids) > self.max_len - 1:
            raise PromptTooLong(len(prompt_ids), self.max_len - 1)
        if not prompt_ids or not 0 <= min(prompt_ids) <= max(prompt_ids) < self.runner.network.num_embeddings:
            raise ValueError("a prompt is a row of ids that this checkpoint knows, at least one: use `encode`")
        seed = secrets.randbelow(_SEEDS) if params.seed is None else params.seed
        room = min(params.max_tokens, self.max_len - len(prompt_ids))
        takes = [
            Sequence(request_id, index, prompt_ids, params, (seed + index) % _SEEDS, room, self.tokenizer, deliver)
            for index in range(num_takes or params.n)
        ]
        if formed:
            for take in takes:
                take.begin_form, take.num_typed_bytes = formed.begin, formed.num_typed_bytes
                take.island = take.index // formed.island_size if formed.island_size else None
        elif restrain:
            for take in takes:
                take.restraint = restrain()
        with self._changed:
            if self._stopping:
                raise EngineStopped("the engine has failed; see its log" if self.failure else "the engine has stopped")
            if request_id in self._open:
                raise ValueError(f"request {request_id!r} is already being served")
            if self._num_open() + len(takes) > self._max_open:
                raise QueueFull(self._retry_after_s())
            if adapter and adapter not in self._adapters:
                raise NoSuchAdapter(adapter)
            for take in takes:
                take.adapter = self._adapters[adapter] if adapter else None
            self._open[request_id] = takes
            self._inbox += takes
            self._changed.notify()

    def abort(self, request_id: str) -> None:
        """Ends a request before its next step, with "cancelled"; an unknown one may have ended by itself."""
        with self._changed:
            if request_id in self._open:
                self._aborted.add(request_id)
                self._changed.notify()

    def stats(self) -> EngineStats:
        """How busy it is."""
        with self._changed:
            num_open, num_running = self._num_open(), len(self.scheduler.running)
            step_s = median(self._step_s) if self._step_s else 0.0
            return EngineStats(
                num_running,
                max(0, num_open - num_running),
                self.num_slots,
                self._tokens_total,
                self._steps_total,
                step_s,
                len(self._adapters),
            )

    # -- on the engine's thread -----------------------------------------------------------------------------------

    def step(self) -> None:
        """Every running take grows by a token; prompts that fit are read."""
        schedule = self.scheduler.schedule()
        takes = schedule.takes
        logits = self.runner.run(schedule)
        masks = islands.masks_of(takes)
        weighing = islands.before_mask(logits, takes)
        hold(logits, masks)
        if weighing:
            islands.after_mask(weighing, logits)
        tokens = sample(logits, [take.draw() for take in takes])
        if weighing:
            islands.after_draw(weighing, tokens)
        self._deliver(take.accept(token) for take, token in zip(takes, tokens, strict=True))
        if weighing:
            self._resample(weighing.takes)
        self._collect()

    def _resample(self, takes: Iterable[Sequence]) -> None:
        """Light particles go on as copies of heavy ones, which share their prompt."""
        rows = {id(take): row for row, take in enumerate(self.scheduler.running)}
        for source, target in islands.resample(takes):
            target.become(source)
            shared, length = len(source.prompt_ids), source.num_cached_tokens
            self.runner.move([Move(rows[id(source)], rows[id(target)], length, start=shared)])

    def _loop(self) -> None:
        try:
            while self._take_in():
                if not self.scheduler.is_idle:
                    started = time.perf_counter()
                    self.step()
                    self._step_s.append(time.perf_counter() - started)
                    self._steps_total += 1
        except Exception as error:
            log.exception("the engine's loop failed; it serves no more")
            self.failure = error
        finally:
            self._close("error" if self.failure else "cancelled")

    def _take_in(self) -> bool:
        """Waits for work, lets in what came and lets go of what was aborted; False when it is time to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._inbox or self._aborted or not self.scheduler.is_idle)
            came = list(self._inbox)
            self._inbox.clear()
            aborted = [take for request_id in self._aborted for take in self._open.get(request_id, ())]
            self._aborted.clear()
            stopping = self._stopping
        self.scheduler.waiting += came
        lost = [take for take in came if not _begin_form(take)]
        if lost:
            self._deliver(take.finish("error") for take in lost)
            self._collect()
        if aborted:
            self._deliver(take.finish("cancelled") for take in aborted)
            self._collect()
        return not stopping

    def _deliver(self, pieces: Iterable[Piece | None]) -> None:
        by_request: dict[str, list[Piece]] = {}
        for piece in pieces:
            if piece is not None:
                self._tokens_total += piece.num_tokens
                by_request.setdefault(piece.request_id, []).append(piece)
        for request_id, theirs in by_request.items():
            takes = self._open[request_id]
            try:
                takes[0].deliver(theirs)
            except Exception:
                log.exception("request %s cannot be delivered to; it is dropped", request_id)
                for take in takes:
                    take.finish_reason = take.finish_reason or "cancelled"

    def _collect(self) -> None:
        """Frees the rows of finished takes and forgets them."""
        finished = [take for take in self.scheduler.sequences() if take.finish_reason]
        if not finished:
            return
        poisoned = [row for row, take in enumerate(self.scheduler.running) if take.finish_reason == "error"]
        self.runner.close_up(poisoned, self.scheduler.collect())
        with self._changed:
            for request_id in {take.request_id for take in finished}:
                left = [take for take in self._open[request_id] if not take.finish_reason]
                if left:
                    self._open[request_id] = left
                else:
                    del self._open[request_id]

    def _close(self, reason: FinishReason) -> None:
        """Ends every take that is left, and lets no more in."""
        with self._changed:
            self._stopping = True
            left = [take for takes in self._open.values() for take in takes if not take.finish_reason]
        self._deliver(take.finish(reason) for take in left)
        with self._changed:
            self._open.clear()
            self._inbox.clear()
            self.scheduler.waiting.clear()
            self.scheduler.running.clear()

    # -- under the guard ------------------------------------------------------------------------------------------

    def _num_open(self) -> int:
        return sum(len(takes) for takes in self._open.values())

    def _retry_after_s(self) -> int:
        """When all that is queued would be done, were every slot busy: 1 to 60 s."""
        steps = sum(take.max_tokens - take.num_written for takes in self._open.values() for take in takes)
        step_s = median(self._step_s) if self._step_s else 0.1
        return max(1, min(60, math.ceil(steps * step_s / self.num_slots)))


def _begin_form(take: Sequence) -> bool:
    """Whether the take may write: always, but for one whose form has no beginning left."""
    try:
        take.form = take.begin_form(take.seed) if take.begin_form else None
    except Impossible:
        return False
    return True


def _read_config(directory: Path) -> Any:
    try:
        return AutoConfig.from_pretrained(str(directory), local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(directory, f"its config.json cannot be read ({error})") from error


def _eos_ids(directory: Path, config: Any) -> set[int]:
    """The ids that end a text, from config.json and generation_config.json: each names one, a list or none."""
    named = [config.eos_token_id]
    if (directory / "generation_config.json").is_file():
        named.append(GenerationConfig.from_pretrained(str(directory), local_files_only=True).eos_token_id)
    return {token for ids in named if ids is not None for token in (ids if isinstance(ids, list) else [ids])}
