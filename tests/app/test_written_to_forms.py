"""The whole way of a form: API, relay, inference service and decoder, with a tiny random checkpoint."""

from __future__ import annotations

from typing import Any

import pytest

from lyrics.form import Form
from lyrics.phones import Lexicon
from lyrics.verify import verify
from tests.app.conftest import Caller
from tests.app.test_generations import follow
from tests.services import TINY, InferenceService

LYRIC = "[Verse]\nThe moon is on the river now"
COUPLET = {"scheme": "AA", "syllables": 8}
CRAFTED = COUPLET | {"mode": "crafted", "alternatives": 3}


@pytest.fixture
def inference_url(inference: InferenceService) -> str:
    return inference.url


def written(caller: Caller, **changes: Any) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]], dict[str, Any]]:
    """What the start answered, the events, and the generation in the end."""
    asked = {"voice": TINY, "prompt": LYRIC, "form": COUPLET, "seed": 3} | changes
    answer = caller("POST", "/generations", asked)
    assert answer.status_code == 201, answer.json
    events = [(kind, data) for _, kind, data in follow(caller, answer.json["id"])]
    return answer.json, events, caller("GET", f"/generations/{answer.json['id']}").json


def test_it_works(alice: Caller) -> None:
    _, events, shown = written(alice, prompt=LYRIC + "\n")
    assert events[-1][0] == "done"
    take = shown["takes"][0]
    assert verify(take["text"], Form(**COUPLET), Lexicon()).is_kept
    assert [data for kind, data in events if kind == "line"] == [{"take": 0, **line} for line in take["lines"]]
    assert [(line["num_syllables"], line["failures"]) for line in take["lines"]] == [(8, []), (8, [])]
    assert take["lines"][1]["partner"]["line"] == 1
    assert shown["usage"]["completion_tokens"] > 0


def test_the_next_line_comes_in_ranked_alternatives_that_rhyme(alice: Caller) -> None:
    started, events, shown = written(alice, form=CRAFTED, deed={"kind": "next_line", "line": 2})
    assert (started["placed"]["line"], started["placed"]["num_lines"]) == (3, 1)
    assert 0 < len(shown["takes"]) <= 3
    for take in shown["takes"]:
        assert verify(take["text"], Form(scheme="A", syllables=8, rhymes={"A": ("now",)}), Lexicon()).is_kept
        assert take["lines"][0]["partner"] | {"kind": ""} == {"line": 0, "word": "now", "kind": ""}
    scores = [take["score"] for take in shown["takes"]]
    assert scores == sorted(scores, reverse=True)
    assert [take["score"] for take in events[-1][1]["takes"]] == scores
    assert [kind for kind, _ in events].count("token") == len(shown["takes"])


@pytest.mark.parametrize(("kind", "line", "num_lines"), [("fill", 2, 1), ("rewrite", 2, 1), ("verse", 2, 2)])
def test_each_deed_writes_lines_that_keep_the_form(alice: Caller, kind: str, line: int, num_lines: int) -> None:
    _, _, shown = written(alice, prompt=f"{LYRIC}\nand that is how", deed={"kind": kind, "line": line})
    assert [one["failures"] for one in shown["takes"][0]["lines"]] == [[]] * num_lines


def test_a_verse_from_nothing(alice: Caller) -> None:
    _, _, shown = written(alice, prompt="", deed={"kind": "verse", "line": 1})
    assert verify(shown["takes"][0]["text"], Form(**COUPLET), Lexicon()).is_kept


def test_what_cannot_be_rhymed_with_is_refused_with_offers_that_can_be_kept(alice: Caller) -> None:
    asked = {"voice": TINY, "prompt": "I ate an orange", "form": CRAFTED, "deed": {"kind": "next_line", "line": 1}}
    answer = alice("POST", "/generations", asked)
    if answer.status_code == 201:  # it took longer than a start waits for
        error = follow(alice, answer.json["id"])[-1][2]
    else:
        assert answer.status_code == 422
        error = answer.json["error"]
    assert error["code"] == "impossible_form"
    assert "orange" in error["message"]
    assert error["offers"]
    for offer in error["offers"]:
        _, _, shown = written(alice, **(asked | {"form": offer["form"]}))
        assert all(not line["failures"] for take in shown["takes"] for line in take["lines"])


def test_a_writer_s_own_pronunciation_makes_the_rhyme(alice: Caller) -> None:
    alice("PUT", "/pronunciations/orange", {"like": "storm"})
    _, _, shown = written(alice, prompt="I ate an orange", deed={"kind": "next_line", "line": 1})
    line = shown["takes"][0]["lines"][0]
    assert (line["failures"], line["partner"]["word"]) == ([], "orange")


def test_a_writer_cannot_fill_the_service_with_crafted_texts(alice: Caller) -> None:
    form = {"scheme": "AABBCCDD", "syllables": 8, "mode": "crafted", "alternatives": 2}
    answers = [alice("POST", "/generations", {"voice": TINY, "prompt": LYRIC + "\n", "form": form}) for _ in range(8)]
    begun = [answer.json["id"] for answer in answers if answer.status_code == 201]
    assert begun
    refused = next(answer for answer in answers if answer.status_code != 201)
    assert refused.status_code == 429
    assert "crafted" in refused.json["error"]["message"]
    for generation_id in begun:
        alice("DELETE", f"/generations/{generation_id}")
