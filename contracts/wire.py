"""What the web and the inference service say to each other: the OpenAI completions protocol, as pydantic types.

`POST /v1/completions` takes a `CompletionRequest`; it answers one `Completion`, or with `stream` a row of them as
`data:` lines that ends in `data: [DONE]`. Field names are OpenAI's; `top_k`, `repetition_penalty`, `framed`, `form`
and `pronunciations` are ours, and so is the evidence that comes with lines that were written to a form. `model` is a
checkpoint's name or an adapter's id; a person's own adapters serve only the requests that carry their id as `user`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

MAX_PROMPT_CHARS = 20_000
MAX_TOKENS = 1_024
MAX_SAMPLES = 8
MAX_STOPS = 8
MAX_STOP_CHARS = 64
MAX_PRONUNCIATIONS = 500

DUST = 0.001
"""Smaller temperatures and nuclei than this are taken for this: float32 cannot tell them from nothing."""
MAX_NAME = 128
"""Characters of a voice's or checkpoint's name."""
NOT_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""What no text of ours holds: control characters, but for tabs and line ends, and halves of characters."""

Finite = Annotated[float, Field(allow_inf_nan=False)]


class SamplingParams(BaseModel):
    """How the next token is chosen. Shared by the wire, the public API and the engine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_tokens: int = Field(default=128, ge=1, le=MAX_TOKENS, description="tokens to write, per take")
    temperature: Finite = Field(default=0.8, ge=0.0, le=2.0, description="0 is greedy")
    top_p: Finite = Field(default=0.95, gt=0.0, le=1.0)
    top_k: int = Field(default=0, ge=0, le=1_000, description="0 means no limit")
    repetition_penalty: Finite = Field(
        default=1.0, ge=0.5, le=2.0, description="1 means none; CTRL, Keskar et al. 2019"
    )
    seed: int | None = Field(default=None, ge=0, lt=2**63, description="take i uses seed + i; None means random")
    n: int = Field(default=1, ge=1, le=MAX_SAMPLES, description="takes to write side by side")
    stop: tuple[str, ...] = Field(
        default=(), max_length=MAX_STOPS, description="the text ends before the first of these"
    )

    @field_validator("stop", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("stop")
    @classmethod
    def _short_and_not_empty(cls, stops: tuple[str, ...]) -> tuple[str, ...]:
        if any(not 1 <= len(stop) <= MAX_STOP_CHARS for stop in stops):
            raise ValueError(f"a stop string has 1 to {MAX_STOP_CHARS} characters")
        if any(NOT_TEXT.search(stop) for stop in stops):
            raise ValueError("a stop string is text: no control characters but tabs and line ends")
        return stops

    @field_validator("temperature", "top_p")
    @classmethod
    def _no_dust(cls, value: float) -> float:
        return value if value >= DUST else (0.0 if value == 0 else DUST)


class CompletionRequest(SamplingParams):
    """`POST /v1/completions`. `framed` puts the checkpoint's own frame (its chat template) before the prompt; adapters
    have learned songs as they stand and get none.

    `form` is a `lyrics.form.Form` as JSON: the stanza that is to be written. A prompt that ends within a line has begun
    the form's first line. With a form the text ends with its last line, so `max_tokens` and `stop` say nothing; in
    crafted mode its `alternatives` stand in for `n`. `pronunciations` are the writer's own, as ARPAbet by word.
    """

    model: str = Field(min_length=1, max_length=MAX_NAME)
    prompt: str = Field(max_length=MAX_PROMPT_CHARS)
    stream: bool = False
    framed: bool = False
    form: dict[str, Any] | None = None
    pronunciations: dict[str, str] = Field(default={}, max_length=MAX_PRONUNCIATIONS)
    user: str = Field(default="", max_length=64, description="the id of the person who is being written for")


FinishReason = Literal["stop", "length", "cancelled", "error"]


class Failure(BaseModel):
    """A rule that a line breaks, by a name to count by, and the reason as a writer reads it."""

    rule: str
    reason: str


class Partner(BaseModel):
    """What a line rhymes with: a line of the form from 1, or 0 for a word that the form names; its end; the kind."""

    line: int
    word: str
    kind: str


class NearestLine(BaseModel):
    """The line of an indexed text that is nearest: its number from 1, its likeness 0 to 1, and the words in a row that
    both have. `index` is what the text is called."""

    index: str
    line: str
    number: int
    ratio: float
    overlap: int


class SpokenWord(BaseModel):
    """A word of a line as it was heard; `is_guessed` when no dictionary has it."""

    word: str
    phones: list[str]
    is_guessed: bool = False


class LineEvidence(BaseModel):
    """What the verifier heard of one line that was written to a form, `number` counted from 1 in the form.

    `text` is the whole line, with what the writer had begun of it. `stresses` has a digit a syllable: 0 none, 1 main, 2
    second. `grid` is "" without a metre. A line without `failures` keeps every rule.
    """

    number: int
    text: str
    num_syllables: int
    stresses: list[int]
    words: list[SpokenWord]
    grid: str = ""
    partner: Partner | None = None
    nearest: NearestLine | None = None
    failures: list[Failure] = []


class Choice(BaseModel):
    """One take's next piece of text; `finish_reason` stands on its last piece alone.

    `lines` are those that ended in this piece. `score`, on the last piece of a crafted take, ranks it among its
    siblings: bits a token, higher is better; takes of one line come in that order already.
    """

    index: int
    text: str
    finish_reason: FinishReason | None = None
    lines: list[LineEvidence] = []
    score: float | None = None


class Usage(BaseModel):
    """Tokens counted by the engine; `completion_tokens` is the sum over all takes."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class Completion(BaseModel):
    """A whole answer, or one event of a stream. `usage` counts what was written so far: who leaves early knows it.

    `voice_load_ms` stands on a stream's first event: how long the voice took to be loaded, 0 when it was in memory.
    """

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage | None = None
    voice_load_ms: int | None = None


VoiceState = Literal["cold", "loading", "resident", "refused"]
VoiceKind = Literal["checkpoint", "adapter"]


class VoiceCard(BaseModel):
    """One entry of `GET /v1/models`: a checkpoint or a shared adapter of the bucket that requests may name.

    `state` is cold until a request loads it; `refused` says in `reason` why it will not serve. An adapter has a `base`,
    which is a checkpoint's name, and a `number`, which version of its title it is; a checkpoint has "" and 0.
    """

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "ghost-rhymes"
    kind: VoiceKind = "checkpoint"
    base: str = ""
    number: int = 0
    title: str = ""
    licence: str = ""
    source: str = ""
    architecture: str = ""
    num_parameters: int = 0
    max_len: int = Field(default=0, description="tokens of prompt and text together")
    state: VoiceState = "cold"
    reason: str = ""


class VoiceList(BaseModel):
    """`GET /v1/models`."""

    object: Literal["list"] = "list"
    data: list[VoiceCard]


class Offer(BaseModel):
    """A form that could be kept, near to one that cannot: what changes, in words, and the form itself."""

    words: str
    form: dict[str, Any]


class ErrorBody(BaseModel):
    """What went wrong, in words for a person (`message`) and for a program (`code`).

    `offers` come with `impossible_form`: the nearest forms that can be kept.
    """

    code: str
    message: str
    field: str | None = None
    retry_after_s: int | None = None
    offers: list[Offer] = []


class ErrorResponse(BaseModel):
    """The one JSON error shape of the inference service and of the public API."""

    error: ErrorBody
