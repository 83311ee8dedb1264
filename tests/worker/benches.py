"""Jobs done in this process, one after the other, as a worker would do them."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from contracts.bucket import LocalBucket
from contracts.manifest import upload_key
from models import Dataset, Job, Rights, Song
from models.queue import defer
from sandbox.standins.songs import CATALOGUE, noisy
from tests.worker.workers import SOON, look, settings_of
from worker import cpu
from worker.jobs import Jobs, kinds

FIRST = "the tide is low and the boats are in\nand nobody asks where the sailor has been\n"
SECOND = "a lamp in the window, a coat on the chair\nand bread on the table for anyone there\n"
THIRD = "who carried the piano across the snow\nand what was the tune, does anyone know\n"


class Bench:
    """Does jobs in this process, one after the other, as a worker would."""

    def __init__(self, engine: Engine, database_url: str, home: Path, outside: dict[str, str]) -> None:
        self.engine = engine
        self.home = home
        self.bucket = LocalBucket(home / "bucket")
        kinds.update(cpu.BODIES)
        self.settings = settings_of(database_url, home, outside | {"SECRET_KEY": "a key for tests alone"})
        self.jobs = Jobs(engine, self.settings, SOON)

    def dataset(self, owner: UUID, name: str = "Harbour") -> UUID:
        with Session(self.engine) as session, session.begin():
            dataset = Dataset(user_id=owner, name=name)
            session.add(dataset)
            session.flush()
            return dataset.id

    def ask(self, dataset_id: UUID, kind: str, /, **request: object) -> UUID:
        """Queue a job."""
        with Session(self.engine) as session, session.begin():
            owner = session.get_one(Dataset, dataset_id).user_id
            job = Job(user_id=owner, dataset_id=dataset_id, kind=kind, request=request)
            session.add(job)
            defer(session, job)
            return job.id

    def do(self, dataset_id: UUID, kind: str, /, **request: object) -> Job:
        """Queue a job, and do it as far as it goes."""
        job_id = self.ask(dataset_id, kind, **request)
        self.jobs.work(job_id)
        return look(self.engine, job_id)

    def upload(self, dataset_id: UUID, name: str, content: bytes) -> Job:
        with Session(self.engine) as session:
            owner = session.get_one(Dataset, dataset_id).user_id
        key = upload_key(owner, uuid4())
        self.bucket.write(key, content)
        return self.do(dataset_id, "import", kind="upload", key=key, name=name)

    def songs(self, dataset_id: UUID) -> list[Song]:
        with Session(self.engine, expire_on_commit=False) as session:
            return list(
                session.scalars(
                    select(Song).where(Song.dataset_id == dataset_id).order_by(Song.position, Song.track_key)
                )
            )

    def state_rights(self, dataset_id: UUID) -> None:
        with Session(self.engine) as session, session.begin():
            session.execute(update(Song).where(Song.dataset_id == dataset_id).values(rights=Rights.MINE))


def tracks_of(numbers: range) -> list[dict[str, object]]:
    """Some of the stand-ins' songs, as playlists write them."""
    written = (noisy(CATALOGUE.songs[number]) for number in numbers)
    return [{"artist": artist, "title": title, "duration_s": float(length)} for artist, title, length in written]
