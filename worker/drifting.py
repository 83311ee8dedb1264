"""The job that measures how far the songs that are new in a dataset are from those of a frozen version.

What songs are about is told by a network, in a process of its own (`training.embed`); where that is not installed the
other measures are taken without it.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from itertools import accumulate, pairwise
from uuid import UUID

import numpy as np
import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from contracts import leash
from contracts.bucket import Bucket, BucketAway, NoSuchKey, open_bucket
from contracts.manifest import dataset_manifest_key
from corpus import drift, version
from corpus.drift import Floats, Sung, TooFew
from corpus.version import KEPT_LINES, Torn
from models import DatasetVersion, Song, VersionSong
from models.dataset import trainable
from models.feedback import Drift
from worker.child import NICENESS, ROOT, environment
from worker.jobs import Attempt, Failed
from worker.tasks import AWAY, AWAY_S

COMMAND = (sys.executable, "-m", "training.embed")
LOOK_S = 0.2
PATIENCE_S = 900.0
READING, TOPICS, COMPARING = "reading", "topics", "comparing"
WITHOUT_TOPICS = "What the songs are about could not be measured on this server; the rest was."

log = structlog.get_logger()


def measure(attempt: Attempt) -> None:
    """The job. Its row in `drift` names it."""
    with attempt.session() as session:
        asked = session.scalars(select(Drift).where(Drift.job_id == attempt.job_id)).one_or_none()
        if asked is None:
            raise Failed("Nobody waits for this measurement any more. Measure again.")
        if asked.card is not None:
            return
        new = drift.sample(new_texts(session, asked.dataset_id, asked.version_number))
    attempt.report(stage=READING)
    bucket = open_bucket(attempt.settings.bucket, emulator_host=attempt.settings.storage_emulator_host)
    old = drift.sample(_frozen(attempt, bucket, asked.dataset_id, asked.version_number))
    attempt.check()
    if min(len(old), len(new)) < drift.MIN_SONGS:
        raise Failed(str(TooFew(len(old), len(new))))
    attempt.report(stage=TOPICS, total=len(old) + len(new), done=0)
    sung = _with_vectors(attempt, [*old, *new])
    attempt.check()
    attempt.report(stage=COMPARING, done=len(sung))
    card = drift.drift(sung[: len(old)], sung[len(old) :])
    with attempt.session() as session:
        session.execute(update(Drift).where(Drift.job_id == attempt.job_id).values(card=card.model_dump(mode="json")))


def new_texts(session: Session, dataset_id: UUID, number: int) -> list[str]:
    """The words of the songs that may train now and were not in a version; kept lines are no songs."""
    held = (
        select(VersionSong.content_sha)
        .join(DatasetVersion, DatasetVersion.id == VersionSong.version_id)
        .where(DatasetVersion.dataset_id == dataset_id, DatasetVersion.number == number)
    )
    query = select(Song.text).where(Song.dataset_id == dataset_id, trainable(), Song.content_sha.not_in(held))
    return [text for text in session.scalars(query.where(Song.source != KEPT_LINES)) if text]


def _frozen(attempt: Attempt, bucket: Bucket, dataset_id: UUID, number: int) -> list[str]:
    try:
        songs = version.read(bucket, dataset_manifest_key(dataset_id, number))
        return [song.text for song in songs if song.source != KEPT_LINES]
    except (Torn, NoSuchKey):
        raise Failed(f"Version {number} cannot be opened any more. Freeze the dataset again.") from None
    except BucketAway:
        attempt.later(AWAY_S, AWAY)


def _with_vectors(attempt: Attempt, texts: list[str]) -> list[Sung]:
    """The songs with what their passages are about; without, where the network is not there or breaks."""
    passages = [drift.passages_of(text) for text in texts]
    vectors = _embedded(attempt, [passage for of_one in passages for passage in of_one])
    if vectors is None:
        attempt.report(line=WITHOUT_TOPICS)
        return [Sung(text) for text in texts]
    ends = accumulate((len(of_one) for of_one in passages), initial=0)
    return [Sung(text, vectors[start:end]) for text, (start, end) in zip(texts, pairwise(ends), strict=True)]


def _embedded(attempt: Attempt, texts: list[str]) -> Floats | None:
    """`training.embed` over these, interrupted when the attempt is: [num_texts, num_dimensions]."""
    with subprocess.Popen(  # noqa: S603 (our own module)
        leash.on_leash(COMMAND, signal.SIGKILL),
        cwd=ROOT,
        env=environment(attempt.settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
        try:
            out, errors = _answer(attempt, process, json.dumps(texts).encode())
        finally:
            process.kill()
    if process.returncode != 0:
        words = errors.decode(errors="replace").strip().splitlines()[-3:]
        log.warning("drift.without_topics", status=process.returncode, words=words)
        return None
    vectors = np.load(io.BytesIO(out), allow_pickle=False)
    found: Floats = vectors.astype(np.float64)
    return found


def _answer(attempt: Attempt, process: subprocess.Popen[bytes], sent: bytes) -> tuple[bytes, bytes]:
    """What the process says once it has ended."""
    to_send: bytes | None = sent
    for _ in range(int(PATIENCE_S / LOOK_S)):
        try:
            return process.communicate(to_send, timeout=LOOK_S)
        except subprocess.TimeoutExpired:
            to_send = None  # it goes on with what it was given
            attempt.check()
    process.kill()
    return process.communicate()
