"""The job behind a quote: a few steps on the version's own songs, measured on the machine that would train on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from contracts.bucket import open_bucket
from contracts.training import Probe, TrainRequest, TrainTask, resolve
from models import Probed
from worker import tasks
from worker.child import Child, command, environment
from worker.jobs import Attempt, Failed

HEAR_S = 0.2
SILENT_S = 600.0
TOKENS_A_WORD = 1.4
"""Of English, by any tokenizer; only the size of the probe's batches hangs on it."""
SHARE = 0.2
"""Of phoneme tasks, where a run with them is to be quoted."""


def probe(attempt: Attempt) -> None:
    """The job. Its row in `probed` names it."""
    with attempt.session() as session:
        asked = session.scalars(select(Probed).where(Probed.job_id == attempt.job_id)).one_or_none()
    if asked is None:
        raise Failed("Nobody waits for this measurement any more. Ask for the quote again.")
    if asked.probe is not None:
        return
    bucket = open_bucket(attempt.settings.bucket, emulator_host=attempt.settings.storage_emulator_host)
    attempt.report(stage="load")
    with tasks.workplace(attempt, asked.id) as folder:
        tasks.base_of(bucket, asked.checkpoint)
        version = tasks.frozen(attempt, bucket, asked.version_id)
        told = attempt.request.get("request")
        request = (
            TrainRequest.model_validate(told)
            if told
            else TrainRequest(checkpoint=asked.checkpoint, phonemes=SHARE if asked.phonemes else 0.0)
        )
        num_tokens = int(version.counts.get("words", 0) * TOKENS_A_WORD)
        task = TrainTask(run_id=asked.id, kind="probe", config=resolve(request, num_tokens))
        tasks.write_task(attempt, bucket, version, task, folder)
        found = _measure(attempt, folder)
    with attempt.session() as session:
        session.execute(update(Probed).where(Probed.id == asked.id).values(probe=found.model_dump(mode="json")))


def _measure(attempt: Attempt, folder: Path) -> Probe:
    done: dict[str, Any] | None = None
    with Child(command(folder), environment(attempt.settings), folder) as child:
        while (events := child.hear(HEAR_S)) is not None:
            attempt.check()  # nothing of it is worth keeping
            for event in events:
                if event.kind == "stage":
                    attempt.report(stage=str(event.payload["stage"]))
                elif event.kind == "log":
                    attempt.report(line=str(event.payload["words"]))
                elif event.kind == "refused":
                    raise Failed(str(event.payload["words"]))
                elif event.kind == "done":
                    done = event.payload
            if child.silent_s > SILENT_S:
                raise Failed("The measurement hangs. Ask for the quote again.")
        if child.status != 0 or done is None:
            for line in child.last_words():
                attempt.report(line=line)
            raise Failed("The measurement broke off; its log says where. Ask for the quote again.")
    return Probe.model_validate(done)
