"""What the tests of trainings share: a frozen dataset that was measured, and what a worker would leave of a run."""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from app.song import sha_of
from contracts.bucket import open_bucket
from contracts.manifest import AdapterManifest, FileEntry, adapter_key, adapter_manifest_key
from contracts.settings import Settings
from contracts.training import Measures, Probe, Table
from corpus import version as corpus_version
from corpus.version import FrozenSong
from models import (
    Account,
    Adapter,
    Dataset,
    DatasetVersion,
    Job,
    JobState,
    Probed,
    Rights,
    Run,
    Song,
    SongState,
    User,
    VersionSong,
)
from models.run import Told, charge, tell
from tests.app.builders import ARTIST, SONGS, ok
from tests.app.conftest import Caller
from tests.services import TINY

PROBE = Probe(
    device="cpu", tokens_per_s=100.0, load_s=10.0, evaluate_s=5.0, judge_s=30.0, num_tokens=2_600, peak_bytes=1 << 20
)
BARE = Measures(
    bits_per_byte=2.0, rhyme_rate=0.1, metre_rate=0.2, copied_share=0.0, longest_copy=2, distinct_2=0.9,
    explicit_share=0.0, num_lines=40,
)  # fmt: skip
BETTER, WORSE = BARE.model_copy(update={"bits_per_byte": 1.5}), BARE.model_copy(update={"bits_per_byte": 2.5})


class Version(NamedTuple):
    """A version of a dataset to train on."""

    dataset_id: str
    number: int


def trainable_version(caller: Caller, settings: Settings, engine: Engine, name: str = "Harbour") -> Version:
    """A frozen version of three songs of the caller's own, as bringing in and freezing would leave it."""
    with Session(engine) as session, session.begin():
        owner = session.scalars(select(User.id).where(User.email == caller.email)).one()
        dataset = Dataset(id=uuid4(), user_id=owner, name=name)
        session.add(dataset)
        session.flush()
        rows = [
            Song(
                dataset_id=dataset.id, position=number, track_key=title.lower(), artist=ARTIST, title=title,
                state=SongState.FOUND, source="paste", original=words, text=words, content_sha=sha_of(words),
                rights=Rights.MINE,
            )
            for number, (title, words) in enumerate((title, text.strip()) for title, text in SONGS.items())
        ]  # fmt: skip
        songs = [FrozenSong(row.track_key, ARTIST, row.title, row.text or "", "paste", "", "mine", "") for row in rows]
        bucket = open_bucket(settings.bucket)
        manifest = corpus_version.freeze(songs, bucket=bucket, dataset_id=dataset.id, number=1, name=name)
        version = DatasetVersion(
            id=uuid4(), dataset_id=dataset.id, number=1, content_sha256=manifest.content_sha256,
            manifest=manifest.model_dump(mode="json"),
        )  # fmt: skip
        session.add_all([*rows, version])
        session.flush()
        session.add_all(VersionSong(version_id=version.id, content_sha=row.content_sha) for row in rows)
        corpus_version.publish(bucket, manifest)
        return Version(str(dataset.id), 1)


def asked(version: Version, **request: Any) -> dict[str, Any]:
    """The body that asks for a quote."""
    return {
        "dataset_id": version.dataset_id,
        "number": version.number,
        "request": {"checkpoint": TINY, "effort": "quick"} | request,
    }


def measure(engine: Engine, probe: Probe = PROBE) -> int:
    """Answer all measurements that were asked for, as the worker does; how many there were."""
    with Session(engine) as session, session.begin():
        waiting = session.scalars(select(Probed).where(Probed.probe.is_(None))).all()
        for row in waiting:
            row.probe = probe.model_dump(mode="json")
            session.execute(update(Job).where(Job.id == row.job_id).values(state=JobState.DONE))
        return len(waiting)


def quoted(caller: Caller, engine: Engine, version: Version, **request: Any) -> dict[str, Any]:
    """The quote's answer, measured if it has to be."""
    answer = caller("POST", "/runs/quote", asked(version, **request))
    if answer.status_code == 202:
        measure(engine)
        answer = caller("POST", "/runs/quote", asked(version, **request))
    found: dict[str, Any] = ok(answer)
    return found


