"""Keeping and rejecting what a voice wrote, and what comes of it: counts, edits, undo, and who may."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.db import unit_of_work
from models import Feedback, Generation
from models.generation import GenerationState
from tests.app.builders import ok, refusal
from tests.app.conftest import Caller
from tests.app.loop import adapter_of, wrote

VERSE = "\nThe tide is low\n\n  and the boats are in\nand nobody asks"


def said(caller: Caller, generation_id: str, verdict: str = "kept", **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = ok(
        caller("POST", "/feedback", {"generation_id": generation_id, "verdict": verdict} | more), 201
    )
    return answer


def test_it_works(alice: Caller) -> None:
    voice = adapter_of(alice, "Harbour")
    generation_id = wrote(alice, VERSE, prompt="Down by the harbour", voice=voice)
    kept = said(alice, generation_id, line=2)
    assert (kept["written"], kept["text"], kept["line"]) == ("and the boats are in",) * 2 + (2,)
    assert kept["prompt"] == "Down by the harbour\nThe tide is low\n\n  "
    assert (kept["kept"], kept["rejected"], kept["unused"]) == (1, 0, 1)
    rejected = said(alice, generation_id, "rejected", line=3)
    assert rejected["words"] == "2 added to the feedback for v2"
    listed = ok(alice("GET", f"/feedback?voice={voice}"))
    assert [item["verdict"] for item in listed["items"]] == ["rejected", "kept"]
    assert [item["line"] for item in ok(alice("GET", "/feedback?verdict=kept"))["items"]] == [2]


def test_a_line_ends_at_whatever_ends_a_line(alice: Caller) -> None:
    generation_id = wrote(alice, "one of them\rtwo of them\r\nthree")
    assert [said(alice, generation_id, line=line)["text"] for line in (1, 2, 3)] == [
        "one of them",
        "two of them",
        "three",
    ]


def test_the_last_word_counts_and_a_verdict_can_be_taken_back(alice: Caller) -> None:
    generation_id = wrote(alice, VERSE)
    first = said(alice, generation_id, line=1)
    again = said(alice, generation_id, "rejected", line=1)
    assert (again["id"], again["kept"], again["rejected"]) == (first["id"], 0, 1)
    edited = said(alice, generation_id, line=1, text="  The tide is high\n")
    assert (edited["text"], edited["written"]) == ("The tide is high", "The tide is low")
    left = ok(alice("DELETE", f"/feedback/{first['id']}"))
    assert (left["kept"], left["rejected"]) == (0, 0)
    assert refusal(alice("DELETE", f"/feedback/{first['id']}"))[0] == 404


def test_a_whole_take_is_kept_apart_from_its_lines(alice: Caller) -> None:
    generation_id = wrote(alice, VERSE, prompt="A line\n")
    said(alice, generation_id, line=1)
    whole = said(alice, generation_id)
    assert (whole["line"], whole["text"], whole["kept"]) == (None, VERSE.strip(), 2)
    assert whole["prompt"] == "A line\n\n"


def test_what_a_voice_writes_that_is_no_text_is_left_out(alice: Caller) -> None:
    assert said(alice, wrote(alice, "The tide\x1c is \x7flow"))["text"] == "The tide is low"


def test_lines_of_a_deed_stand_behind_the_lines_above_their_place(alice: Caller) -> None:
    lyric = "One\nTwo\nThree\nFour"
    generation_id = wrote(alice, "Two and a half", prompt=lyric, placed={"line": 3, "replaces": False})
    assert said(alice, generation_id)["prompt"] == "One\nTwo\n"


def test_what_is_kept_of_one_version_counts_for_the_next(alice: Caller) -> None:
    first = adapter_of(alice, "Harbour", number=1)
    second = adapter_of(alice, "Harbour", number=2)
    said(alice, wrote(alice, VERSE, voice=first))
    kept = said(alice, wrote(alice, VERSE, voice=second))
    assert (kept["unused"], kept["words"]) == (2, "2 added to the feedback for v3")
    assert ok(alice("GET", f"/feedback?voice={adapter_of(alice, 'Other')}"))["kept"] == 0


def test_what_has_gone_into_a_dataset_is_settled(alice: Caller, engine: Engine) -> None:
    generation_id = wrote(alice, VERSE)
    item = said(alice, generation_id)
    with Session(engine) as session:
        session.get_one(Feedback, UUID(item["id"])).used_at = item["created_at"]
        session.commit()
    body = {"generation_id": generation_id, "verdict": "rejected"}
    assert refusal(alice("POST", "/feedback", body))[:2] == (409, "feedback_used")
    assert refusal(alice("DELETE", f"/feedback/{item['id']}"))[:2] == (409, "feedback_used")
    assert ok(alice("GET", "/feedback"))["unused"] == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"verdict": "liked"}, "unknown_verdict"),
        ({"take": 3}, "no_take"),
        ({"line": 4}, "no_line"),
        ({"text": " \n "}, "no_text"),
        ({"text": "a\x00b"}, "not_text"),
        ({"text": "la" * 3_000}, "text_too_long"),
        ({"line": 0}, "bad_input"),
    ],
)
def test_what_cannot_be_noted_is_refused_with_the_reason(alice: Caller, change: dict[str, Any], code: str) -> None:
    body = {"generation_id": wrote(alice, VERSE), "verdict": "kept"} | change
    assert refusal(alice("POST", "/feedback", body))[:2] == (400, code)


def test_nobody_else_sees_or_changes_it(alice: Caller, bob: Caller, charlie: Caller) -> None:
    voice = adapter_of(alice, "Harbour")
    generation_id = wrote(alice, VERSE, voice=voice)
    item = said(alice, generation_id)
    for stranger in (bob, charlie):
        body = {"generation_id": generation_id, "verdict": "rejected"}
        assert refusal(stranger("POST", "/feedback", body))[:2] == (404, "not_found")
        assert refusal(stranger("DELETE", f"/feedback/{item['id']}"))[0] == 404
        listed = ok(stranger("GET", f"/feedback?voice={voice}"))
        assert (listed["items"], listed["kept"]) == ([], 0)
        assert refusal(stranger("POST", f"/adapters/{voice}/improve", {"attest": True}))[0] == 404
    assert ok(alice("GET", "/feedback"))["kept"] == 1


def test_feedback_outlives_its_generation(alice: Caller, engine: Engine) -> None:
    generation_id = wrote(alice, VERSE)
    said(alice, generation_id)
    with Session(engine) as session:
        session.delete(session.get_one(Generation, UUID(generation_id)))
        session.commit()
    (item,) = ok(alice("GET", "/feedback"))["items"]
    assert (item["generation_id"], item["text"]) == (None, VERSE.strip())


def test_a_take_can_be_judged_while_others_are_being_written(alice: Caller) -> None:
    generation_id = wrote(alice, VERSE)
    with unit_of_work() as session:
        row = session.get_one(Generation, UUID(generation_id))
        row.state, row.takes = GenerationState.RUNNING, []
    body = {"generation_id": generation_id, "verdict": "kept"}
    assert refusal(alice("POST", "/feedback", body))[:2] == (400, "no_take")
    assert refusal(alice("POST", "/feedback", body | {"generation_id": str(uuid4())}))[0] == 404


def test_a_voice_whose_name_is_no_text_is_refused(alice: Caller) -> None:
    assert refusal(alice("GET", "/feedback?voice=%00"))[:2] == (400, "not_text")
