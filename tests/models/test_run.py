"""What a training told is stored once, and what it cost is charged once."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from models import Account, Dataset, DatasetVersion, Rights, Run, RunEvent, Song, SongState, User, VersionSong
from models.account import reserve_minutes
from models.dataset import num_taken_back
from models.run import Told, charge, reopen, settle, tell

QUOTE = {"load_s": 20.0, "evaluate_s": 5.0, "judge_s": 30.0}


@pytest.fixture
def alice(session: Session) -> UUID:
    user = User(email="alice@example.org")
    session.add(user)
    session.flush()
    account = Account(
        user_id=user.id, tokens_allowance=0, tokens_left=0, max_generations=1, max_lyrics=1, minutes_allowance=60,
        minutes_left=60,
    )  # fmt: skip
    session.add(account)
    session.flush()
    return user.id


@pytest.fixture
def run_id(session: Session, alice: UUID) -> UUID:
    """A run that has reserved 10 minutes, on a version of two songs."""
    dataset = Dataset(user_id=alice, name="Harbour")
    session.add(dataset)
    session.flush()
    version = DatasetVersion(dataset_id=dataset.id, number=1, content_sha256="0" * 64, manifest={})
    session.add(version)
    session.flush()
    for sha in ("a" * 64, "b" * 64):
        session.add(
            Song(
                dataset_id=dataset.id, position=0, track_key=sha, state=SongState.FOUND, text="words", content_sha=sha,
                rights=Rights.MINE,
            )
        )  # fmt: skip
        session.add(VersionSong(version_id=version.id, content_sha=sha))
    run = Run(
        user_id=alice, dataset_id=dataset.id, version_id=version.id, title="Harbour", number=1, request={},
        config={"checkpoint": "tiny", "phonemes": 0.0}, quote=QUOTE, minutes_reserved=10,
    )  # fmt: skip
    session.add(run)
    assert reserve_minutes(session, alice, 10)
    session.flush()
    return run.id


def minutes_left(session: Session, user_id: UUID) -> int:
    session.expire_all()
    return session.get_one(Account, user_id).minutes_left


def test_it_works(session: Session, alice: UUID, run_id: UUID) -> None:
    tell(session, run_id, [Told("step", n, 0, {"seconds": 30.0}) for n in (1, 2, 3)])
    tell(session, run_id, [Told("validation", n, 0, {}) for n in (0, 2, 3)])
    assert charge(session, run_id, is_done=True)  # 90 s of steps, 20 + 2 * 5 + 20 s of all else
    assert minutes_left(session, alice) == 60 - 3
    run = session.get_one(Run, run_id)
    assert (run.minutes_charged, run.last_step) == (3, 3)
    assert not charge(session, run_id, is_done=True)
    assert minutes_left(session, alice) == 60 - 3


def test_what_is_told_again_is_stored_and_charged_once(session: Session, alice: UUID, run_id: UUID) -> None:
    for seconds in (100.0, 50.0):
        tell(session, run_id, [Told("step", n, 0, {"seconds": seconds}) for n in (1, 2)])
    assert [row.payload["seconds"] for row in session.scalars(select(RunEvent))] == [50.0, 50.0]
    assert charge(session, run_id, is_done=False)
    assert minutes_left(session, alice) == 60 - 2


def test_refused_before_the_first_step_it_costs_nothing(session: Session, alice: UUID, run_id: UUID) -> None:
    assert charge(session, run_id, is_done=False)
    assert minutes_left(session, alice) == 60


def test_a_run_never_costs_more_than_it_reserved(session: Session, alice: UUID, run_id: UUID) -> None:
    assert settle(session, run_id, 1_000)
    assert session.get_one(Run, run_id).minutes_charged == 10
    assert minutes_left(session, alice) == 50


def test_a_run_that_goes_on_is_charged_for_what_comes_on_top(session: Session, alice: UUID, run_id: UUID) -> None:
    assert not reopen(session, run_id, 6)
    assert settle(session, run_id, 4)
    assert reserve_minutes(session, alice, 6)
    assert reopen(session, run_id, 6)
    assert settle(session, run_id, 7)
    session.expire_all()
    assert session.get_one(Run, run_id).minutes_charged == 7
    assert minutes_left(session, alice) == 60 - 7


def test_a_version_knows_how_many_of_its_songs_may_train_no_more(session: Session, run_id: UUID) -> None:
    version_id = session.get_one(Run, run_id).version_id
    assert version_id
    assert num_taken_back(session, version_id) == 0
    one, other = session.scalars(select(Song).order_by(Song.track_key)).all()
    one.rights = Rights.UNKNOWN
    session.flush()
    assert num_taken_back(session, version_id) == 1
    session.delete(other)
    session.flush()
    assert num_taken_back(session, version_id) == 2
