"""Listening over the API: readings, rhymes, analyses, forms; and each writer's own pronunciations."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import ear
from tests.app.conftest import Caller

LINE = "Midnight on the corner and the neon's running low"


def post(browser: FlaskClient, path: str, body: Any) -> TestResponse:
    """As the studio's script does for somebody who has not begun: no account, only the page's CSRF token."""
    browser.get("/login")
    token = browser.get_cookie("_csrf_token")
    assert token is not None
    return browser.post(f"/api/v1{path}", json=body, headers={"X-CSRFToken": token.decoded_value})


def test_it_works(browser: FlaskClient) -> None:
    lines = post(browser, "/readings", {"text": f"[Verse]\n{LINE}\nNo place to go"}).json["lines"]
    assert [line["num_syllables"] for line in lines] == [0, 13, 4]
    assert lines[0] == {"number": 1, "num_syllables": 0, "stresses": [], "words": [], "rhyme": None}
    assert lines[1]["stresses"][:3] == [1, 2, 1]
    assert lines[1]["words"][0] == {"word": "midnight", "start": 0, "end": 8, "num_syllables": 2, "is_guessed": False}
    assert lines[1]["rhyme"] == {"group": "A", "strength": "perfect", "start": 46, "end": 49}


def test_rhymes_come_by_kind(browser: FlaskClient) -> None:
    found = browser.get("/api/v1/rhymes?word=low").json
    assert {"word": "show", "num_syllables": 1} in found["perfect"]
    assert set(found) == {"word", "perfect", "near", "assonance"}


@pytest.mark.parametrize("query", ["", "?word=", "?word=%20", "?word=---", "?word=%F0%9F%98%80", f"?word={'x' * 100}"])
def test_no_word_is_told_so(browser: FlaskClient, query: str) -> None:
    answer = browser.get(f"/api/v1/rhymes{query}")
    assert (answer.status_code, answer.json["error"]["field"]) == (400, "word")


def test_a_text_is_analysed(browser: FlaskClient) -> None:
    found = post(browser, "/analyses", {"text": "The moon is on the river now\nand I will never show you how"}).json
    assert found["scheme"] == "AA"
    assert found["stanzas"][0][0]["metre"] == "iambic tetrameter"
    assert post(browser, "/analyses", {"text": ""}).json["stanzas"] == []


@pytest.mark.parametrize("path", ["/readings", "/analyses"])
@pytest.mark.parametrize(
    "body", [{}, {"text": 5}, {"text": "x" * 20_001}, {"text": "a\x00b"}, {"text": "\ud800"}, {"text": "x", "y": 1}]
)
def test_what_is_no_text_is_refused(alice: Caller, path: str, body: Any) -> None:
    assert alice("POST", path, body).status_code == 400


def test_a_text_of_too_many_lines_is_not_analysed(alice: Caller) -> None:
    answer = alice("POST", "/analyses", {"text": "now\n" * 4_000})
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "text_too_long")


def test_a_stranger_s_script_needs_the_page_s_token(browser: FlaskClient) -> None:
    answer = browser.post("/api/v1/readings", json={"text": LINE})
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "csrf")


def test_only_so_many_listen_at_once(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = ear.Turns(1, patience_s=0.0)
    monkeypatch.setattr("app.ear._listening", turns)
    with turns.taken():
        answer = alice("POST", "/readings", {"text": LINE})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2")
    assert alice("POST", "/readings", {"text": LINE}).status_code == 200


def test_a_word_sounds_as_its_writer_says_and_for_nobody_else(alice: Caller, bob: Caller) -> None:
    couplet = {"text": "sit in the chair\nnothing to fear"}

    def strengths(caller: Caller) -> set[str]:
        return {
            line["rhyme"]["strength"] for line in caller("POST", "/readings", couplet).json["lines"] if line["rhyme"]
        }

    assert strengths(alice) != {"perfect"}
    answer = alice("PUT", "/pronunciations/Chair", {"like": "Fear"})
    assert (answer.status_code, answer.json) == (200, {"word": "chair", "phones": "CH IH1 R", "like": "fear"})
    assert alice("GET", "/pronunciations").json == {"pronunciations": [answer.json]}
    assert strengths(alice) == {"perfect"}
    assert "fear" in {found["word"] for found in alice("GET", "/rhymes?word=chair").json["perfect"]}
    assert alice("POST", "/analyses", couplet).json["scheme"] == "AA"
    assert strengths(bob) != {"perfect"}
    assert bob("GET", "/pronunciations").json == {"pronunciations": []}
    assert bob("DELETE", "/pronunciations/chair").status_code == 404
    assert alice("DELETE", "/pronunciations/chair").status_code == 204
    assert strengths(alice) != {"perfect"}
    assert alice("DELETE", "/pronunciations/chair").status_code == 404


def test_a_later_pronunciation_replaces_an_earlier_one(alice: Caller) -> None:
    alice("PUT", "/pronunciations/chair", {"like": "fear"})
    again = alice("PUT", "/pronunciations/chair", {"phones": "ch er"}).json
    assert again == {"word": "chair", "phones": "CH ER1", "like": None}
    assert alice("GET", "/pronunciations").json["pronunciations"] == [again]


@pytest.mark.parametrize(
    ("word", "like", "phones"),
    [
        ("chair", "fear", "CH IH1 R"),
        ("midnight", "mid", "M IH1 D N IH2 D"),
        ("orange", "syringe", "AO2 R IH1 N JH"),
        ("don't", "want", "D AA1 N T"),
        ("shawty", "naughty", "SH AO1 T IY0"),
    ],
)
def test_a_word_keeps_its_beginning_and_takes_the_other_s_end(alice: Caller, word: str, like: str, phones: str) -> None:
    assert alice("PUT", f"/pronunciations/{word}", {"like": like}).json["phones"] == phones


@pytest.mark.parametrize(
    ("word", "body", "field"),
    [
        ("chair", {}, "like"),
        ("chair", {"like": "fear", "phones": "CH IH1 R"}, "like"),
        ("chair", {"like": "chair"}, "like"),
        ("chair", {"like": "zorblyx"}, "like"),
        ("chair", {"like": "door hinge"}, "like"),
        ("chair", {"like": ""}, "like"),
        ("chair", {"like": 5}, "like"),
        ("chair", {"like": "x" * 49}, "like"),
        ("chair", {"phones": ""}, "phones"),
        ("chair", {"phones": "CH R"}, "phones"),
        ("chair", {"phones": "CH XX1"}, "phones"),
        ("chair", {"phones": "AA1 " * 60}, "phones"),
        ("low-key", {"like": "fear"}, "word"),
        ("日本", {"phones": "CH IH1 R"}, "word"),
        ("x" * 49, {"phones": "CH IH1 R"}, "word"),
    ],
)
def test_what_cannot_be_said_names_the_field(alice: Caller, word: str, body: Any, field: str) -> None:
    answer = alice("PUT", f"/pronunciations/{word}", body)
    assert (answer.status_code, answer.json["error"]["field"]) == (400, field), answer.json
    assert alice("GET", "/pronunciations").json == {"pronunciations": []}


def test_there_is_an_end_to_a_writer_s_words(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.ear.MAX_PRONUNCIATIONS", 1)
    assert alice("PUT", "/pronunciations/chair", {"like": "fear"}).status_code == 200
    assert alice("PUT", "/pronunciations/chair", {"like": "door"}).status_code == 200
    assert alice("PUT", "/pronunciations/table", {"like": "fear"}).status_code == 402


def test_a_form_is_read_back_in_words(browser: FlaskClient) -> None:
    read = post(browser, "/forms", {"form": {"scheme": "limerick", "syllables": [8, 8, 5, 5, 8]}}).json
    assert read["words"] == "AABBA, strict; 8-8-5-5-8 syllables"
    assert (read["form"]["scheme"], read["form"]["mode"]) == ("AABBA", "fast")


@pytest.mark.parametrize(
    ("form", "field", "words"),
    [
        (None, "form", "JSON object"),
        ([], "form", "JSON object"),
        ({"scheme": "A1"}, "form.scheme", "one letter a line"),
        ({"scheme": "A" * 65}, "form.scheme", "at most 64"),
        ({"strictness": "very"}, "form.strictness", "multi:2"),
        ({"syllables": 99}, "form.syllables", "from 1 to 24"),
        ({"syllables": "many"}, "form.syllables", "a min and a max"),
        ({"syllables": {"min": 9, "max": 7}}, "form.syllables", "swap them"),
        ({"syllables": [8, 6]}, "form", "names 2 lines"),
        ({"metre": "waltz"}, "form.metre", "iambic"),
        ({"include": ["a\x00b"]}, "form.include", "control character"),
        ({"include": ["moon"], "exclude": ["moon"]}, "form", "both included and excluded"),
        ({"rhymes": {"A": ["low"] * 100}}, "form.rhymes", "64 at most"),
        ({"rhymes": {"Z": ["low"]}}, "form", "no letter that rhymes"),
        ({"alternatives": 100}, "form.alternatives", "less than or equal to 10"),
        ({"colour": "blue"}, "form.colour", "not permitted"),
    ],
    ids=str,
)
def test_a_form_that_is_none_names_the_field(browser: FlaskClient, form: Any, field: str, words: str) -> None:
    answer = post(browser, "/forms", {"form": form})
    assert (answer.status_code, answer.json["error"]["field"]) == (400, field), answer.json
    assert words in answer.json["error"]["message"]


def test_presets_can_be_asked_for_as_they_are(browser: FlaskClient) -> None:
    presets = browser.get("/api/v1/forms").json["presets"]
    assert {"Limerick", "Sonnet", "16-bar rap verse"} <= {preset["name"] for preset in presets}
    for preset in presets:
        for section in preset["sections"]:
            assert post(browser, "/forms", {"form": section["form"]}).json["form"] == section["form"]
