"""What the API answers about trainings and the voices that come of them, as types: for its description alone."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from app.routes.adapters import Publication
from app.routes.answers import Json
from app.routes.dataset_answers import JobShown
from app.routes.runs import NewRun, QuoteAsked
from contracts.training import EventKind, Quote, TrainConfig, TrainRequest

State = Literal["queued", "running", "waiting", "done", "failed", "cancelled"]


class BalanceShown(BaseModel):
    """What you may still train. `adapters` counts the titles of voices that you keep, or that are under way."""

    minutes_left: int
    minutes_allowance: int
    adapters: int
    max_adapters: int


class QuoteShown(BaseModel):
    """What a training would be. `quote` is null until it was measured, by `job`: ask again when that is over.
    `refusals` say why it cannot be started as it stands."""

    config: TrainConfig
    num_train_songs: int
    quote: Quote | None
    job: JobShown | None
    balance: BalanceShown
    refusals: list[str]
    cautions: list[str]


class TrainedOn(BaseModel):
    """A version of a dataset."""

    id: str
    name: str
    number: int


class RunShown(BaseModel):
    """A training. `position` is its place in the queue, 1 for the next; `eta_s` how long it will still take, the wait
    too. `adapter_id` names the voice that it made, while that is kept; `dataset` is null once that is gone for good."""

    id: str
    title: str
    number: int
    dataset: TrainedOn | None
    request: TrainRequest
    config: TrainConfig
    quote: Quote
    state: State
    stage: str
    position: int | None
    num_done: int
    num_total: int | None
    eta_s: float | None
    error: str | None
    stop_asked: bool
    cancel_asked: bool
    minutes_reserved: int
    minutes_charged: int | None
    before_id: str | None
    adapter_id: str | None
    job_id: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    last_step: int


class RunList(BaseModel):
    """Your trainings, the newest first."""

    runs: list[RunShown]


class RunEventShown(BaseModel):
    """What a training said: of a `step` {loss, learning_rate, tokens, seconds}, of a `validation` {loss,
    bits_per_byte}, a `sample` {prompt, form, text, rhymes, metre, copied, longest_copy}, ..."""

    kind: EventKind
    step: int
    nth: int
    payload: Json
    at: str


class RunEventList(BaseModel):
    """By step; step 0 is before the first."""

    events: list[RunEventShown]


class AdapterShown(BaseModel):
    """A voice that was trained; name its `id` as the `voice` of a generation. `worse` says where it falls behind what
    it replaces, `reason` why it was published all the same; `is_live` marks the one that stands for its title.
    `compared` is what your last blind comparison with what it replaces came to, "" without one. `card` tells what it
    was made of and what it reached; null in a list."""

    id: str
    title: str
    number: int
    base: str
    is_shared: bool
    is_live: bool
    published_at: str | None
    reason: str
    bits_per_byte: float | None
    worse: list[str]
    compared: str
    licence: str
    size_bytes: int
    created_at: str | None
    card: Json | None


class AdapterList(BaseModel):
    """Your voices, the newest first, then those that are everybody's."""

    adapters: list[AdapterShown]


TRAINING_SCHEMAS: tuple[type[BaseModel], ...] = (
    AdapterList,
    AdapterShown,
    NewRun,
    Publication,
    QuoteAsked,
    QuoteShown,
    RunEventList,
    RunList,
    RunShown,
)
