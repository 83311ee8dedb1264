"""Generations over the API, with a real inference service that serves a tiny random checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from app.generation import SPARE_STREAMS
from models import Account
from tests.app.conftest import Caller
from tests.services import TINY, InferenceService

LINE = "Midnight on the corner"


@pytest.fixture
def inference_url(inference: InferenceService) -> str:
    return inference.url


def asked(**changes: Any) -> dict[str, Any]:
    return {"voice": TINY, "prompt": LINE, "max_tokens": 24, "seed": 7} | changes


def start(caller: Caller, **changes: Any) -> str:
    answer = caller("POST", "/generations", asked(**changes))
    assert answer.status_code == 201, answer.json
    return str(answer.json["id"])


def parsed(lines: Iterator[str]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Server-sent events as (id, event, data)."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            yield int(fields["id"]), fields["event"], json.loads(fields["data"])
            fields = {}


def follow(caller: Caller, generation_id: str, after: int = 0) -> list[tuple[int, str, dict[str, Any]]]:
    headers = {"Last-Event-ID": str(after)} if after else {}
    answer = caller("GET", f"/generations/{generation_id}/events", headers=headers)
    assert answer.status_code == 200
    assert answer.mimetype == "text/event-stream"
    return list(parsed(iter(answer.text.split("\n"))))


def tokens_left(engine: Engine, caller: Caller) -> int:
    with engine.connect() as connection:
        query = text("select tokens_left from account join app_user on id = user_id where email = :email")
        return int(connection.scalar(query, {"email": caller.email}))


def test_it_works(alice: Caller, engine: Engine) -> None:
    before = tokens_left(engine, alice)
    generation_id = start(alice, n=2)
    events = follow(alice, generation_id)
    assert [event[0] for event in events] == list(range(1, len(events) + 1))
    assert events[0][1] == "voice"
    assert {event[1] for event in events[1:-1]} == {"token"}
    _, kind, done = events[-1]
    assert (kind, done["state"]) == ("done", "done")
    shown = alice("GET", f"/generations/{generation_id}").json
    for take in shown["takes"]:
        streamed = "".join(
            data["text"] for _, kind, data in events if kind == "token" and data["take"] == take["index"]
        )
        assert streamed == take["text"] != ""
    assert shown["usage"]["completion_tokens"] == before - tokens_left(engine, alice) == 48


def test_a_reader_picks_up_where_it_stopped(alice: Caller) -> None:
    generation_id = start(alice)
    events = follow(alice, generation_id)
    assert follow(alice, generation_id, after=events[2][0]) == events[3:]


def test_polling_alone_comes_to_the_end(alice: Caller) -> None:
    generation_id = start(alice)
    shown: dict[str, Any] = {}
    while shown.get("state") not in ("done", "failed"):
        shown = alice("GET", f"/generations/{generation_id}").json
    assert shown["state"] == "done"
    assert shown["finished_at"]


def test_the_same_seed_writes_the_same_text_and_another_does_not(alice: Caller) -> None:
    def written(seed: int) -> str:
        generation_id = start(alice, seed=seed)
        follow(alice, generation_id)
        return str(alice("GET", f"/generations/{generation_id}").json["takes"][0]["text"])

    assert written(1) == written(1) != written(2)


def test_stopping_keeps_the_text_and_charges_what_was_written(alice: Caller, engine: Engine) -> None:
    before = tokens_left(engine, alice)
    generation_id = start(alice, max_tokens=800)
    answer = alice("GET", f"/generations/{generation_id}/events", buffered=False)
    stream = (chunk.decode() for chunk in answer.iter_encoded())
    seen = ""
    while seen.count("event: token") < 3:
        seen += next(stream)
    assert alice("DELETE", f"/generations/{generation_id}").status_code == 204
    rest = list(parsed(iter((seen + "".join(stream)).split("\n"))))
    assert (rest[-1][1], rest[-1][2]["state"]) == ("done", "cancelled")
    used = rest[-1][2]["usage"]["completion_tokens"]
    assert 3 <= used < 800
    assert before - tokens_left(engine, alice) == used
    assert alice("DELETE", f"/generations/{generation_id}").status_code == 204


def test_a_reader_who_leaves_frees_the_slot(
    alice: Caller, inference: InferenceService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.relay.GRACE_S", 0.01)  # the tiny voice would be through within the real one
    generation_id = start(alice, max_tokens=900, n=8)
    answer = alice("GET", f"/generations/{generation_id}/events", buffered=False)
    while b"event: token" not in next(answer.iter_encoded()):
        pass
    answer.close()
    inference.wait_until_idle()
    while (state := alice("GET", f"/generations/{generation_id}").json["state"]) == "running":
        pass
    assert state == "cancelled"


def test_nobody_else_sees_or_stops_it(alice: Caller, bob: Caller, charlie: Caller) -> None:
    generation_id = start(alice)
    for stranger in (bob, charlie):
        for method, path in (("GET", ""), ("GET", "/events"), ("DELETE", "")):
            assert stranger(method, f"/generations/{generation_id}{path}").status_code == 404
    assert bob("GET", f"/generations/{uuid4()}").status_code == 404
    lyric_id = alice("POST", "/lyrics", {"text": LINE}).json["id"]
    assert bob("POST", "/generations", asked(lyric_id=lyric_id)).status_code == 404


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"prompt": ""}, "empty_prompt", "prompt"),
        ({"prompt": " \n\t "}, "empty_prompt", "prompt"),
        ({"prompt": "x" * 100_000}, "prompt_too_long", "prompt"),
        ({"prompt": "\x00\x01\x02"}, "not_text", "prompt"),
        ({"prompt": 5}, "bad_input", "prompt"),
        ({"voice": "nobody"}, "unknown_voice", "voice"),
        ({"voice": "../../etc"}, "unknown_voice", "voice"),
        ({"temperature": -0.1}, "bad_input", "temperature"),
        ({"temperature": 2.1}, "bad_input", "temperature"),
        ({"temperature": "hot"}, "bad_input", "temperature"),
        ({"max_tokens": 0}, "bad_input", "max_tokens"),
        ({"max_tokens": 10**9}, "bad_input", "max_tokens"),
        ({"top_p": 0}, "bad_input", "top_p"),
        ({"top_k": -1}, "bad_input", "top_k"),
        ({"n": 0}, "bad_input", "n"),
        ({"n": 99}, "bad_input", "n"),
        ({"seed": -1}, "bad_input", "seed"),
        ({"seed": 2**64}, "bad_input", "seed"),
        ({"lyric_id": "x"}, "bad_input", "lyric_id"),
        ({"stop": ["\x00"]}, "bad_input", "stop"),
        ({"stop": ["\ud800"]}, "bad_input", "stop"),
        ({"colour": "blue"}, "bad_input", "colour"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bad_input_names_the_field_and_costs_nothing(
    alice: Caller, engine: Engine, changes: dict[str, Any], code: str, field: str
) -> None:
    before = tokens_left(engine, alice)
    answer = alice("POST", "/generations", asked(**changes))
    assert answer.status_code == 400, answer.json
    assert (answer.json["error"]["code"], answer.json["error"]["field"]) == (code, field)
    assert tokens_left(engine, alice) == before


def test_nan_is_not_a_number(alice: Caller) -> None:
    raw = json.dumps(asked(temperature=float("nan")))
    answer = alice("POST", "/generations", data=raw, content_type="application/json")
    assert answer.status_code == 400
    assert "NaN" in answer.json["error"]["message"]


def test_a_spent_allowance_is_a_402_that_says_what_to_do(alice: Caller, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(Account.__table__.update().values(tokens_left=30))
    answer = alice("POST", "/generations", asked(n=2))
    assert answer.status_code == 402
    assert answer.json["error"]["code"] == "allowance_spent"
    assert "30 are left" in answer.json["error"]["message"]
    assert tokens_left(engine, alice) == 30
    follow(alice, start(alice))


def test_many_at_once_spend_exactly_what_they_use(alice: Caller, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(Account.__table__.update().values(tokens_left=5 * 24, tokens_allowance=5 * 24))

    def one(seed: int) -> int:
        return alice("POST", "/generations", asked(seed=seed)).status_code

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(one, range(20)))
    assert set(answers) <= {201, 402}
    assert answers.count(201) >= 5
    with engine.connect() as connection:
        used = 24 * answers.count(201)
        while connection.scalar(text("select count(*) from generation where state in ('queued', 'running')")):
            connection.rollback()
        assert connection.scalar(text("select sum(tokens_used) from generation")) <= used
        total = connection.scalar(text("select sum(tokens_used) + max(tokens_left) from generation, account"))
    assert total == 5 * 24


def test_too_many_at_once_are_told_to_wait(alice: Caller, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(Account.__table__.update().values(max_generations=1))
    first = start(alice, max_tokens=900)
    answer = alice("POST", "/generations", asked())
    assert answer.status_code == 429
    assert answer.headers["Retry-After"]
    alice("DELETE", f"/generations/{first}")


def test_writing_keeps_a_version_of_the_lyric(alice: Caller) -> None:
    lyric_id = alice("POST", "/lyrics", {"text": LINE}).json["id"]
    generation_id = start(alice, lyric_id=lyric_id)
    follow(alice, generation_id)
    kept = alice("GET", f"/lyrics/{lyric_id}/versions").json["versions"]
    assert [(version["text"], version["reason"]) for version in kept] == [(LINE, "before_write")]
    assert alice("GET", f"/generations/{generation_id}").json["lyric_id"] == lyric_id


def test_voices_are_listed_with_their_licence(alice: Caller) -> None:
    voices = alice("GET", "/voices").json["voices"]
    assert [(voice["name"], voice["licence"]) for voice in voices] == [(TINY, "made by the tests")]


def test_an_event_number_must_be_a_number(alice: Caller) -> None:
    generation_id = start(alice)
    answer = alice("GET", f"/generations/{generation_id}/events", headers={"Last-Event-ID": "-1 or 1"})
    assert answer.status_code == 400


def test_a_lyric_longer_than_the_voice_can_read_is_read_from_its_newest_lines(alice: Caller) -> None:
    long_lyric = "".join(f"line number {i} of a very long song\n" for i in range(500))
    generation_id = start(alice, prompt=long_lyric, max_tokens=24)
    events = follow(alice, generation_id)
    assert events[-1][1] == "done"
    assert 900 < events[-1][2]["usage"]["prompt_tokens"] <= 1024 - 24


def test_asking_past_the_end_gets_the_end_again(alice: Caller) -> None:
    generation_id = start(alice)
    last = follow(alice, generation_id)[-1]
    assert [event[1:] for event in follow(alice, generation_id, after=last[0] + 5)] == [last[1:]]


def test_the_takes_are_retold_when_the_events_were_cleared_away(alice: Caller, engine: Engine) -> None:
    generation_id = start(alice, n=2)
    follow(alice, generation_id)
    with engine.begin() as connection:
        connection.execute(text("delete from generation_event"))
    told = follow(alice, generation_id)
    shown = alice("GET", f"/generations/{generation_id}").json
    assert [data["text"] for _, _, data in told[:-1]] == [take["text"] for take in shown["takes"]]
    assert told[-1][1] == "done"


def test_nobody_takes_all_the_lines(alice: Caller, bob: Caller, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(Account.__table__.update().values(max_generations=1))
    generation_id = start(alice)
    path = f"/generations/{generation_id}/events"
    held = [alice("GET", path, buffered=False) for _ in range(1 + SPARE_STREAMS)]
    refused = alice("GET", path)
    assert (refused.status_code, refused.json["error"]["code"]) == (429, "too_many_streams")
    assert follow(bob, start(bob))[-1][1] == "done"
    for answer in held:
        answer.close()
    assert alice("GET", path).status_code == 200
