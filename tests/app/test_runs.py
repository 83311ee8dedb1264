"""Trainings over the API: quoted before, reserved at the start, charged once; and nobody else's exist."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, select, text, update
from sqlalchemy.orm import Session

from contracts.bucket import open_bucket
from contracts.manifest import run_folder
from contracts.settings import Settings
from contracts.training import TrainConfig, TrainRequest, quote, resolve
from models import Job, JobState, Run, RunEvent, Song
from models.run import Told, tell
from tests.app.builders import ARTIST, LAMP, Desk, filled, frozen, ok, refusal, songs, state_rights
from tests.app.conftest import Caller
from tests.app.trainings import (
    PROBE,
    Version,
    allow,
    asked,
    begun,
    finish,
    measure,
    minutes_left,
    quoted,
    trainable_version,
    voice,
    work_on,
)
from tests.services import TINY, InferenceService
from worker import house


@pytest.fixture
def inference_url(inference: InferenceService) -> str:
    return inference.url


@pytest.fixture
def desk(engine: Engine, settings: Settings) -> Desk:
    return Desk(engine, settings)


@pytest.fixture
def version(alice: Caller, settings: Settings, engine: Engine) -> Version:
    return trainable_version(alice, settings, engine)


def queued(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.scalars(text("select queueing_lock from procrastinate_jobs where status = 'todo'")))


def test_it_works(alice: Caller, version: Version, engine: Engine, settings: Settings) -> None:
    first = alice("POST", "/runs/quote", asked(version))
    assert (first.status_code, first.json["quote"], first.json["job"]["kind"]) == (202, None, "probe")
    measure(engine)
    found = ok(alice("POST", "/runs/quote", asked(version)))
    config = resolve(TrainRequest(checkpoint=TINY, effort="quick"), PROBE.num_tokens)
    expected = quote(config, PROBE, cents_a_minute=settings.training_cents_a_minute)
    assert TrainConfig.model_validate(found["config"]) == config
    assert found["quote"] == expected.model_dump(mode="json")
    assert (found["job"], found["refusals"], found["num_train_songs"]) == (None, [], 2)
    assert "judged by 1 song" in found["cautions"][0]
    assert found["balance"] == {"minutes_left": 120, "minutes_allowance": 120, "adapters": 0, "max_adapters": 3}
    body = asked(version) | {"title": " Harbour  lights ", "max_minutes": expected.max_minutes}
    answer = alice("POST", "/runs", body)
    run = ok(answer, 201)
    assert answer.headers["Location"] == f"/api/v1/runs/{run['id']}"
    assert (run["title"], run["number"], run["state"], run["position"]) == ("Harbour lights", 1, "queued", 1)
    assert run["dataset"] == {"id": version.dataset_id, "name": "Harbour", "number": 1}
    assert (run["config"], run["quote"]) == (found["config"], found["quote"])
    assert run["eta_s"] == pytest.approx(expected.minutes * 60, abs=1)
    assert queued(engine) >= {run["job_id"]}
    job = ok(alice("GET", f"/jobs/{run['job_id']}"))
    assert (job["words"], job["run_id"]) == ("Training of “Harbour lights v1”", run["id"])
    assert (job["dataset_id"], job["dataset_name"]) == (version.dataset_id, "Harbour")
    assert minutes_left(engine, alice) == 120 - expected.max_minutes
    work_on(engine, run["id"], steps=3, seconds=20.0)
    finish(engine, settings, run["id"])
    done = ok(alice("GET", f"/runs/{run['id']}"))
    assert (done["state"], done["adapter_id"], done["last_step"]) == ("done", run["id"], 3)
    assert done["minutes_charged"] == 120 - minutes_left(engine, alice) == 2  # 60 s of steps, 30 s beside
    assert ok(alice("GET", "/runs"))["runs"] == [done]


def test_other_epochs_change_the_quote_at_once(alice: Caller, version: Version, engine: Engine) -> None:
    quick = quoted(alice, engine, version, advanced={"epochs": 10})
    longer = ok(alice("POST", "/runs/quote", asked(version, advanced={"epochs": 20})))
    assert longer["quote"]["num_steps"] == 2 * quick["quote"]["num_steps"]
    assert longer["quote"]["minutes"] > quick["quote"]["minutes"]
    assert longer["quote"]["price_cents"] >= quick["quote"]["price_cents"]


def test_a_measurement_is_asked_for_once(alice: Caller, version: Version) -> None:
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: alice("POST", "/runs/quote", asked(version)), range(4)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json["job"]["id"] for answer in answers}) == 1
    phonemes = alice("POST", "/runs/quote", asked(version, phonemes=0.2))
    dearer = alice("POST", "/runs/quote", asked(version, advanced={"dtype": "float32", "max_len": 2048}))
    assert len({answer.json["job"]["id"] for answer in (answers[0], phonemes, dearer)}) == 3
    fourth = alice("POST", "/runs/quote", asked(version, advanced={"lora_rank": 64}))
    assert refusal(fourth)[:2] == (429, "too_many_measurements")
    assert ok(alice("GET", f"/datasets/{version.dataset_id}"))["job"] is None, "nothing in the dataset waits for it"


def test_a_measurement_that_failed_says_why_and_is_made_again_later(
    alice: Caller, version: Version, engine: Engine
) -> None:
    job_id = alice("POST", "/runs/quote", asked(version)).json["job"]["id"]

    def fail(ago: timedelta) -> None:
        with engine.begin() as connection:
            ended = connection.scalar(text("select now()")) - ago
            values = {"state": JobState.FAILED, "error": "The disk is full.", "finished_at": ended}
            connection.execute(update(Job).where(Job.id == UUID(job_id)).values(**values))

    fail(timedelta(seconds=1))
    told = ok(alice("POST", "/runs/quote", asked(version)))
    assert (told["job"]["id"], told["quote"]) == (job_id, None)
    assert told["refusals"] == ["It could not be measured what this would take: The disk is full."]
    fail(timedelta(minutes=2))
    again = alice("POST", "/runs/quote", asked(version))
    assert again.status_code == 202
    assert again.json["job"]["id"] != job_id


def test_nothing_starts_without_a_quote_or_above_the_agreed_cap(
    alice: Caller, version: Version, engine: Engine
) -> None:
    body = asked(version) | {"title": "Harbour", "max_minutes": 100}
    assert refusal(alice("POST", "/runs", body))[:2] == (409, "no_quote")
    cap = quoted(alice, engine, version)["quote"]["max_minutes"]
    slower = PROBE.model_copy(update={"tokens_per_s": PROBE.tokens_per_s / 100})
    with engine.begin() as connection:
        connection.execute(text("update probed set probe = null"))
    measure(engine, slower)
    status, code, words = refusal(alice("POST", "/runs", body | {"max_minutes": cap}))
    assert (status, code) == (409, "quote_changed")
    assert f"not {cap}" in words
    assert minutes_left(engine, alice) == 120
    assert ok(alice("GET", "/runs"))["runs"] == []


def test_versions_of_a_title_are_numbered_on_after_deletion_too(
    alice: Caller, version: Version, engine: Engine
) -> None:
    assert [begun(alice, engine, version)["number"] for _ in range(2)] == [1, 2]
    second = ok(alice("GET", "/runs"))["runs"][0]
    assert alice("DELETE", f"/runs/{second['id']}").status_code == 204
    assert begun(alice, engine, version)["number"] == 3
    assert begun(alice, engine, version, title="Another")["number"] == 1


def test_a_title_is_a_line_of_text(alice: Caller, version: Version, engine: Engine) -> None:
    cap = quoted(alice, engine, version)["quote"]["max_minutes"]
    for title in ("", "  \n ", "x" * 81, "bell\x07"):
        answer = alice("POST", "/runs", asked(version) | {"title": title, "max_minutes": cap})
        assert (answer.status_code, answer.json["error"]["field"]) == (400, "title"), title


def test_the_checkpoint_must_be_there(alice: Caller, version: Version) -> None:
    status, code, words = refusal(alice("POST", "/runs/quote", asked(version, checkpoint="gpt-nowhere")))
    assert (status, code) == (400, "unknown_checkpoint")
    assert TINY in words


def test_what_is_no_request_is_refused_with_its_field(alice: Caller, version: Version) -> None:
    requests: list[dict[str, Any]] = [
        {"effort": "heroic"},
        {"phonemes": 0.9},
        {"advanced": {"epochs": 0}},
        {"advanced": {"colour": "red"}},
        {"advanced": {"learning_rate": "NaN"}},
        {"checkpoint": "../../etc"},
    ]
    for request in requests:
        answer = alice("POST", "/runs/quote", asked(version, **request))
        assert answer.status_code == 400, request
        assert answer.json["error"]["field"].split(".")[0] == "request", request


def test_spent_minutes_are_refused_in_words_and_nothing_is_taken(
    alice: Caller, version: Version, engine: Engine
) -> None:
    allow(engine, alice, minutes_left=1)
    shown = quoted(alice, engine, version)
    cap = shown["quote"]["max_minutes"]
    assert "1 are left" in shown["refusals"][0]
    answer = alice("POST", "/runs", asked(version) | {"title": "Harbour", "max_minutes": cap})
    status, code, words = refusal(answer)
    assert (status, code, words) == (402, "minutes_spent", shown["refusals"][0])
    assert minutes_left(engine, alice) == 1
    assert ok(alice("GET", "/runs"))["runs"] == []


def test_as_many_titles_as_the_plan_has(alice: Caller, version: Version, engine: Engine, settings: Settings) -> None:
    allow(engine, alice, max_adapters=2)
    kept = voice(alice, engine, settings, version, "Kept")
    waiting = begun(alice, engine, version, "Waiting")
    cap = quoted(alice, engine, version)["quote"]["max_minutes"]
    third = asked(version) | {"title": "Third", "max_minutes": cap}
    status, code, words = refusal(alice("POST", "/runs", third))
    assert (status, code) == (402, "too_many_adapters")
    assert "Kept, Waiting" in words
    assert begun(alice, engine, version, "Kept")["number"] == 2, "a further version takes no further place"
    ok(alice("POST", f"/runs/{waiting['id']}/cancel"))
    ok(alice("POST", "/runs", third), 201)
    assert refusal(alice("POST", f"/runs/{waiting['id']}/resume"))[:2] == (402, "too_many_adapters")
    assert alice("DELETE", f"/runs/{kept}").status_code == 204
    assert ok(alice("POST", "/runs/quote", asked(version)))["balance"]["adapters"] == 2, "Kept v2 is under way still"


def test_whoever_starts_at_once_overdraws_neither_minutes_nor_places(
    alice: Caller, version: Version, engine: Engine
) -> None:
    cap = quoted(alice, engine, version)["quote"]["max_minutes"]
    chance = random.Random(5)  # noqa: S311
    for _ in range(2):
        minutes, places = chance.randint(0, 5 * cap), chance.randint(0, 4)
        allow(engine, alice, minutes_left=minutes, max_adapters=places)
        titles = [chance.choice("ABCDEF") for _ in range(8)]

        def start(title: str) -> tuple[int, str]:
            body = asked(version) | {"title": title, "max_minutes": cap}
            answer = alice("POST", "/runs", body)
            return answer.status_code, title

        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(start, titles))
        begun_titles = [title for status, title in answers if status == 201]
        assert {status for status, _ in answers} <= {201, 402}
        assert minutes_left(engine, alice) == minutes - cap * len(begun_titles) >= 0
        assert len(set(begun_titles)) <= places
        could = len(begun_titles) < minutes // cap and len(set(begun_titles)) < places
        assert not could or len(begun_titles) == len(titles), "what fits is not refused"
        for run in ok(alice("GET", "/runs"))["runs"]:
            assert alice("DELETE", f"/runs/{run['id']}").status_code == 204
        assert minutes_left(engine, alice) == minutes, "what never began costs nothing"


def test_whatever_is_done_at_once_no_minute_is_lost(alice: Caller, version: Version, engine: Engine) -> None:
    cap = quoted(alice, engine, version)["quote"]["max_minutes"]
    allow(engine, alice, minutes_left=4 * cap, minutes_allowance=4 * cap, max_adapters=100)
    seen: list[str] = []

    def act(seed: int) -> list[int]:
        chance = random.Random(seed)  # noqa: S311
        found = []
        for _ in range(8):
            verb = chance.choice(["start", "cancel", "resume", "delete", "quote", "house"])
            if verb == "house":
                with Session(engine) as session, session.begin():
                    house.settle_runs(session)
                continue
            if verb == "start":
                answer = alice("POST", "/runs", asked(version) | {"title": "All at once", "max_minutes": cap})
                seen.extend([answer.json["id"]] if answer.status_code == 201 else [])
            elif verb == "quote":
                answer = alice("POST", "/runs/quote", asked(version))
            else:
                run_id = chance.choice(seen or [str(uuid4())])
                method, path = ("DELETE", "") if verb == "delete" else ("POST", f"/{verb}")
                answer = alice(method, f"/runs/{run_id}{path}")
            found.append(answer.status_code)
        return found

    with ThreadPoolExecutor(6) as threads:
        statuses = {status for found in threads.map(act, range(6)) for status in found}
    assert statuses <= {200, 201, 204, 402, 404, 409}, statuses
    assert {200, 201, 409} <= statuses
    runs = ok(alice("GET", "/runs"))["runs"]
    under_way = [run for run in runs if run["state"] == "queued"]
    assert minutes_left(engine, alice) == cap * (4 - len(under_way))
    for run in under_way:
        ok(alice("POST", f"/runs/{run['id']}/cancel"))
    assert minutes_left(engine, alice) == 4 * cap
    assert len({(run["title"], run["number"]) for run in runs}) == len(runs)


def test_songs_that_were_taken_back_are_not_trained_on(alice: Caller, version: Version, engine: Engine) -> None:
    cap = quoted(alice, engine, version)["quote"]["max_minutes"]
    body = asked(version) | {"title": "Harbour", "max_minutes": cap}
    first = songs(alice, version.dataset_id)[0]
    ok(alice("POST", f"/datasets/{version.dataset_id}/songs/{first['id']}", {"act": "drop"}))
    status, code, words = refusal(alice("POST", "/runs", body))
    assert (status, code) == (409, "not_trainable")
    assert "1 of the 3 songs of version 1" in words
    assert "Freeze a new version" in words
    assert ok(alice("POST", "/runs/quote", asked(version)))["refusals"] == [words]
    ok(alice("POST", f"/datasets/{version.dataset_id}/undo"))
    ok(alice("POST", "/runs", body), 201)
    state_rights(alice, version.dataset_id, "unknown")
    assert "3 of the 3" in refusal(alice("POST", "/runs", body))[2]


def test_one_song_is_too_few(alice: Caller, desk: Desk) -> None:
    dataset_id = filled(alice, desk, {"A Lamp": LAMP})
    frozen(alice, desk, dataset_id)
    found = ok(alice("POST", "/runs/quote", asked(Version(dataset_id, 1))))
    assert (found["quote"], found["job"]) == (None, None)
    assert found["refusals"][0].startswith("Version 1 holds 1 song: it takes 2 at least")


def test_who_comes_first_is_served_first_and_the_wait_is_told(
    alice: Caller, bob: Caller, version: Version, engine: Engine, settings: Settings
) -> None:
    first = begun(alice, engine, version)
    second = begun(bob, engine, trainable_version(bob, settings, engine, "Bob's"))
    assert (first["position"], second["position"]) == (1, 2)
    assert second["eta_s"] > first["eta_s"]
    steps = first["quote"]["num_steps"]
    assert steps > 2
    work_on(engine, first["id"], steps=1, seconds=50.0)
    running, waiting = ok(alice("GET", f"/runs/{first['id']}")), ok(bob("GET", f"/runs/{second['id']}"))
    assert (running["position"], waiting["position"]) == (None, 1)
    expected = (steps - 1) * 50.0 + PROBE.judge_s
    assert running["eta_s"] == pytest.approx(expected, rel=0.2)
    assert waiting["eta_s"] > running["eta_s"]
    work_on(engine, first["id"], steps=2, seconds=50.0)
    assert ok(alice("GET", f"/runs/{first['id']}"))["eta_s"] < running["eta_s"]


def test_events_come_by_kind_and_after_a_step(alice: Caller, version: Version, engine: Engine) -> None:
    run = begun(alice, engine, version)
    work_on(engine, run["id"], steps=3)
    with Session(engine) as session, session.begin():
        tell(session, UUID(run["id"]), [Told("validation", step, 0, {"loss": 2.0}) for step in (0, 2)])
        tell(session, UUID(run["id"]), [Told("log", 2, nth, {"words": f"line {nth}"}) for nth in (0, 1)])

    def told(query: str = "") -> list[tuple[str, int, int]]:
        found = ok(alice("GET", f"/runs/{run['id']}/events{query}"))["events"]
        return [(event["kind"], event["step"], event["nth"]) for event in found]

    assert told("?kinds=validation") == [("validation", 0, 0), ("validation", 2, 0)]
    assert told("?kinds=step,log&after_step=1") == [("step", 2, 0), ("log", 2, 0), ("log", 2, 1), ("step", 3, 0)]
    assert len(told()) == 7
    assert refusal(alice("GET", f"/runs/{run['id']}/events?kinds=gossip"))[:2] == (400, "unknown_kind")
    assert alice("GET", f"/runs/{run['id']}/events?after_step=soon").status_code == 400


def test_stopping_early_is_passed_on_once_it_has_begun(alice: Caller, version: Version, engine: Engine) -> None:
    run = begun(alice, engine, version)
    assert refusal(alice("POST", f"/runs/{run['id']}/stop"))[:2] == (409, "run_not_begun")
    work_on(engine, run["id"], steps=1)
    assert ok(alice("POST", f"/runs/{run['id']}/stop"))["stop_asked"] is True
    ok(alice("POST", f"/jobs/{run['job_id']}/cancel"))
    assert refusal(alice("POST", f"/runs/{run['id']}/stop"))[:2] == (409, "run_over")


@pytest.mark.parametrize("address", ["runs/{id}", "jobs/{job_id}"])
def test_cancelled_while_it_waits_it_costs_nothing(
    alice: Caller, version: Version, engine: Engine, address: str
) -> None:
    run = begun(alice, engine, version)
    assert minutes_left(engine, alice) < 120
    ok(alice("POST", f"/{address.format(**run)}/cancel"))
    shown = ok(alice("GET", f"/runs/{run['id']}"))
    assert (shown["state"], shown["minutes_charged"], shown["position"], shown["eta_s"]) == ("cancelled", 0, None, None)
    assert minutes_left(engine, alice) == 120
    assert refusal(alice("POST", f"/runs/{run['id']}/cancel"))[:2] == (409, "run_over")


def test_a_worker_is_asked_to_cancel_and_the_steps_are_charged(alice: Caller, version: Version, engine: Engine) -> None:
    run = begun(alice, engine, version)
    with engine.connect() as connection:
        now = connection.scalar(text("select now()"))
    work_on(engine, run["id"], steps=2, seconds=50.0, beat_at=now, attempt=uuid4())
    asked_to = ok(alice("POST", f"/runs/{run['id']}/cancel"))
    assert (asked_to["state"], asked_to["cancel_asked"], asked_to["minutes_charged"]) == ("running", True, None)
    silent = now - timedelta(minutes=1)
    work_on(engine, run["id"], beat_at=silent)
    ended = ok(alice("POST", f"/runs/{run['id']}/cancel"))
    assert (ended["state"], ended["minutes_charged"]) == ("cancelled", 2)
    assert minutes_left(engine, alice) == 118


def test_what_was_cancelled_goes_on_and_never_costs_more_than_was_quoted(
    alice: Caller, version: Version, engine: Engine, settings: Settings
) -> None:
    run = begun(alice, engine, version)
    cap = run["quote"]["max_minutes"]
    assert refusal(alice("POST", f"/runs/{run['id']}/resume"))[:2] == (409, "run_not_over")
    work_on(engine, run["id"], steps=1, seconds=50.0)
    ok(alice("POST", f"/runs/{run['id']}/cancel"))
    assert minutes_left(engine, alice) == 119
    assert refusal(alice("POST", f"/jobs/{run['job_id']}/retry"))[:2] == (409, "resume_the_run")
    allow(engine, alice, minutes_left=0)
    assert refusal(alice("POST", f"/runs/{run['id']}/resume"))[:2] == (402, "minutes_spent")
    allow(engine, alice, minutes_left=119)
    again = ok(alice("POST", f"/runs/{run['id']}/resume"))
    assert (again["state"], again["minutes_reserved"], again["minutes_charged"]) == ("queued", cap - 1, 1)
    assert minutes_left(engine, alice) == 120 - cap
    work_on(engine, run["id"], steps=100, seconds=60.0)
    finish(engine, settings, run["id"])
    assert ok(alice("GET", f"/runs/{run['id']}"))["minutes_charged"] == cap
    assert minutes_left(engine, alice) == 120 - cap
    assert refusal(alice("POST", f"/runs/{run['id']}/resume"))[:2] == (409, "run_not_over")


def test_two_who_have_it_go_on_at_once_reserve_once(alice: Caller, version: Version, engine: Engine) -> None:
    run = begun(alice, engine, version)
    left = minutes_left(engine, alice)
    ok(alice("POST", f"/runs/{run['id']}/cancel"))
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: alice("POST", f"/runs/{run['id']}/resume").status_code, range(4)))
    assert sorted(answers) == [200, 409, 409, 409]
    assert minutes_left(engine, alice) == left


def test_deleting_leaves_nothing_of_it(alice: Caller, version: Version, engine: Engine, settings: Settings) -> None:
    run_id = voice(alice, engine, settings, version)
    bucket = open_bucket(settings.bucket)
    bucket.write(f"{run_folder(UUID(run_id))}attempt/step-000002/manifest.json", b"{}")
    assert list(bucket.keys(f"adapters/{run_id}/"))
    assert alice("DELETE", f"/runs/{run_id}").status_code == 204
    assert list(bucket.keys(f"adapters/{run_id}/")) == list(bucket.keys(f"runs/{run_id}/")) == []
    for path in (f"/runs/{run_id}", f"/runs/{run_id}/events", f"/adapters/{run_id}"):
        assert alice("GET", path).status_code == 404, path
    assert ok(alice("GET", "/runs"))["runs"] == ok(alice("GET", "/adapters"))["adapters"] == []
    with Session(engine) as session:
        assert session.scalar(select(RunEvent.run_id)) is None


def test_deleted_while_a_worker_is_at_it_that_worker_can_write_nothing_more(
    alice: Caller, version: Version, engine: Engine
) -> None:
    run = begun(alice, engine, version)
    work_on(engine, run["id"], steps=1, seconds=50.0, attempt=uuid4(), beat_at=text("now()"))
    assert alice("DELETE", f"/runs/{run['id']}").status_code == 204
    with Session(engine) as session:
        job = session.get_one(Job, UUID(run["job_id"]))
        assert (job.state, job.attempt) == (JobState.CANCELLED, None)
        assert session.get_one(Run, UUID(run["id"])).minutes_charged == 1
    assert minutes_left(engine, alice) == 119


def test_a_deleted_dataset_ends_its_trainings_and_a_version_in_use_stays(
    alice: Caller, version: Version, engine: Engine, settings: Settings
) -> None:
    made = voice(alice, engine, settings, version)
    run = begun(alice, engine, version, "Waiting")
    of_version = f"/datasets/{version.dataset_id}/versions/{version.number}"
    assert refusal(alice("DELETE", of_version))[:2] == (409, "version_in_use")
    assert alice("DELETE", f"/datasets/{version.dataset_id}").status_code == 204
    shown = ok(alice("GET", f"/runs/{run['id']}"))
    assert (shown["state"], shown["minutes_charged"]) == ("cancelled", 0)
    assert alice("POST", f"/runs/{run['id']}/resume").status_code == 404
    assert alice("POST", "/runs/quote", asked(version)).status_code == 404
    ok(alice("POST", f"/datasets/{version.dataset_id}/undelete"))
    assert alice("DELETE", of_version).status_code == 204
    assert ok(alice("GET", f"/adapters/{made}"))["card"]["table"]
    assert ok(alice("GET", f"/runs/{made}"))["adapter_id"] == made
    with engine.begin() as connection:  # as the house does when it has been deleted for long
        connection.execute(text("delete from dataset where id = :id"), {"id": version.dataset_id})
    shown = ok(alice("GET", f"/runs/{made}"))
    assert (shown["dataset"], shown["state"], shown["adapter_id"]) == (None, "done", made)
    assert refusal(alice("POST", f"/runs/{run['id']}/resume"))[:2] == (409, "not_trainable")
    assert ok(alice("GET", f"/adapters/{made}"))["card"]["table"]


def test_who_leaves_takes_everything_along(alice: Caller, version: Version, engine: Engine, settings: Settings) -> None:
    ok(alice("POST", f"/adapters/{voice(alice, engine, settings, version)}/publish", {}))
    assert begun(alice, engine, version)["before_id"]
    with engine.begin() as connection:
        connection.execute(text("delete from app_user where email = :email"), {"email": alice.email})
        for table in ("run", "run_event", "adapter", "probed", "job"):
            assert connection.scalar(text(f"select count(*) from {table}")) == 0, table  # noqa: S608


def test_what_similar_runs_reached_is_told_when_there_are_enough(
    alice: Caller, bob: Caller, version: Version, engine: Engine, settings: Settings
) -> None:
    of_bob = trainable_version(bob, settings, engine, "Bob's")
    for number in range(3):
        assert quoted(alice, engine, version)["quote"]["num_similar"] == 0
        run_id = voice(bob, engine, settings, of_bob)
        with engine.begin() as connection:
            values = {"reached": 1.5 + number / 10, "id": run_id}
            connection.execute(text("update adapter set bits_per_byte = :reached where id = :id"), values)
    found = quoted(alice, engine, version)["quote"]
    assert (found["num_similar"], found["bits_per_byte"]) == (3, [1.5, 1.7])
    assert quoted(alice, engine, version, effort="thorough")["quote"]["num_similar"] == 0


def test_the_version_before_is_the_live_one_unless_another_is_named(
    alice: Caller, bob: Caller, version: Version, engine: Engine, settings: Settings
) -> None:
    first = voice(alice, engine, settings, version)
    assert begun(alice, engine, version)["before_id"] is None
    ok(alice("POST", f"/adapters/{first}/publish", {}))
    assert begun(alice, engine, version)["before_id"] == first
    other = voice(alice, engine, settings, version, "Other")
    assert begun(alice, engine, version, before_id=other)["before_id"] == other
    of_bob = voice(bob, engine, settings, trainable_version(bob, settings, engine, "Bob's"))
    cap = quoted(alice, engine, version)["quote"]["max_minutes"]
    for stranger in (of_bob, str(uuid4())):
        body = asked(version) | {"title": "Harbour", "max_minutes": cap, "before_id": stranger}
        assert alice("POST", "/runs", body).status_code == 404


def test_nobody_elses_run_exists(
    alice: Caller, bob: Caller, charlie: Caller, version: Version, engine: Engine, settings: Settings
) -> None:
    run_id = voice(alice, engine, settings, version)
    waiting = begun(alice, engine, version)
    for stranger in (bob, charlie):
        for run in (run_id, waiting["id"]):
            for method, path in (
                ("GET", ""), ("GET", "/events"), ("POST", "/stop"), ("POST", "/cancel"), ("POST", "/resume"),
                ("DELETE", ""),
            ):  # fmt: skip
                assert stranger(method, f"/runs/{run}{path}").status_code == 404, (method, path)
        assert stranger("POST", "/runs/quote", asked(version)).status_code == 404
        body = asked(version) | {"title": "Mine now", "max_minutes": 100}
        assert stranger("POST", "/runs", body).status_code == 404
        assert ok(stranger("GET", "/runs"))["runs"] == []
    assert len(ok(alice("GET", "/runs"))["runs"]) == 2


def test_a_changed_song_makes_a_new_version_needed(alice: Caller, version: Version, engine: Engine, desk: Desk) -> None:
    quoted(alice, engine, version)
    with Session(engine) as session:
        song = session.scalars(select(Song).where(Song.dataset_id == UUID(version.dataset_id))).first()
        assert song
    body = {"act": "replace", "text": LAMP + "One more line of light\n", "artist": ARTIST, "title": song.title}
    ok(alice("POST", f"/datasets/{version.dataset_id}/songs/{song.id}", body))
    desk.do()
    assert "1 of the 3" in ok(alice("POST", "/runs/quote", asked(version)))["refusals"][0]
    fresh = frozen(alice, desk, version.dataset_id)
    assert quoted(alice, engine, Version(version.dataset_id, fresh["number"]))["refusals"] == []
