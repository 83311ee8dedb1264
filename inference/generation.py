"""One completion request from admission to its last piece of text.

`write` is the whole trip: borrow the voice, encode, join the engine, and turn pieces into completions as they come.
Closing it early, at any moment, frees the slot at the engine's next step. Knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from time import monotonic, time
from uuid import uuid4

import structlog

from contracts.wire import MAX_TOKENS, Choice, Completion, CompletionRequest, FinishReason, SamplingParams, Usage
from inference.crafted import DeadEnd, Line, Studio, craft
from inference.delivery import Inbox, Postman
from inference.engine import Formed
from inference.forms import LEARNED_RUN, BadForm, Prepared, prepare
from inference.recital import Restraint
from inference.sequence import Piece
from inference.telemetry import Telemetry
from inference.trie import Unspellable
from inference.voices import Loan, Voices

SHORTEST_LYRIC = 200
LONGEST_LINE = 400
"""In characters, where a long lyric is cut to what a voice can read."""

log = structlog.get_logger()


class EngineFailed(RuntimeError):
    """The engine broke in mid-text. It is loaded anew at the next request."""

    retry_after_s = 1

    def __init__(self) -> None:
        super().__init__("the engine failed while it was writing; try again")


async def write(
    voices: Voices, postman: Postman, telemetry: Telemetry, wanted: CompletionRequest, *, heartbeat_s: float
) -> AsyncGenerator[Completion | None, None]:
    """The completion in pieces, each with the `usage` so far; `None` after each `heartbeat_s` in which nothing came.

    Raises:
        UnknownVoice, VoiceRefused, VoicesBusy, Stopping, BucketAway: the voice cannot be had.
        PromptTooLong: the prompt does not fit it.
        QueueFull: too many wait already.
        BadForm, ImpossibleForm, DeadEnd: the form cannot be read, or not be kept.
        EngineStopped, EngineFailed: the engine is gone, or went while it was writing.
    """
    began = monotonic()
    borrowing = asyncio.create_task(voices.borrow(wanted.model, wanted.user))
    try:
        while not (await asyncio.wait({borrowing}, timeout=heartbeat_s))[0]:
            yield None
        loan = borrowing.result()
    except BaseException:
        borrowing.add_done_callback(partial(_give_back_late, voices))
        borrowing.cancel()
        raise
    try:
        async with aclosing(_write(loan, postman, telemetry, wanted, began, heartbeat_s)) as completions:
            async for completion in completions:
                yield completion
    finally:
        voices.give_back(loan)


def _give_back_late(voices: Voices, borrowing: asyncio.Task[Loan]) -> None:
    """Give back a voice that came after the one who wanted it had left."""
    if not borrowing.cancelled() and borrowing.exception() is None:
        voices.give_back(borrowing.result())


async def _write(
    loan: Loan,
    postman: Postman,
    telemetry: Telemetry,
    wanted: CompletionRequest,
    began: float,
    heartbeat_s: float,
) -> AsyncGenerator[Completion | None, None]:
    voice = loan.voice
    prepared = await asyncio.to_thread(_prepare, loan, wanted) if wanted.form is not None else None
    progress = _Progress(wanted, (prepared and prepared.num_takes) or wanted.n, loan.load_ms)
    trip = _Trip(loan, postman, wanted, prepared, progress, heartbeat_s)
    source = trip.crafted() if prepared and prepared.form.mode == "crafted" else trip.streamed()
    outcome = "cancelled"
    try:
        async with aclosing(source) as completions:
            async for completion in completions:
                if completion is None:
                    yield None
                    continue
                if progress.ttft_s is None:
                    progress.ttft_s = monotonic() - began
                    telemetry.ttft_s.labels(voice.name).observe(progress.ttft_s)
                telemetry.count_lines(voice.name, [line for choice in completion.choices for line in choice.lines])
                if progress.has_failed or voice.engine.failure is not None:
                    outcome = "failed"
                    raise DeadEnd if prepared and voice.engine.failure is None else EngineFailed
                if not progress.unfinished:
                    outcome = "cancelled" if progress.was_cancelled else "finished"
                yield completion
    except DeadEnd:
        outcome = "dead_end"
        if voice.engine.failure is not None:
            raise EngineFailed from None
        raise
    finally:
        telemetry.requests.labels(voice.name, outcome).inc()
        log.info(
            "completion",
            id=progress.id,
            voice=voice.name,
            adapter=loan.adapter and loan.adapter.listing.name,
            outcome=outcome,
            form=prepared.form.mode if prepared else None,
            prompt_tokens=progress.num_prompt_tokens,
            tokens=progress.num_tokens,
            ttft_s=None if progress.ttft_s is None else round(progress.ttft_s, 4),
            total_s=round(monotonic() - began, 4),
        )


def _prepare(loan: Loan, wanted: CompletionRequest) -> Prepared:
    """The request's form, ready for this voice.

    Raises:
        BadForm, ImpossibleForm: why it is refused.
    """
    voice, learned = loan.voice, loan.adapter.index if loan.adapter else None
    try:
        return prepare(wanted, voice.engine.speller(), voice.indexes, learned)
    except Unspellable as error:
        raise BadForm(f"the voice {voice.name!r} cannot keep a form: {error}") from None


class _Trip:
    """One request on its way through a voice: two ways to write, one shape of what comes."""

    def __init__(
        self,
        loan: Loan,
        postman: Postman,
        wanted: CompletionRequest,
        prepared: Prepared | None,
        progress: _Progress,
        heartbeat_s: float,
    ) -> None:
        voice = loan.voice
        self._engine = voice.engine
        self._adapter = loan.adapter.key if loan.adapter else ""
        index = loan.adapter.index if loan.adapter else None
        self._learned = index if index and LEARNED_RUN in index.sizes else None
        self._turns = voice.turns
        frame = "" if loan.adapter else voice.manifest.frame  # adapters have learned songs as they stand
        self._frame = frame if wanted.framed else None
        self._postman = postman
        self._prepared = prepared
        self._progress = progress
        self._heartbeat_s = heartbeat_s
        self._prompt = prepared.prompt if prepared else wanted.prompt
        params = SamplingParams.model_validate(wanted.model_dump(include=set(SamplingParams.model_fields)))
        if prepared:
            room = min(prepared.max_tokens, self._engine.max_len // 2, MAX_TOKENS)
            params = params.model_copy(update={"stop": (), "max_tokens": room})
        self._params = params

    async def streamed(self) -> AsyncGenerator[Completion | None, None]:
        """Tokens as they come, and of each line that ends the verifier's word."""
        progress, engine, prepared = self._progress, self._engine, self._prepared
        prompt_ids = await asyncio.to_thread(self._encode, "")
        progress.num_prompt_tokens = len(prompt_ids)
        inbox = Inbox()
        formed = prepared and Formed(prepared.begin, num_typed_bytes=len(prepared.typed.encode()))
        engine.add(
            progress.id,
            prompt_ids,
            self._params,
            partial(self._postman.drop, inbox),
            formed=formed or None,
            adapter=self._adapter,
            restrain=self._restrain,
        )
        texts = [""] * progress.num_takes
        try:
            while progress.unfinished:
                pieces = await inbox.take(self._heartbeat_s)
                completion = progress.add(pieces) if pieces else None
                if completion and prepared:
                    await asyncio.to_thread(_witness, prepared, completion, texts)
                yield completion
        finally:
            engine.abort(progress.id)

    async def crafted(self) -> AsyncGenerator[Completion | None, None]:
        """Whole lines, each chosen from several and judged before it is shown."""
        if self._prepared is None:
            raise TypeError("crafted mode needs a form")
        seed = self._params.seed if self._params.seed is not None else secrets.randbelow(1 << 40)
        studio = Studio(
            self._engine,
            self._postman.drop,
            self._encode,
            self._progress.id,
            self._params,
            seed,
            self._heartbeat_s,
            self._turns,
            self._adapter,
        )
        self._progress.num_prompt_tokens = len(await asyncio.to_thread(self._encode, ""))
        async with aclosing(craft(studio, self._prepared)) as lines:
            async for line in lines:
                yield self._progress.add_line(line) if line else None
        if self._progress.unfinished:
            yield self._progress.close()

    def _restrain(self) -> Restraint | None:
        """What keeps a free take from reciting the songs that its adapter has learned."""
        if self._learned is None:
            return None
        return Restraint(self._learned, LEARNED_RUN, self._engine.token_words(), self._prompt)

    def _encode(self, text: str) -> list[int]:
        """Ids of the lyric and what was written since: of one too long for the voice, the newest lines count."""
        lyric, limit = self._prompt + text, max(1, self._engine.max_len - self._params.max_tokens)
        if self._frame is None:
            return self._engine.encode(lyric)
        while True:
            ids = self._engine.encode(lyric, frame=self._frame)
            surplus = len(ids) - limit
            if surplus <= 0 or len(lyric) <= SHORTEST_LYRIC:
                return ids
            lyric = _without_beginning(lyric, num_chars=max(1, len(lyric) * surplus // len(ids)))


def _witness(prepared: Prepared, completion: Completion, texts: list[str]) -> None:
    """Let the verifier say its word on the lines that end with this piece; `texts` are the takes so far."""
    for choice in completion.choices:
        num_before = texts[choice.index].count("\n")
        texts[choice.index] += choice.text
        text, is_whole = texts[choice.index], choice.finish_reason is not None
        num_ended = text.count("\n") + (is_whole and choice.finish_reason != "cancelled")
        if num_ended > num_before:
            ended = text if is_whole else text[: text.rindex("\n")]
            choice.lines = prepared.judge(ended, is_whole=is_whole)[num_before:num_ended]


def _without_beginning(text: str, num_chars: int) -> str:
    """`text` less at least `num_chars` characters, cut at the end of a line where a line ends soon after.

    >>> _without_beginning("one line\\ntwo lines\\nthree", 3)
    'two lines\\nthree'
    """
    line_end = text.find("\n", num_chars - 1, num_chars + LONGEST_LINE)
    return text[line_end + 1 :] if 0 <= line_end < len(text) - 1 else text[num_chars:]


class _Progress:
    """How far one request is, and its pieces as completions."""

    def __init__(self, wanted: CompletionRequest, num_takes: int, load_ms: int) -> None:
        self.id = f"cmpl-{uuid4().hex}"
        self.num_takes = num_takes
        self.num_prompt_tokens = 0
        self.num_tokens = 0
        self.unfinished = set(range(num_takes))
        self.ttft_s: float | None = None
        self._model = wanted.model
        self._load_ms: int | None = load_ms
        self._created = int(time())
        self._reasons: set[FinishReason] = set()
        self._tokens_of_lines: dict[int, int] = {}

    @property
    def has_failed(self) -> bool:
        """Whether all takes ended, and none of them well."""
        return not self.unfinished and self._reasons == {"error"}

    @property
    def was_cancelled(self) -> bool:
        """Whether a take was ended from outside."""
        return "cancelled" in self._reasons

    def add(self, pieces: list[Piece]) -> Completion:
        """All that came at once, as one completion with one choice per take."""
        choices: dict[int, Choice] = {}
        for piece in pieces:
            self.num_tokens += piece.num_tokens
            choice = choices.setdefault(piece.index, Choice(index=piece.index, text=""))
            choice.text += piece.text
            if piece.finish_reason is not None:
                choice.finish_reason = piece.finish_reason
                self._reasons.add(piece.finish_reason)
                self.unfinished.discard(piece.index)
        return self._completion(list(choices.values()))

    def add_line(self, line: Line) -> Completion:
        """A crafted line as a completion of its own."""
        self.num_tokens += line.num_tokens - self._tokens_of_lines.get(line.alternative, 0)
        self._tokens_of_lines[line.alternative] = line.num_tokens
        choice = Choice(index=line.alternative, text=line.text, lines=[line.evidence])
        if line.is_last:
            choice.finish_reason, choice.score = "stop", round(line.score, 4)
            self._reasons.add("stop")
            self.unfinished.discard(line.alternative)
        return self._completion([choice])

    def close(self) -> Completion:
        """The end of the alternatives that did not come, because too few lines differed."""
        choices = [Choice(index=index, text="", finish_reason="stop") for index in sorted(self.unfinished)]
        self.unfinished.clear()
        return self._completion(choices)

    def _completion(self, choices: list[Choice]) -> Completion:
        usage = Usage(
            prompt_tokens=self.num_prompt_tokens,
            completion_tokens=self.num_tokens,
            total_tokens=self.num_prompt_tokens + self.num_tokens,
        )
        load_ms, self._load_ms = self._load_ms, None
        return Completion(
            id=self.id,
            created=self._created,
            model=self._model,
            choices=choices,
            usage=usage,
            voice_load_ms=load_ms,
        )


def whole(completions: list[Completion]) -> Completion:
    """The one answer that a row of pieces adds up to."""
    choices: dict[int, Choice] = {}
    for piece in (choice for completion in completions for choice in completion.choices):
        choice = choices.setdefault(piece.index, Choice(index=piece.index, text=""))
        choice.text += piece.text
        choice.lines = choice.lines + piece.lines
        choice.finish_reason = piece.finish_reason or choice.finish_reason
        choice.score = piece.score if piece.score is not None else choice.score
    last = completions[-1]
    ordered = [choice for _, choice in sorted(choices.items())]
    return last.model_copy(update={"choices": ordered, "voice_load_ms": completions[0].voice_load_ms})
