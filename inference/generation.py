"""One completion request from admission to its last piece of text.

`write` is the whole trip: borrow the voice, encode, join the engine, and turn pieces into completions as they come.
Closing it early, at any moment, frees the slot at the engine's next step. Knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from time import monotonic, time
from uuid import uuid4

import structlog

from contracts.wire import Choice, Completion, CompletionRequest, FinishReason, SamplingParams, Usage
from inference.delivery import Inbox, Postman
from inference.sequence import Piece
from inference.telemetry import Telemetry
from inference.voices import Voice, Voices

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
        EngineStopped, EngineFailed: the engine is gone, or went while it was writing.
    """
    began = monotonic()
    borrowing = asyncio.create_task(voices.borrow(wanted.model))
    try:
        while not (await asyncio.wait({borrowing}, timeout=heartbeat_s))[0]:
            yield None
        voice = borrowing.result()
    except BaseException:
        borrowing.add_done_callback(partial(_give_back_late, voices))
        borrowing.cancel()
        raise
    try:
        async with aclosing(_write(voice, postman, telemetry, wanted, began, heartbeat_s)) as completions:
            async for completion in completions:
                yield completion
    finally:
        voices.give_back(voice)


def _give_back_late(voices: Voices, borrowing: asyncio.Task[Voice]) -> None:
    """Give back a voice that came after the one who wanted it had left."""
    if not borrowing.cancelled() and borrowing.exception() is None:
        voices.give_back(borrowing.result())


async def _write(
    voice: Voice,
    postman: Postman,
    telemetry: Telemetry,
    wanted: CompletionRequest,
    began: float,
    heartbeat_s: float,
) -> AsyncGenerator[Completion | None, None]:
    prompt_ids = await asyncio.to_thread(_encode, voice, wanted)
    progress = _Progress(wanted, len(prompt_ids))
    inbox = Inbox()
    params = SamplingParams.model_validate(wanted.model_dump(include=set(SamplingParams.model_fields)))
    voice.engine.add(progress.id, prompt_ids, params, partial(postman.drop, inbox))
    outcome = "cancelled"
    try:
        while progress.unfinished:
            pieces = await inbox.take(heartbeat_s)
            if not pieces:
                yield None
                continue
            if progress.ttft_s is None:
                progress.ttft_s = monotonic() - began
                telemetry.ttft_s.labels(voice.name).observe(progress.ttft_s)
            completion = progress.add(pieces)
            if progress.has_failed or voice.engine.failure is not None:
                outcome = "failed"
                raise EngineFailed
            if not progress.unfinished:
                outcome = "cancelled" if progress.was_cancelled else "finished"
            yield completion
    finally:
        voice.engine.abort(progress.id)
        telemetry.requests.labels(voice.name, outcome).inc()
        log.info(
            "completion",
            id=progress.id,
            voice=voice.name,
            outcome=outcome,
            prompt_tokens=progress.num_prompt_tokens,
            tokens=progress.num_tokens,
            ttft_s=None if progress.ttft_s is None else round(progress.ttft_s, 4),
            total_s=round(monotonic() - began, 4),
        )


def _encode(voice: Voice, wanted: CompletionRequest) -> list[int]:
    """The prompt's ids. A framed prompt is a lyric so far: of one too long for the voice, the newest lines count."""
    if not wanted.framed:
        return voice.engine.encode(wanted.prompt)
    text, limit = wanted.prompt, max(1, voice.engine.max_len - wanted.max_tokens)
    while True:
        ids = voice.engine.encode(text, frame=voice.manifest.frame)
        surplus = len(ids) - limit
        if surplus <= 0 or len(text) <= SHORTEST_LYRIC:
            return ids
        text = _without_beginning(text, num_chars=max(1, len(text) * surplus // len(ids)))


def _without_beginning(text: str, num_chars: int) -> str:
    """`text` less at least `num_chars` characters, cut at the end of a line where a line ends soon after.

    >>> _without_beginning("one line\\ntwo lines\\nthree", 3)
    'two lines\\nthree'
    """
    line_end = text.find("\n", num_chars - 1, num_chars + LONGEST_LINE)
    return text[line_end + 1 :] if 0 <= line_end < len(text) - 1 else text[num_chars:]


class _Progress:
    """How far one request is, and its pieces as completions."""

    def __init__(self, wanted: CompletionRequest, num_prompt_tokens: int) -> None:
        self.id = f"cmpl-{uuid4().hex}"
        self.num_prompt_tokens = num_prompt_tokens
        self.num_tokens = 0
        self.unfinished = set(range(wanted.n))
        self.ttft_s: float | None = None
        self._model = wanted.model
        self._created = int(time())
        self._reasons: set[FinishReason] = set()

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
        usage = Usage(
            prompt_tokens=self.num_prompt_tokens,
            completion_tokens=self.num_tokens,
            total_tokens=self.num_prompt_tokens + self.num_tokens,
        )
        return Completion(
            id=self.id, created=self._created, model=self._model, choices=list(choices.values()), usage=usage
        )


def whole(completions: list[Completion]) -> Completion:
    """The one answer that a row of pieces adds up to."""
    choices: dict[int, Choice] = {}
    for piece in (choice for completion in completions for choice in completion.choices):
        choice = choices.setdefault(piece.index, Choice(index=piece.index, text=""))
        choice.text += piece.text
        choice.finish_reason = piece.finish_reason or choice.finish_reason
    last = completions[-1]
    return last.model_copy(update={"choices": [choice for _, choice in sorted(choices.items())]})
