"""The verb of a quote: what a training would take, before it is asked for, and what stands in its way.

A quote is arithmetic over what was measured of a checkpoint on a dataset's version; where nothing was measured yet,
asking for a quote has it measured. Changing the effort or the epochs changes it at once.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import dataset_version, generation, job
from app.errors import BadInput, TooMany
from app.job import JobView
from app.people import check_member
from contracts import training
from contracts.manifest import DatasetManifest
from contracts.settings import Settings
from contracts.training import MIN_SONGS, Probe, Quote, TrainConfig, TrainRequest
from models import Adapter, DatasetVersion, Job, JobState, Probed, Run
from models.account import account_of, hold_account
from models.dataset import num_taken_back
from models.job import OPEN_STATES
from models.run import charge_ended

MIN_SIMILAR = 3
"""Fewer runs than this say little of the next, and too much of whose they were."""
MAX_SIMILAR = 100
MEASURE_AGAIN = timedelta(minutes=1)
"""What could not be measured is measured anew when it is asked for so much later, and not before."""
ENOUGH_TO_JUDGE = 5
"""Held-out songs; by fewer, a figure is the song's more than the voice's."""
MAX_MEASURED = 3
"""Measurements of one person that may wait or be under way."""
TOKENS_A_WORD = 1.4
"""Before anything was measured: English words in the tokens of the usual vocabularies."""
WHAT = "Voices can be trained"


class Balance(NamedTuple):
    """What a person may still train. `adapters` counts the titles of voices that are kept or under way."""

    minutes_left: int
    minutes_allowance: int
    adapters: int
    max_adapters: int


class QuoteView(NamedTuple):
    """What a training would be. `quote` is None until it was measured, by `job`; `refusals` say in words why it cannot
    be started as it stands, `cautions` what should be known before."""

    config: dict[str, Any]
    num_train_songs: int
    quote: dict[str, Any] | None
    job: JobView | None
    balance: Balance
    refusals: list[str]
    cautions: list[str]


class WorkedOut(NamedTuple):
    """Every number of a training, and what it will take."""

    config: TrainConfig
    quote: Quote


def ask(
    session: Session, settings: Settings, user_id: UUID, dataset_id: UUID, number: int, request: TrainRequest
) -> QuoteView:
    """What training a version by this request would take; has it measured when it was not yet.

    Raises:
        NeedsAccount: a guest.
        NotFound: there is no such version of this person.
        BadInput: there is no such checkpoint.
        TooMany: too many jobs are waiting to be measured.
        ServiceAway: nobody can say which checkpoints there are.
    """
    check_member(session, user_id, WHAT)
    version = dataset_version.own_version(session, user_id, dataset_id, number)
    check_checkpoint(request.checkpoint)
    charge_ended(session, user_id)
    held = balance(session, user_id)
    refusals = why_not(session, version)
    known = work_out(session, settings, version, request)
    measuring: JobView | None = None
    if known is None and not refusals:
        measuring = _measure(session, user_id, version, request)
        if measuring.state == JobState.FAILED:
            refusals.append(f"It could not be measured what this would take: {measuring.error}")
    if known and known.quote.max_minutes > held.minutes_left:
        refusals.append(too_few_minutes(session, user_id, known.quote.max_minutes, held.minutes_left))
    return QuoteView(
        config=(known.config if known else _guessed(version, request)).model_dump(mode="json"),
        num_train_songs=_num_train_songs(version),
        quote=known.quote.model_dump(mode="json") if known else None,
        job=measuring,
        balance=held,
        refusals=refusals,
        cautions=_cautions(version),
    )


def work_out(session: Session, settings: Settings, version: DatasetVersion, request: TrainRequest) -> WorkedOut | None:
    """The numbers of a training and its quote; None when nothing was measured for it yet."""
    measured = session.scalar(select(Probed.probe).where(*_of(version.id, request)))
    if measured is None:
        return None
    probe = Probe.model_validate(measured)
    config = training.resolve(request, probe.num_tokens)
    similar = _similar(session, request)
    return WorkedOut(
        config, training.quote(config, probe, cents_a_minute=settings.training_cents_a_minute, similar=similar)
    )


def why_not(session: Session, version: DatasetVersion) -> list[str]:
    """Why a version may not be trained on, in words that say what to do; empty when it may."""
    num_songs = _manifest(version).counts.get("songs", 0)
    if num_songs < MIN_SONGS:
        return [
            f"Version {version.number} holds {num_songs} song{'s' * (num_songs != 1)}: it takes {MIN_SONGS} at least, "
            "one to train on and one to judge by. Bring in more, state their rights, and freeze anew."
        ]
    if gone := num_taken_back(session, version.id):
        return [
            f"{gone:,} of the {num_songs:,} songs of version {version.number} may not be trained on as they were "
            "frozen: since then they were dropped, changed, or lost their rights. Freeze a new version and train on "
            "that."
        ]
    return []


def balance(session: Session, user_id: UUID) -> Balance:
    """What this person may still train."""
    account = account_of(session, user_id)
    kept = len(titles(session, user_id))
    return Balance(account.minutes_left, account.minutes_allowance, kept, account.max_adapters)


def titles(session: Session, user_id: UUID) -> set[str]:
    """The titles of this person's voices, those under way too."""
    kept = select(Adapter.title).where(Adapter.user_id == user_id, Adapter.deleted_at.is_(None))
    under_way = (
        select(Run.title)
        .join(Job, Job.id == Run.job_id)
        .where(Run.user_id == user_id, Run.deleted_at.is_(None), Job.state.in_(OPEN_STATES))
    )
    return set(session.scalars(kept.union(under_way)))


