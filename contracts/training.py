"""What the web, the workers and a training process agree on: what to train, what it will cost, and what comes of it.

A builder sends a `TrainRequest`; `resolve` fills in every number that it leaves open, by the size of the dataset, and
the `TrainConfig` that comes out is all that a training process is told. A `Probe` is what was measured beforehand;
`quote` turns it into minutes. While a process trains it says `TrainEvent`s, one line of JSON each. Knows no torch.
"""

from __future__ import annotations

import enum
import math
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.manifest import BadName, checked_name

Finite = Annotated[float, Field(allow_inf_nan=False)]
_Value = TypeVar("_Value")
Dtype = Literal["float32", "bfloat16"]
Stage = Literal["load", "tokenise", "phonemise", "train", "evaluate", "publish"]
STAGES: tuple[Stage, ...] = ("load", "tokenise", "phonemise", "train", "evaluate", "publish")

MIN_SONGS = 2
"""One to train on and one to judge by."""
MAX_EPOCHS = 50
HANDED_BACK = 75
"""How a training process ends that was told to stop and has put its state into the bucket (sysexits' EX_TEMPFAIL)."""
REFUSED = 65
"""How one ends that cannot do what it was asked; its last event says why (EX_DATAERR)."""


class Effort(enum.StrEnum):
    """The one dial."""

    QUICK = "quick"
    STANDARD = "standard"
    THOROUGH = "thorough"


class Advanced(BaseModel):
    """Numbers that a builder may set; None leaves one to the effort and the size of the dataset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: Finite | None = Field(default=None, gt=0, le=MAX_EPOCHS)
    learning_rate: Finite | None = Field(default=None, ge=1e-6, le=1e-2)
    lora_rank: int | None = Field(default=None, ge=1, le=64)
    lora_alpha: Finite | None = Field(default=None, gt=0, le=256)
    lora_dropout: Finite | None = Field(default=None, ge=0, le=0.5)
    max_len: int | None = Field(default=None, ge=64, le=2048, description="tokens of the longest song kept whole")
    batch_tokens: int | None = Field(default=None, ge=256, le=131_072, description="real tokens for one update")
    weight_decay: Finite | None = Field(default=None, ge=0, le=1)
    warmup_share: Finite | None = Field(default=None, ge=0, le=0.5)
    patience: int | None = Field(default=None, ge=1, le=50, description="evaluations without gain before an early stop")
    num_evaluations: int | None = Field(default=None, ge=1, le=50)
    gradient_checkpointing: bool | None = None
    eight_bit: bool | None = Field(default=None, description="base weights in 8 bits; needs a GPU")
    dtype: Dtype | None = None
    seed: int | None = Field(default=None, ge=0, lt=2**31)


class TrainRequest(BaseModel):
    """What a builder asks for. `phonemes` is the share of the training tokens that are phoneme tasks; 0 is off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    checkpoint: str = Field(min_length=1, max_length=128)
    effort: Effort = Effort.STANDARD
    phonemes: Finite = Field(default=0.0, ge=0, le=0.5)
    advanced: Advanced = Advanced()

    @property
    def manner(self) -> str:
        """What is told of all that makes a step dearer; "" for the usual. A measure in one manner tells of no other."""
        dear = {"lora_rank", "max_len", "batch_tokens", "gradient_checkpointing", "eight_bit", "dtype"}
        told = self.advanced.model_dump(mode="json", include=dear, exclude_none=True)
        return " ".join(f"{name}={value}" for name, value in sorted(told.items()))

    @model_validator(mode="after")
    def _checkpoint_is_named(self) -> Self:
        try:
            checked_name(self.checkpoint)
        except BadName as error:
            raise ValueError(str(error)) from None
        return self


