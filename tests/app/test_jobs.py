"""Jobs over the API: one's own are listed, cancelled and done again; nobody else's exist."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import Engine, text, update

from contracts.settings import Settings
from models import Job, JobState, Song, SongState
from tests.app.builders import LAMP, Desk, filled, made, ok, refusal
from tests.app.conftest import Caller


@pytest.fixture
def desk(engine: Engine, settings: Settings) -> Desk:
    return Desk(engine, settings)


def asked(caller: Caller, title: str = "A Lamp") -> dict[str, object]:
    """A job that brings one pasted song into a new dataset."""
    body = {"kind": "paste", "artist": "", "title": title, "text": LAMP}
    job: dict[str, object] = ok(caller("POST", f"/datasets/{made(caller, title)}/imports", body), 202)["job"]
    return job


def queued(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.scalars(text("select queueing_lock from procrastinate_jobs where status = 'todo'")))


def test_it_works(alice: Caller, desk: Desk, engine: Engine) -> None:
    job = asked(alice)
    assert queued(engine) == {job["id"]}
    listed = ok(alice("GET", "/jobs"))["jobs"]
    assert [(row["id"], row["dataset_name"], row["state"]) for row in listed] == [(job["id"], "A Lamp", "queued")]
    desk.do()
    shown = ok(alice("GET", f"/jobs/{job['id']}"))
    assert (shown["state"], shown["error"], shown["words"]) == ("done", None, "Import of pasted words")
    assert shown["finished_at"] is not None


def test_a_job_is_cancelled_before_it_begins_and_done_again_when_asked(alice: Caller, desk: Desk) -> None:
    job = asked(alice)
    assert ok(alice("POST", f"/jobs/{job['id']}/cancel"))["state"] == "cancelled"
    assert refusal(alice("POST", f"/jobs/{job['id']}/cancel"))[:2] == (409, "job_over")
    desk.do()
    assert ok(alice("GET", f"/datasets/{job['dataset_id']}"))["counts"]["total"] == 0
    assert ok(alice("POST", f"/jobs/{job['id']}/retry"))["state"] == "queued"
    desk.do()
    assert ok(alice("GET", f"/datasets/{job['dataset_id']}"))["counts"]["total"] == 1
    assert refusal(alice("POST", f"/jobs/{job['id']}/retry"))[:2] == (409, "job_not_over")


def test_a_failed_job_tells_why_and_forgets_it_when_done_again(alice: Caller, engine: Engine) -> None:
    job = asked(alice)
    with engine.begin() as connection:
        values = {"state": JobState.FAILED, "error": "The harbour was closed.", "num_starts": 10}
        connection.execute(update(Job).where(Job.id == UUID(str(job["id"]))).values(**values))
    shown = ok(alice("GET", f"/datasets/{job['dataset_id']}"))
    assert (shown["job"], shown["last_job"]["error"]) == (None, "The harbour was closed.")
    again = ok(alice("POST", f"/jobs/{job['id']}/retry"))
    assert (again["state"], again["error"], again["finished_at"]) == ("queued", None, None)


def test_what_is_not_over_comes_first(alice: Caller, desk: Desk) -> None:
    first = asked(alice, "One")
    ok(alice("POST", f"/jobs/{first['id']}/cancel"))
    second, third = asked(alice, "Two"), asked(alice, "Three")
    ok(alice("POST", f"/jobs/{third['id']}/cancel"))
    assert [row["dataset_name"] for row in ok(alice("GET", "/jobs"))["jobs"]] == ["Two", "Three", "One"]
    assert second["state"] == "queued"


def test_too_many_at_once_are_refused_and_nothing_is_queued(
    alice: Caller, bob: Caller, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.job.MAX_OPEN", 2)
    asked(alice, "One")
    asked(alice, "Two")
    dataset_id = made(alice, "Three")
    answer = alice("POST", f"/datasets/{dataset_id}/imports", {"kind": "tracks", "text": "A - B"})
    assert refusal(answer)[:2] == (429, "too_many_jobs")
    assert answer.headers["Retry-After"] == "30"
    assert len(queued(engine)) == 2
    asked(bob)


def test_what_is_done_again_waits_like_all_else(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    first = asked(alice, "One")
    ok(alice("POST", f"/jobs/{first['id']}/cancel"))
    monkeypatch.setattr("app.job.MAX_OPEN", 1)
    asked(alice, "Two")
    assert refusal(alice("POST", f"/jobs/{first['id']}/retry"))[:2] == (429, "too_many_jobs")


def test_nothing_is_done_again_in_a_deleted_dataset(alice: Caller) -> None:
    job = asked(alice)
    ok(alice("POST", f"/jobs/{job['id']}/cancel"))
    alice("DELETE", f"/datasets/{job['dataset_id']}")
    assert refusal(alice("POST", f"/jobs/{job['id']}/retry"))[:2] == (409, "dataset_deleted")


def test_songs_that_a_cancelled_job_left_are_looked_for_again(alice: Caller, desk: Desk, engine: Engine) -> None:
    dataset_id = filled(alice, desk)
    with engine.begin() as connection:
        connection.execute(update(Song).values(state=SongState.WANTED))
    assert ok(alice("POST", f"/datasets/{dataset_id}/imports", {"kind": "again"}), 202)["job"]["state"] == "queued"
    assert refusal(alice("POST", f"/datasets/{dataset_id}/imports", {"kind": "again"}))[:2] == (409, "none_blocked")


def test_tidying_that_has_not_begun_is_not_asked_for_twice(alice: Caller, desk: Desk) -> None:
    dataset_id = filled(alice, desk)
    rules = [rule["name"] for rule in ok(alice("GET", f"/datasets/{dataset_id}"))["rules"]]
    for off in (rules[:1], rules[:2], []):
        ok(alice("PATCH", f"/datasets/{dataset_id}", {"rules_off": off}))
    kinds = [row["kind"] for row in ok(alice("GET", "/jobs"))["jobs"] if row["state"] == "queued"]
    assert kinds == ["tidy"]


@pytest.mark.parametrize(("method", "suffix"), [("GET", ""), ("POST", "/cancel"), ("POST", "/retry")])
def test_nobody_else_sees_or_changes_a_job(
    alice: Caller, bob: Caller, charlie: Caller, method: str, suffix: str
) -> None:
    job = asked(alice)
    for stranger in (bob, charlie):
        assert refusal(stranger(method, f"/jobs/{job['id']}{suffix}"))[:2] == (404, "not_found")
        assert ok(stranger("GET", "/jobs"))["jobs"] == []
    assert ok(alice("GET", f"/jobs/{job['id']}"))["state"] == "queued"
