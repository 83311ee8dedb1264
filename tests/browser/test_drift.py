"""The card of new songs on a dataset's page: it offers to measure, and says what has moved."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from playwright.sync_api import expect
from sqlalchemy import Engine, create_engine, select, update
from sqlalchemy.orm import Session

from app.song import sha_of
from corpus.drift import drift
from models import Dataset, DatasetVersion, Drift, Job, JobState, Rights, Song, SongState, User, VersionSong
from tests.browser.conftest import Visit, Web
from tests.browser.test_datasets import sign_up
from tests.corpus.planted import RANCH, song

pytestmark = pytest.mark.browser
OLD = [song(number) for number in range(12)]
NEW = [song(100 + number, nouns=RANCH, length=11) for number in range(6)]
MANIFEST = {
    "dataset_id": str(uuid4()), "number": 1, "content_sha256": "0" * 64, "counts": {"songs": len(OLD)}, "splits": {},
    "sources": {}, "rights": {}, "rules_off": [], "files": [],
}  # fmt: skip


@pytest.fixture
def database(web: Web) -> Iterator[Engine]:
    engine = create_engine(web.database_url)
    yield engine
    engine.dispose()


def seeded(database: Engine, email: str) -> UUID:
    """A dataset of this person's: a frozen version, and since then songs of another kind."""
    with Session(database) as session, session.begin():
        owner = session.scalars(select(User.id).where(User.email == email)).one()
        dataset = Dataset(id=uuid4(), user_id=owner, name="Harbour")
        version = DatasetVersion(
            id=uuid4(), dataset_id=dataset.id, number=1, content_sha256="0" * 64, manifest=MANIFEST
        )
        session.add(dataset)
        session.flush()
        session.add(version)
        for number, one in enumerate([*OLD, *NEW]):
            row = Song(
                dataset_id=dataset.id, position=number, track_key=str(number), artist="Ada Quill", title=f"No {number}",
                state=SongState.FOUND, source="paste", original=one.text, text=one.text, content_sha=sha_of(one.text),
                rights=Rights.MINE,
            )  # fmt: skip
            session.add(row)
            session.flush()
            if number < len(OLD):
                session.add(VersionSong(version_id=version.id, content_sha=row.content_sha))
        return dataset.id


def measured(database: Engine) -> None:
    """What a worker leaves of the job that measures."""
    with Session(database) as session, session.begin():
        row = session.scalars(select(Drift).where(Drift.card.is_(None) | (Drift.card == "null"))).one()
        row.card = drift(OLD, NEW).model_dump(mode="json")
        session.execute(update(Job).where(Job.id == row.job_id).values(state=JobState.DONE))


def test_it_works(visit: Visit, database: Engine) -> None:
    page = visit.page
    dataset_id = seeded(database, sign_up(page))
    page.goto(f"/datasets/{dataset_id}")
    expect(page.locator("#drift-title")).to_have_text("6 songs are new since version 1")
    page.locator("#measure-drift").click()
    expect(page.locator("#drift .job-words")).to_contain_text("Measuring what new songs change")
    expect(page.locator("#measure-drift")).to_be_disabled()
    measured(database)
    expect(page.locator("#drift-verdict")).to_contain_text("Retraining is worth it: vocabulary, line length and topics")
    expect(page.locator("#drift-topic")).to_have_attribute("data-moved", "true")
    expect(page.locator("#drift-rhyme")).to_have_attribute("data-moved", "false")
    expect(page.locator("#drift-line_length .shifts")).to_contain_text("10 or 11 syllables")
    expect(page.locator("#measure-drift")).to_be_hidden()
    page.locator("#drift-freeze").click()
    expect(page.locator("#freeze")).to_contain_text("version 2")