class TrainConfig(BaseModel):
    """A request with every number filled in: with the songs, the checkpoint and the seed it decides the result."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    checkpoint: str
    effort: Effort
    phonemes: float = Field(ge=0, le=0.5)
    epochs: float = Field(gt=0)
    learning_rate: float
    lora_rank: int
    lora_alpha: float
    lora_dropout: float
    target_modules: Literal["attention", "all-linear"]
    max_len: int
    batch_tokens: int
    micro_batch_tokens: int = Field(description="tokens read at once; halved when memory runs out")
    weight_decay: float
    warmup_share: float
    patience: int
    num_evaluations: int
    gradient_checkpointing: bool
    eight_bit: bool
    dtype: Dtype
    seed: int
    kept_weight: int = Field(default=4, ge=1, description="times that a line which its writer kept is read an epoch")


class Effect(NamedTuple):
    """What an effort means before the size of the dataset bends it."""

    epochs: float
    max_tokens: int
    lora_rank: int
    num_evaluations: int


EFFECTS = {
    Effort.QUICK: Effect(epochs=2, max_tokens=40_000, lora_rank=8, num_evaluations=3),
    Effort.STANDARD: Effect(epochs=3, max_tokens=1_500_000, lora_rank=16, num_evaluations=6),
    Effort.THOROUGH: Effect(epochs=6, max_tokens=20_000_000, lora_rank=32, num_evaluations=12),
}
FEW_TOKENS = 60_000
"""Who reads fewer in all goes in smaller steps, or there would be hardly any."""
SMALL_TOKENS = 20_000
"""Below this a dataset is read more often, and at a lower rate it would be learned by heart instead."""


def resolve(request: TrainRequest, num_tokens: int) -> TrainConfig:
    """Every number of a training on `num_tokens` tokens of songs.

    Small datasets are read more often and with more dropout; large ones end where the effort's tokens are spent.
    """
    told, effect = request.advanced, EFFECTS[request.effort]
    num_tokens = max(1, num_tokens)
    usual_epochs = effect.epochs * (2 if num_tokens < SMALL_TOKENS else 1)
    epochs = told.epochs or max(0.05, round(min(usual_epochs, effect.max_tokens / num_tokens), 2))
    rank = told.lora_rank or effect.lora_rank
    few = num_tokens < SMALL_TOKENS or num_tokens * epochs < FEW_TOKENS
    batch_tokens = told.batch_tokens or (2_048 if few else 4_096)
    return TrainConfig(
        checkpoint=request.checkpoint,
        effort=request.effort,
        phonemes=request.phonemes,
        epochs=epochs,
        learning_rate=_or(told.learning_rate, 4e-4),
        lora_rank=rank,
        lora_alpha=_or(told.lora_alpha, 2.0 * rank),
        lora_dropout=_or(told.lora_dropout, 0.1 if num_tokens < SMALL_TOKENS else 0.05),
        target_modules="all-linear",
        max_len=told.max_len or 512,
        batch_tokens=batch_tokens,
        micro_batch_tokens=min(batch_tokens, 2_048),
        weight_decay=_or(told.weight_decay, 0.0),
        warmup_share=_or(told.warmup_share, 0.05),
        patience=told.patience or 3,
        num_evaluations=told.num_evaluations or effect.num_evaluations,
        gradient_checkpointing=bool(told.gradient_checkpointing),
        eight_bit=bool(told.eight_bit),
        dtype=told.dtype or "bfloat16",
        seed=_or(told.seed, 0),
    )


def num_steps(config: TrainConfig, num_tokens: int) -> int:
    """Updates of a whole training; phoneme tasks take the place of songs and add none."""
    return max(1, math.ceil(config.epochs * num_tokens / config.batch_tokens))


class Probe(BaseModel):
    """What was measured of a checkpoint on the machine that will train, with a few steps on the dataset itself."""

    model_config = ConfigDict(frozen=True)

    device: str
    tokens_per_s: float = Field(gt=0, description="real tokens trained on in a second")
    load_s: float = Field(ge=0)
    evaluate_s: float = Field(ge=0, description="one evaluation during the training")
    judge_s: float = Field(ge=0, description="the table at the end: bare checkpoint, version before, this one")
    num_tokens: int = Field(ge=1, description="of the songs to train on, once")
    peak_bytes: int = Field(ge=0)


class Quote(BaseModel):
    """What a run will take: minutes as expected, and the cap, which is the most that is ever charged.

    `bits_per_byte` is the range that similar runs of this server reached on their held-out songs; None without any.
    Of the minutes the steps take `train_s`, each evaluation on the way `evaluate_s`, the table at the end `judge_s`.
    """

    model_config = ConfigDict(frozen=True)

    minutes: float
    max_minutes: int
    price_cents: int
    max_price_cents: int
    num_steps: int
    num_tokens: int
    load_s: float = 0.0
    train_s: float = 0.0
    evaluate_s: float = 0.0
    judge_s: float = 0.0
    bits_per_byte: tuple[float, float] | None = None
    num_similar: int = 0


CAP = 1.5
"""A quote's cap over what is expected: other work on the machine slows a run, and that is ours to bear beyond it."""


def quote(config: TrainConfig, probe: Probe, *, cents_a_minute: float, similar: tuple[float, ...] = ()) -> Quote:
    """Minutes and price of a run; `similar` are the bits per byte that earlier runs like it reached."""
    steps = num_steps(config, probe.num_tokens)
    tokens = steps * config.batch_tokens
    train_s = tokens / probe.tokens_per_s
    seconds = probe.load_s + train_s + config.num_evaluations * probe.evaluate_s + probe.judge_s
    minutes = seconds / 60
    max_minutes = math.ceil(minutes * CAP)
    return Quote(
        minutes=round(minutes, 1),
        max_minutes=max_minutes,
        price_cents=math.ceil(minutes * cents_a_minute),
        max_price_cents=math.ceil(max_minutes * cents_a_minute),
        num_steps=steps,
        num_tokens=tokens,
        load_s=probe.load_s,
        train_s=round(train_s, 1),
        evaluate_s=probe.evaluate_s,
        judge_s=probe.judge_s,
        bits_per_byte=(min(similar), max(similar)) if similar else None,
        num_similar=len(similar),
    )


