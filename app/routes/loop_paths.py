"""The description of feedback, cards and blind comparisons: which address takes what and answers what."""

from __future__ import annotations

from pydantic import BaseModel

from app.feedback import VERDICTS
from app.routes.answers import Json
from app.routes.dataset_answers import JobShown
from app.routes.describe import path_id, path_number, query, verb
from app.routes.loop import Improvement, NewCards, NewComparison, NewFeedback, NewPick

COMPARE = (
    "Have two voices go on from the same beginnings, which neither was trained on, with the same seeds. Pairs are "
    "written as the picks go on, and charged as any text. What stands left and right is drawn, and told in the end."
)
IMPROVE = (
    "Put what was kept of this voice's title, and is in no dataset yet, into its dataset as yours, and freeze that. "
    "409 when there is nothing. Train the version that the `job` makes with `before_id`, and compare the two."
)


class FeedbackItem(BaseModel):
    """A line or take and its verdict. `line` is null for a whole take; `text` is as its writer left it."""

    id: str
    voice: str
    generation_id: str | None
    take: int
    line: int | None
    prompt: str
    written: str
    text: str
    verdict: str
    created_at: str
    used_at: str | None


class FeedbackCounts(BaseModel):
    """What was said of a voice and the versions of its title before; `unused` are kept, and in no dataset yet."""

    kept: int
    rejected: int
    unused: int
    next_number: int | None
    words: str


class FeedbackSaid(FeedbackItem, FeedbackCounts):
    """A verdict as it was noted, and what there is of that voice now."""


class FeedbackList(FeedbackCounts):
    """Verdicts, the newest first."""

    items: list[FeedbackItem]


class Card(BaseModel):
    """A line that is being written after a prompt: take 0 of this generation."""

    generation_id: str
    prompt: str


class Cards(BaseModel):
    """A session's cards; fewer than were asked for when the allowance ends."""

    cards: list[Card]


class Improved(BaseModel):
    """So many lines went into the dataset, and the job freezes them into its next version."""

    dataset_id: str
    job: JobShown
    kept: int


class PairShown(BaseModel):
    """The pair to be picked of. The texts are "" until both are there; `trouble` says why none come: go on then."""

    number: int
    prompt: str
    form: str
    is_ready: bool
    left: str
    right: str
    trouble: str


class PairJudged(BaseModel):
    """What each voice wrote, and whom the pick was for: a, b or tie."""

    number: int
    prompt: str
    a: str
    b: str
    pick: str


class ResultShown(BaseModel):
    """What the picks came to: the share of a among those that were no tie, with its 95 % interval (Wilson)."""

    wins_a: int
    wins_b: int
    ties: int
    share: float
    low: float
    high: float
    is_sure: bool
    words: str


class ComparisonShown(BaseModel):
    """A comparison: with a `pair` while it goes on, with a `result` and all pairs `judged` when it is over."""

    id: str
    voice_a: str
    voice_b: str
    title_a: str
    title_b: str
    num_pairs: int
    num_picked: int
    pair: PairShown | None
    result: ResultShown | None
    judged: list[PairJudged]
    created_at: str
    finished_at: str | None


class ComparisonList(BaseModel):
    """Your comparisons, the newest first, without their pairs."""

    comparisons: list[ComparisonShown]


LOOP_SCHEMAS: tuple[type[BaseModel], ...] = (
    Cards,
    ComparisonList,
    ComparisonShown,
    FeedbackCounts,
    FeedbackList,
    FeedbackSaid,
    Improved,
    Improvement,
    NewCards,
    NewComparison,
    NewFeedback,
    NewPick,
)


def loop_paths() -> Json:
    """All of them."""
    return _feedback() | _comparisons()


def _feedback() -> Json:
    return {
        "/feedback": {
            "get": verb("listFeedback", "What you kept and rejected", answers={"200": "FeedbackList"}, errors=("400",))
            | {
                "parameters": [
                    query("voice", {"type": "string", "description": "and the versions of its title"}),
                    query("verdict", {"type": "string", "enum": list(VERDICTS)}),
                ]
            },
            "post": verb(
                "sayFeedback",
                "Keep or reject a take, or a line of it. Said again, the last word counts.",
                body="NewFeedback",
                answers={"201": "FeedbackSaid"},
                errors=("400", "402", "404", "409"),
            ),
        },
        "/feedback/{feedback_id}": {
            "parameters": [path_id("feedback_id")],
            "delete": verb(
                "takeFeedbackBack", "Forget a verdict", answers={"200": "FeedbackCounts"}, errors=("404", "409")
            ),
        },
        "/cards": {
            "post": verb(
                "dealCards",
                "Lines of a voice after beginnings that it was not trained on, to keep or reject",
                body="NewCards",
                answers={"201": "Cards"},
                errors=("400", "402", "403", "429", "503"),
            ),
        },
        "/adapters/{adapter_id}/improve": {
            "parameters": [path_id("adapter_id")],
            "post": verb(
                "improveAdapter",
                IMPROVE,
                body="Improvement",
                answers={"202": "Improved"},
                errors=("400", "402", "404", "409", "429"),
            ),
        },
    }


def _comparisons() -> Json:
    comparison_id = path_id("comparison_id")
    shown = {"200": "ComparisonShown"}
    return {
        "/comparisons": {
            "get": verb("listComparisons", "Your comparisons", answers={"200": "ComparisonList"}, errors=("403",)),
            "post": verb(
                "startComparison",
                COMPARE,
                body="NewComparison",
                answers={"201": "ComparisonShown"},
                errors=("400", "402", "403", "429", "503"),
            ),
        },
        "/comparisons/{comparison_id}": {
            "parameters": [comparison_id],
            "get": verb("readComparison", "As it stands", answers=shown, errors=("404",)),
        },
        "/comparisons/{comparison_id}/go-on": {
            "parameters": [comparison_id],
            "post": verb(
                "goOnComparing",
                "Have the open pair written where it could not be",
                answers=shown,
                errors=("402", "404", "429", "503"),
            ),
        },
        "/comparisons/{comparison_id}/pairs/{number}": {
            "parameters": [comparison_id, path_number("number")],
            "post": verb(
                "pick",
                "Say which is better; may be changed until the last pick",
                body="NewPick",
                answers=shown,
                errors=("400", "404", "409"),
            ),
        },
    }
