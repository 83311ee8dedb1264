"""What the tests of datasets share: songs of our own, a worker at hand, and short ways to ask the API."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from contracts.settings import Settings
from models import Job, JobState, Song
from models.job import OPEN_STATES
from models.queue import ON_GPU
from tests.app.conftest import Caller
from tests.worker.workers import SOON
from worker import cpu
from worker.jobs import Jobs, kinds

TIDE = "The tide is low and the boats are in\nAnd nobody asks where the sailor has been\nThe tide is low\n"
LAMP = "A lamp in the window, a coat on the chair\nAnd bread on the table for anyone there\nA lamp, a lamp\n"
SNOW = "Who carried the piano across the snow\nAnd what was the tune, does anyone know\nAcross the snow\n"
SONGS = {"Low Tide": TIDE, "A Lamp": LAMP, "Piano": SNOW}
ARTIST = "Ada Quill"


class Desk:
    """Does the jobs that were asked for, in this process and as `worker.cpu` would, when a test says so."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        kinds.update(cpu.BODIES)
        self.engine = engine
        self._jobs = Jobs(engine, settings, SOON)

    def work(self) -> list[Job]:
        """Do all that is open, in order; returns these jobs as they are then."""
        done: list[UUID] = []
        while job_id := self._next():
            assert job_id not in done, f"job {job_id} does not end"
            done.append(job_id)
            self._jobs.work(job_id)
        with Session(self.engine, expire_on_commit=False) as session:
            return [session.get_one(Job, job_id) for job_id in done]

    def do(self) -> None:
        """The same, and all of it must succeed."""
        for job in self.work():
            assert job.state is JobState.DONE, (job.kind, job.error, job.log)

    def songs(self, dataset_id: str) -> list[Song]:
        """The rows of a dataset."""
        with Session(self.engine, expire_on_commit=False) as session:
            query = select(Song).where(Song.dataset_id == UUID(dataset_id)).order_by(Song.position, Song.id)
            return list(session.scalars(query))

    def _next(self) -> UUID | None:
        with Session(self.engine) as session:
            is_due = Job.state.in_(OPEN_STATES) & (Job.state != JobState.WAITING) & Job.kind.not_in(ON_GPU)
            query = select(Job.id).where(is_due)
            return session.scalar(query.order_by(Job.created_at).limit(1))


def ok(answer: TestResponse, status: int = 200) -> Any:
    """The body of an answer that must have this status."""
    assert answer.status_code == status, (answer.status_code, answer.text[:500])
    return answer.json


def refusal(answer: TestResponse) -> tuple[int, str, str]:
    """Status, code and message of an answer that must be an error of ours."""
    assert answer.json is not None, answer.text[:300]
    error = answer.json["error"]
    return answer.status_code, error["code"], error["message"]


def made(caller: Caller, name: str = "Harbour") -> str:
    """The id of a new, empty dataset."""
    return str(ok(caller("POST", "/datasets", {"name": name}), 201)["id"])


def filled(caller: Caller, desk: Desk, songs: dict[str, str] = SONGS, name: str = "Harbour") -> str:
    """The id of a dataset that holds these songs, pasted and tidied."""
    dataset_id = made(caller, name)
    for title, text in songs.items():
        body = {"kind": "paste", "artist": ARTIST, "title": title, "text": text}
        ok(caller("POST", f"/datasets/{dataset_id}/imports", body), 202)
    desk.do()
    return dataset_id


def frozen(caller: Caller, desk: Desk, dataset_id: str) -> dict[str, Any]:
    """A new version of a dataset, all of whose songs are the caller's own."""
    state_rights(caller, dataset_id)
    ok(caller("POST", f"/datasets/{dataset_id}/versions"), 202)
    desk.do()
    newest: dict[str, Any] = ok(caller("GET", f"/datasets/{dataset_id}/versions"))["versions"][0]
    return newest


def state_rights(caller: Caller, dataset_id: str, rights: str = "mine", **more: Any) -> Any:
    """State the rights of all songs."""
    body = {"songs": "all", "rights": rights, "attest": True} | more
    return ok(caller("POST", f"/datasets/{dataset_id}/rights", body))


def songs(caller: Caller, dataset_id: str, query: str = "") -> list[dict[str, Any]]:
    """The songs of a dataset, as the API lists them."""
    found: list[dict[str, Any]] = ok(caller("GET", f"/datasets/{dataset_id}/songs{query}"))["songs"]
    return found


def upload(caller: Caller, dataset_id: str, name: str, content: bytes) -> TestResponse:
    """Send a file as a browser does."""
    return caller(
        "POST",
        f"/datasets/{dataset_id}/uploads",
        data={"file": (io.BytesIO(content), name)},
        content_type="multipart/form-data",
    )


def bucket_files(settings: Settings) -> Iterator[str]:
    """What lies in the bucket's folder, temporary files too."""
    from pathlib import Path

    folder = Path(settings.bucket.removeprefix("file://"))
    return (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