class Measures(BaseModel):
    """What a network does on the held-out songs, and what it writes when no form holds it.

    Shares are 0 to 1. `rhyme_rate` and `metre_rate` are of lines written freely, `copied_share` of those lines that
    stand in the training songs (words, whatever their case and marks), `longest_copy` the most words in a row.
    """

    bits_per_byte: float
    rhyme_rate: float
    metre_rate: float
    copied_share: float
    longest_copy: int
    distinct_2: float
    explicit_share: float
    num_lines: int


class Table(BaseModel):
    """The three that are compared on the same held-out songs and prompts; `before` is the version before, if any."""

    bare: Measures
    adapter: Measures
    before: Measures | None = None


class Worse(NamedTuple):
    """An agreed measure that an adapter does worse at, in words."""

    measure: str
    words: str


MAX_COPIED = 0.01
"""More lines than this out of the training songs, and an adapter recites instead of writing."""


def what_is_worse(table: Table) -> list[Worse]:
    """Where the adapter falls behind what it would replace; what is published has nothing here, or a reason."""
    against = table.before or table.bare
    name = "the version before" if table.before else "the bare checkpoint"
    new, found = table.adapter, []
    if new.bits_per_byte > against.bits_per_byte * 1.005:
        found.append(
            Worse(
                "bits_per_byte",
                f"It predicts the held-out songs worse than {name}: {new.bits_per_byte:.3f} bits a byte against "
                f"{against.bits_per_byte:.3f}.",
            )
        )
    if new.copied_share > max(MAX_COPIED, against.copied_share):
        found.append(
            Worse("copied_share", f"{new.copied_share:.1%} of its lines stand in the training songs word for word.")
        )
    if new.distinct_2 < 0.8 * against.distinct_2:
        found.append(
            Worse(
                "distinct_2",
                f"It repeats itself: {new.distinct_2:.2f} of its pairs of words are different, {name} has "
                f"{against.distinct_2:.2f}.",
            )
        )
    return found


EventKind = Literal["stage", "step", "validation", "sample", "table", "saved", "machine", "log", "done", "refused"]


class TrainEvent(BaseModel):
    """One line that a training process says. `step` counts updates from 1; 0 is before the first.

    | kind | payload |
    |---|---|
    | stage | `{stage}` |
    | step | `{loss, learning_rate, tokens, seconds}`: of this update; the loss is nats a token |
    | validation | `{loss, bits_per_byte}` and what else was measured |
    | sample | `{prompt, form: words or "", text, rhymes, metre, copied, longest_copy, nearest}`, see below |
    | table | a `Table` |
    | saved | `{key, is_best}`: the folder in the bucket that the run can go on from, its manifest written |
    | machine | `{cpu, memory_bytes, gpu, gpu_memory_bytes}`: shares 0 to 1, None without a GPU |
    | log | `{words}` |
    | done | `{folder, best_step, card, tokens, seconds}`: the adapter's files, on this machine |
    | refused | `{code, words}`: why it cannot go on, for the run's owner |

    Of a sample, `rhymes`, `metre` and `copied` are shares of its lines and `longest_copy` is words, as in `Measures`;
    `nearest` is `{line, ratio}`: the training songs' line nearest to any of its own, 1.0 being the same; or None.
    """

    model_config = ConfigDict(frozen=True)

    kind: EventKind
    step: int = 0
    payload: dict[str, Any] = {}


class TrainTask(BaseModel):
    """All that a training process is told; `task.json` in its folder. Paths are relative to that folder.

    `songs` holds lines of `corpus.version.FrozenSong` JSON with their `split`; a line with `source` "feedback" is one
    that its writer kept, and `prompt` in it what stood before. `resume_key` is the folder in the bucket that an earlier
    attempt saved last, `save_key` the one for this attempt's own. `before` is the adapter id of the version before.
    """

    model_config = ConfigDict(frozen=True)

    run_id: UUID
    kind: Literal["train", "probe"] = "train"
    config: TrainConfig
    songs: str = "songs.jsonl"
    save_key: str = ""
    resume_key: str = ""
    before: str = ""
    save_every_s: float = 20.0


def _or(value: _Value | None, usual: _Value) -> _Value:
    return usual if value is None else value
