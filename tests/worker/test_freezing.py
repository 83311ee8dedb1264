"""What a frozen version holds, and that it is made once."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from contracts.manifest import dataset_manifest_key
from corpus import version
from models import DatasetVersion, Job, JobState, SongState, VersionSong
from sandbox.standins.songs import CATALOGUE
from tests.worker.benches import FIRST, Bench, tracks_of
from tests.worker.workers import new_user


@pytest.fixture
def alice(engine: Engine) -> UUID:
    return new_user(engine, "alice")


def test_a_frozen_version_holds_what_may_train_and_nothing_else(bench: Bench, engine: Engine, alice: UUID) -> None:
    dataset_id = bench.dataset(alice)
    bench.do(dataset_id, "import", kind="tracks", tracks=tracks_of(range(30)))
    nothing = bench.do(dataset_id, "freeze")
    assert nothing.state is JobState.FAILED
    assert "rights" in (nothing.error or "")
    bench.state_rights(dataset_id)
    for number in (1, 2):
        job = bench.do(dataset_id, "freeze")
        assert (job.state, job.error) == (JobState.DONE, None)
        key = dataset_manifest_key(dataset_id, number)
        manifest = version.check(bench.bucket, key)
        found = {s.track_key for s in bench.songs(dataset_id) if s.state is SongState.FOUND and not s.duplicate_of}
        assert {song.key for song in version.read(bench.bucket, key)} == found
        assert manifest.statistics["songs"] == len(found)
    with Session(engine) as session:
        one, two = session.scalars(select(DatasetVersion).order_by(DatasetVersion.number)).all()
        assert one.content_sha256 == two.content_sha256
        assert two.manifest == manifest.model_dump(mode="json")
        held = session.scalars(select(VersionSong.content_sha).where(VersionSong.version_id == one.id)).all()
        assert set(held) == {s.content_sha for s in bench.songs(dataset_id) if s.track_key in found}


def test_near_copies_never_stand_on_both_sides_of_the_split(bench: Bench, alice: UUID) -> None:
    dataset_id = bench.dataset(alice)
    lines = []
    for number, song in enumerate(CATALOGUE.songs[:60]):
        lines += [
            {"artist": song.artist, "title": f"{song.title} {number}", "text": song.text or FIRST},
            {"artist": "Copyist", "title": f"A copy {number}", "text": f"{song.text or FIRST}\nand then it was over"},
        ]
    bench.upload(dataset_id, "songs.jsonl", "\n".join(map(json.dumps, lines)).encode())
    bench.state_rights(dataset_id)
    bench.do(dataset_id, "freeze")
    frozen = list(version.read(bench.bucket, dataset_manifest_key(dataset_id, 1)))
    assert len(frozen) >= 55
    verses: dict[str, set[str]] = {}
    for song in frozen:
        verses.setdefault(song.text.split("\nand then it was over")[0], set()).add(song.split)
    assert all(len(splits) == 1 for splits in verses.values())


def test_a_freeze_that_was_through_and_could_not_say_so_makes_no_second_version(
    bench: Bench, engine: Engine, alice: UUID
) -> None:
    dataset_id = bench.dataset(alice)
    bench.do(dataset_id, "import", kind="paste", artist="Ada", title="Low Tide", text=FIRST)
    bench.state_rights(dataset_id)
    job = bench.do(dataset_id, "freeze")
    with Session(engine) as session, session.begin():
        session.execute(update(Job).where(Job.id == job.id).values(state=JobState.QUEUED, finished_at=None))
    bench.jobs.work(job.id)
    with Session(engine) as session:
        assert len(session.scalars(select(DatasetVersion)).all()) == 1
