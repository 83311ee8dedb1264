"""Jobs whose every step can be counted afterwards, for real workers to do.

A `songs` job makes the songs that its request asks for, one in each transaction, and begins with what is there already.
"""

from __future__ import annotations

import os
import threading
from uuid import uuid4

from sqlalchemy import func, select, text

from models import Song, SongState
from worker.jobs import Attempt, Failed, kinds


def make_songs(attempt: Attempt) -> None:
    """Settle `request["num_songs"]` songs, at `request["pace_s"]` each."""
    num_songs, pace_s = int(attempt.request["num_songs"]), float(attempt.request["pace_s"])
    with attempt.session() as session:
        assert attempt.dataset_id
        there = set(session.scalars(select(Song.position).where(Song.dataset_id == attempt.dataset_id)))
    attempt.report(stage="making", done=len(there), total=num_songs, line=f"begun with {len(there)} of {num_songs}")
    for position in range(num_songs):
        if position in there:
            continue
        attempt.pause(pace_s)
        with attempt.session() as session:
            session.add(
                Song(
                    dataset_id=attempt.dataset_id,
                    position=position,
                    track_key=str(uuid4()),  # so that nothing but the fence keeps a song from coming twice
                    state=SongState.FOUND,
                    attempt=attempt.id,
                )
            )
        attempt.report(done=position + 1, counts={"found": position + 1})


def hold_open(attempt: Attempt) -> None:
    """Sit in a transaction until told to end: a worker that is stopped at the worst of moments."""
    with attempt.session() as session:
        session.execute(text("select 1"))
        attempt.report(stage="holding")
        attempt.flush()
        threading.Event().wait(float(attempt.request["seconds"]))
        session.execute(select(func.now()))


def be_limited(attempt: Attempt) -> None:
    """Wait for a source twice, then be done."""
    times = attempt.num_done
    if times < 2:
        attempt.report(done=times + 1)
        attempt.later(float(attempt.request["seconds"]), "The source asks us to wait.")
    attempt.report(line="let in")


def fail(attempt: Attempt) -> None:
    """Fail as designed or not."""
    if attempt.request["how"] == "designed":
        raise Failed("The playlist is empty: choose another one.")
    if attempt.request["how"] == "deadly":
        os._exit(9)
    raise ZeroDivisionError("a bug")


kinds |= {"songs": make_songs, "hold": hold_open, "limited": be_limited, "fail": fail}