def too_few_minutes(session: Session, user_id: UUID, needed: int, left: int) -> str:
    """The refusal of what the allowance does not cover, with what to do."""
    renews_at = account_of(session, user_id).renews_at
    renewal = f" Your minutes are filled up again on {renews_at:%d %B %Y}." if renews_at else ""
    return (
        f"This takes up to {needed:,} minutes of training and {left:,} are left. Choose a quicker effort or fewer "
        f"epochs.{renewal}"
    )


def check_checkpoint(name: str) -> None:
    """Raises BadInput when no checkpoint of this name can be trained, with the names of those that can."""
    cards = {card.id: card for card in generation.shared_voices() if card.kind == "checkpoint"}
    able = ", ".join(sorted(card.id for card in cards.values() if card.state != "refused")[:8])
    named = f"Checkpoints: {able or 'none yet: add one with `ghost checkpoints add`'}."
    if name not in cards:
        raise BadInput(
            f"There is no checkpoint called {name[:80]!r}. {named}",
            code="unknown_checkpoint",
            field="request.checkpoint",
        )
    if cards[name].state == "refused":
        raise BadInput(
            f"The checkpoint {name!r} cannot be used: {cards[name].reason}. {named}",
            code="checkpoint_refused",
            field="request.checkpoint",
        )


def _measure(session: Session, user_id: UUID, version: DatasetVersion, request: TrainRequest) -> JobView:
    """The job that measures; asked for once, however many ask."""
    hold_account(session, user_id)
    row = {
        "user_id": user_id,
        "version_id": version.id,
        "checkpoint": request.checkpoint,
        "phonemes": request.phonemes > 0,
        "manner": request.manner,
    }
    session.execute(insert(Probed).values(row).on_conflict_do_nothing())
    probed = session.execute(
        select(Probed).where(*_of(version.id, request)).with_for_update(),
        execution_options={"populate_existing": True},
    ).scalar_one()
    before = job.get(session, user_id, probed.job_id) if probed.job_id else None
    if before and (not before.is_over or _failed_just_now(before)):
        return before
    _check_room(session, user_id)
    told = {"name": request.checkpoint, "request": request.model_dump(mode="json")}
    asked = job.start(session, user_id, version.dataset_id, job.PROBE, told)
    probed.job_id = asked.id
    session.flush()
    return asked


def _check_room(session: Session, user_id: UUID) -> None:
    """Measuring costs its asker nothing, so few wait at a time: others wait behind them."""
    waiting = select(func.count()).where(Job.user_id == user_id, Job.kind == job.PROBE, Job.state.in_(OPEN_STATES))
    if (session.scalar(waiting) or 0) >= MAX_MEASURED:
        raise TooMany(
            f"{MAX_MEASURED} measurements of yours are waiting already. Wait for one to end, or cancel it.",
            code="too_many_measurements",
            retry_after_s=30,
        )


def _failed_just_now(view: JobView) -> bool:
    ended = view.finished_at
    return view.state == JobState.FAILED and ended is not None and datetime.now(UTC) - ended < MEASURE_AGAIN


def _similar(session: Session, request: TrainRequest) -> tuple[float, ...]:
    """What runs of anybody on this checkpoint and by this effort reached."""
    reached = (
        select(Adapter.bits_per_byte)
        .join(Run, Run.id == Adapter.id)
        .where(Adapter.base == request.checkpoint, Run.request["effort"].astext == request.effort.value)
        .order_by(Adapter.created_at.desc())
        .limit(MAX_SIMILAR)
    )
    found = tuple(session.scalars(reached))
    return found if len(found) >= MIN_SIMILAR else ()


def _of(version_id: UUID, request: TrainRequest) -> tuple[Any, ...]:
    return (
        Probed.version_id == version_id,
        Probed.checkpoint == request.checkpoint,
        Probed.phonemes == (request.phonemes > 0),
        Probed.manner == request.manner,
    )


def _cautions(version: DatasetVersion) -> list[str]:
    num_held_out = _manifest(version).counts.get("songs", 0) - _num_train_songs(version)
    if num_held_out >= ENOUGH_TO_JUDGE:
        return []
    songs = "1 song" if num_held_out == 1 else f"{num_held_out} songs"
    return [
        f"It will be judged by {songs} that it has not read: figures of so few say little. From {10 * ENOUGH_TO_JUDGE} "
        "songs on they begin to mean something."
    ]


def _guessed(version: DatasetVersion, request: TrainRequest) -> TrainConfig:
    counts = _manifest(version).counts
    words_a_song = counts.get("words", 0) / max(1, counts.get("songs", 0))
    return training.resolve(request, round(words_a_song * _num_train_songs(version) * TOKENS_A_WORD))


def _num_train_songs(version: DatasetVersion) -> int:
    """Songs to learn from. Where the splits hold out none, or all, a tenth is held out to judge by, one at least."""
    manifest = _manifest(version)
    num_songs, train = manifest.counts.get("songs", 0), manifest.splits.get("train", 0)
    return train if 0 < train < num_songs else max(0, num_songs - max(1, num_songs // 10))


def _manifest(version: DatasetVersion) -> DatasetManifest:
    return DatasetManifest.model_validate(version.manifest)