def begun(caller: Caller, engine: Engine, version: Version, title: str = "Harbour", **more: Any) -> dict[str, Any]:
    """A run that waits in the queue."""
    cap = quoted(caller, engine, version)["quote"]["max_minutes"]
    body = asked(version) | {"title": title, "max_minutes": cap} | more
    run: dict[str, Any] = ok(caller("POST", "/runs", body), 201)
    return run


def work_on(engine: Engine, run_id: str, *, steps: int = 0, seconds: float = 6.0, **values: Any) -> None:
    """What a worker writes while it trains: the job is running, and so many steps were told."""
    with Session(engine) as session, session.begin():
        run = session.get_one(Run, UUID(run_id))
        now = {"state": JobState.RUNNING, "started_at": run.created_at, "stage": "train"} | values
        session.execute(update(Job).where(Job.id == run.job_id).values(**now))
        payload = {"loss": 3.0, "learning_rate": 1e-4, "tokens": 2048, "seconds": seconds}
        tell(session, run.id, [Told("step", n, 0, payload) for n in range(1, steps + 1)])


def finish(
    engine: Engine, settings: Settings, run_id: str, adapter: Measures = BETTER, before: Measures | None = None
) -> dict[str, bytes]:
    """What a worker leaves of a run that is done: files, manifest, row and bill. Returns PEFT's files by name."""
    table = Table(bare=BARE, adapter=adapter, before=before)
    card = {"table": table.model_dump(mode="json"), "title": "a card"}
    content = {
        "adapter_config.json": json.dumps({"peft_type": "LORA", "of": run_id}).encode(),
        "adapter_model.safetensors": run_id.encode() * 1000,
    }
    bucket = open_bucket(settings.bucket)
    files = []
    for name, words in {**content, "originality/index.bin": b"index"}.items():
        path = f"attempt/{name}"
        bucket.write(adapter_key(run_id, path), words)
        files.append(FileEntry(path=path, size_bytes=len(words), sha256=hashlib.sha256(words).hexdigest()))
    with Session(engine) as session, session.begin():
        run = session.get_one(Run, UUID(run_id))
        manifest = AdapterManifest(
            adapter_id=run_id, owner_id=run.user_id, title=run.title, number=run.number, base=TINY,
            base_sha256="0" * 64, architecture="llama", lora_rank=8, licence="made by the tests", card=card,
            files=tuple(files),
        ).sealed()  # fmt: skip
        bucket.write(adapter_manifest_key(run_id), manifest.model_dump_json().encode())
        session.add(
            Adapter(
                id=run.id, user_id=run.user_id, title=run.title, number=run.number, base=TINY,
                bits_per_byte=adapter.bits_per_byte, card=card, manifest=manifest.model_dump(mode="json"),
            )
        )  # fmt: skip
        charge(session, run.id, is_done=True)
        session.execute(update(Job).where(Job.id == run.job_id).values(state=JobState.DONE, attempt=None))
    return content


def voice(caller: Caller, engine: Engine, settings: Settings, version: Version, title: str = "Harbour") -> str:
    """The id of a voice that was trained, and not published yet."""
    run_id = str(begun(caller, engine, version, title)["id"])
    work_on(engine, run_id, steps=2)
    finish(engine, settings, run_id)
    return run_id


def minutes_left(engine: Engine, caller: Caller) -> int:
    """What the caller may still train."""
    with Session(engine) as session:
        query = select(Account.minutes_left).join(User, User.id == Account.user_id).where(User.email == caller.email)
        return int(session.scalar(query) or 0)


def allow(engine: Engine, caller: Caller, **values: int) -> None:
    """Change what the caller's account allows."""
    with Session(engine) as session, session.begin():
        of_caller = select(User.id).where(User.email == caller.email).scalar_subquery()
        session.execute(update(Account).where(Account.user_id == of_caller).values(**values))
