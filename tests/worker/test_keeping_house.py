"""The worker ends generations whose process died, and clears away what is old and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.bucket import LocalBucket
from contracts.manifest import adapter_manifest_key, dataset_key, dataset_manifest_key, run_folder
from models import (
    Account,
    Adapter,
    Dataset,
    Generation,
    GenerationEvent,
    GenerationState,
    Job,
    JobState,
    Lookup,
    Lyric,
    Run,
    SongState,
    User,
)
from models.generation import Ending, EventRow, append_events, beat, end, give_up_lost, request_cancel
from models.run import Told, tell
from worker.house import clear_adapters, clear_datasets, clear_old, clear_runs, clear_uploads, settle_runs

LONG_AGO = datetime.now(UTC) - timedelta(days=90)


@pytest.fixture
def alice(session: Session) -> UUID:
    user = User(email="alice@example.org")
    session.add(user)
    session.flush()
    session.add(Account(user_id=user.id, tokens_allowance=100, tokens_left=40, max_generations=9, max_lyrics=9))
    session.commit()
    return user.id


def running(session: Session, owner: UUID, heartbeat_at: datetime) -> Generation:
    row = Generation(
        user_id=owner,
        voice="tiny",
        prompt="x",
        params={"n": 2},
        tokens_reserved=60,
        heartbeat_at=heartbeat_at,
        state=GenerationState.RUNNING,
    )
    session.add(row)
    session.commit()
    return row


def test_it_works(session: Session, alice: UUID) -> None:
    row = running(session, alice, LONG_AGO)
    append_events(session, [EventRow(row.id, 1, "token", {"take": 1, "text": "so far"})])
    assert give_up_lost(session) == 1
    session.commit()
    session.refresh(row)
    assert (row.state, row.error_code, row.tokens_used) == (GenerationState.FAILED, "interrupted", 0)
    assert [take["text"] for take in row.takes] == ["", "so far"]
    assert session.get_one(Account, alice).tokens_left == 100
    events = session.scalars(select(GenerationEvent).order_by(GenerationEvent.seq)).all()
    assert [(event.seq, event.kind) for event in events] == [(1, "token"), (2, "error")]
    assert give_up_lost(session) == 0


def test_a_living_generation_is_left_alone(session: Session, alice: UUID) -> None:
    running(session, alice, datetime.now(UTC))
    assert give_up_lost(session) == 0


def test_a_generation_ends_once_and_is_settled_once(session: Session, alice: UUID) -> None:
    row = running(session, alice, datetime.now(UTC))
    assert end(session, row.id, Ending(GenerationState.DONE, [], tokens_used=10))
    assert not end(session, row.id, Ending(GenerationState.FAILED, [], tokens_used=0))
    session.commit()
    session.refresh(row)
    assert row.state is GenerationState.DONE
    assert session.get_one(Account, alice).tokens_left == 40 + 50


def test_a_heartbeat_tells_which_are_to_stop(session: Session, alice: UUID) -> None:
    going, asked, over = (running(session, alice, LONG_AGO) for _ in range(3))
    request_cancel(session, asked.id)
    end(session, over.id, Ending(GenerationState.DONE, [], tokens_used=0))
    assert beat(session, [going.id, asked.id, over.id]) == {asked.id, over.id}
    assert give_up_lost(session) == 0


def test_an_event_stored_twice_stays_as_it_was(session: Session, alice: UUID) -> None:
    row = running(session, alice, datetime.now(UTC))
    for words in ("first", "second"):
        append_events(session, [EventRow(row.id, 1, "token", {"take": 0, "text": words})])
    assert session.get_one(GenerationEvent, (row.id, 1)).payload["text"] == "first"


def test_only_what_is_old_is_cleared_away(session: Session, alice: UUID) -> None:
    idle_guest, busy_guest = User(created_at=LONG_AGO), User(created_at=LONG_AGO)
    session.add_all([idle_guest, busy_guest])
    session.flush()
    session.add_all(
        [
            Lyric(user_id=busy_guest.id, text="kept"),
            Lyric(user_id=alice, text="deleted long ago", deleted_at=LONG_AGO),
            Lyric(user_id=alice, text="deleted just now", deleted_at=datetime.now(UTC)),
        ]
    )
    session.flush()
    cleared = clear_old(session)
    assert (cleared["guests"], cleared["lyrics"]) == (1, 1)
    assert {row.text for row in session.scalars(select(Lyric))} == {"kept", "deleted just now"}
    assert session.get(User, busy_guest.id) is not None


def test_old_jobs_and_lookups_go_and_a_guest_with_a_dataset_stays(session: Session, alice: UUID) -> None:
    guest = User(created_at=LONG_AGO - timedelta(days=30))
    session.add(guest)
    session.flush()
    ancient = LONG_AGO - timedelta(days=30)
    session.add_all(
        [
            Dataset(user_id=guest.id, name="the guest's"),
            Job(user_id=alice, kind="over", request={}, state=JobState.DONE, finished_at=ancient),
            Job(user_id=alice, kind="waiting", request={}, state=JobState.WAITING, created_at=ancient),
            Lookup(user_id=alice, source="genius", track_key="a", state=SongState.FOUND, fetched_at=ancient),
            Lookup(user_id=alice, source="genius", track_key="b", state=SongState.FOUND),
        ]
    )
    session.flush()
    cleared = clear_old(session)
    assert (cleared["guests"], cleared["jobs"], cleared["lookups"]) == (0, 1, 1)
    assert session.scalars(select(Job.kind)).all() == ["waiting"]
    assert session.scalars(select(Lookup.track_key)).all() == ["b"]


def test_a_dataset_goes_with_its_files(session: Session, alice: UUID, tmp_path: Path) -> None:
    bucket = LocalBucket(tmp_path)
    old, fresh, kept = (Dataset(user_id=alice, name=name) for name in ("old", "fresh", "kept"))
    old.deleted_at, fresh.deleted_at = LONG_AGO, datetime.now(UTC)
    session.add_all([old, fresh, kept])
    session.flush()
    for dataset in (old, fresh, kept):
        bucket.write(dataset_manifest_key(dataset.id, 1), b"{}")
        bucket.write(dataset_key(dataset.id, 1, "songs-0000.jsonl"), b"{}")
    assert clear_datasets(session, bucket) == 1
    assert clear_datasets(session, bucket) == 0
    session.commit()
    assert set(session.scalars(select(Dataset.name))) == {"fresh", "kept"}
    assert len(list(bucket.keys("datasets/"))) == 4
    assert not list(bucket.keys(f"datasets/{old.id}/"))


def test_the_file_of_an_import_that_failed_goes_after_some_days(session: Session, alice: UUID, tmp_path: Path) -> None:
    bucket = LocalBucket(tmp_path)
    for name, state, finished_at in (
        ("old", JobState.FAILED, LONG_AGO),
        ("fresh", JobState.CANCELLED, datetime.now(UTC)),
        ("open", JobState.WAITING, None),
    ):
        bucket.write(f"uploads/{name}", b"words")
        request = {"kind": "upload", "key": f"uploads/{name}", "name": name}
        session.add(Job(user_id=alice, kind="import", request=request, state=state, finished_at=finished_at))
    session.flush()
    assert clear_uploads(session, bucket) == 1
    assert clear_uploads(session, bucket) == 0
    assert list(bucket.keys("uploads/")) == ["uploads/fresh", "uploads/open"]


def a_run(
    session: Session, owner: UUID, number: int, state: JobState, finished_at: datetime | None = None
) -> tuple[Run, Job]:
    job = Job(user_id=owner, kind="train", request={}, state=state, finished_at=finished_at)
    session.add(job)
    session.flush()
    run = Run(
        user_id=owner, job_id=job.id, title="Harbour", number=number, request={},
        config={"checkpoint": "tiny", "phonemes": 0}, quote={}, minutes_reserved=5,
    )  # fmt: skip
    session.add(run)
    session.flush()
    return run, job


def test_a_run_that_was_cancelled_while_it_waited_is_paid_once(session: Session, alice: UUID) -> None:
    account = session.get_one(Account, alice)
    account.minutes_allowance, account.minutes_left = 60, 50
    over, _ = a_run(session, alice, 1, JobState.CANCELLED, datetime.now(UTC))
    a_run(session, alice, 2, JobState.QUEUED)
    tell(session, over.id, [Told("step", 1, 0, {"seconds": 90.0})])
    assert settle_runs(session) == 1
    assert settle_runs(session) == 0
    session.commit()
    session.refresh(account)
    assert (account.minutes_left, session.get_one(Run, over.id).minutes_charged) == (53, 2)


def test_states_go_when_a_run_is_done_or_long_over(session: Session, alice: UUID, tmp_path: Path) -> None:
    bucket = LocalBucket(tmp_path)
    now = datetime.now(UTC)
    states = [
        (JobState.RUNNING, None), (JobState.FAILED, now), (JobState.CANCELLED, LONG_AGO), (JobState.DONE, now),
    ]  # fmt: skip
    runs = [a_run(session, alice, number, *state)[0] for number, state in enumerate(states, 1)]
    for run_id in [*(run.id for run in runs), UUID(int=7)]:
        bucket.write(f"{run_folder(run_id)}attempt/step-000001/manifest.json", b"{}")
    assert clear_runs(session, bucket) == 3
    assert clear_runs(session, bucket) == 0
    assert {UUID(key.split("/")[1]) for key in bucket.keys("runs/")} == {run.id for run in runs[:2]}


def test_files_of_adapters_that_are_gone_or_never_came_go(session: Session, alice: UUID, tmp_path: Path) -> None:
    bucket = LocalBucket(tmp_path)
    runs = [
        a_run(session, alice, number, state)[0]
        for number, state in enumerate([JobState.DONE, JobState.DONE, JobState.RUNNING, JobState.CANCELLED], 1)
    ]
    for run in runs[:2]:
        session.add(
            Adapter(
                id=run.id, user_id=alice, title="Harbour", number=run.number, base="tiny", bits_per_byte=1.0, card={},
                manifest={}, deleted_at=LONG_AGO if run is runs[1] else None,
            )
        )  # fmt: skip
    session.flush()
    for name in [*(str(run.id) for run in runs), str(UUID(int=7)), "cowboy"]:
        bucket.write(adapter_manifest_key(name), b"{}")
    assert clear_adapters(session, bucket) == 3
    assert set(bucket.keys("adapters/")) == {
        adapter_manifest_key(name) for name in (str(runs[0].id), str(runs[2].id), "cowboy")
    }
