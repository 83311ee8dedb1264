"""Forms over HTTP: lines with evidence, refusals with offers, and nothing that a hostile form can break."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from contracts.wire import ErrorBody, ErrorResponse
from lyrics.originality import OriginalityIndex
from tests.inference_service.conftest import SLOW, Serve, Served, events, eventually, joined
from tests.inference_service.test_leaving import half_open, is_running

LOW = "Midnight on the corner and the neon's running low\n"
COUPLET = {"scheme": "AA", "syllables": 6}


def refused(answer: httpx.Response, status: int, code: str) -> ErrorBody:
    error = ErrorResponse.model_validate_json(answer.content).error
    assert (answer.status_code, error.code) == (status, code), answer.text
    assert error.message
    return error


def test_it_works(served: Served) -> None:
    kept = served.metric("form_lines_total", verdict="kept")
    written = served.write(prompt=LOW, form=COUPLET, n=2)
    for choice in written.choices:
        assert choice.finish_reason == "stop"
        assert [line.number for line in choice.lines] == [1, 2]
        assert [line.num_syllables for line in choice.lines] == [6, 6]
        assert [line.text for line in choice.lines] == choice.text.split("\n")
        assert not any(line.failures for line in choice.lines)
        assert choice.lines[1].partner is not None
        assert choice.lines[1].partner.line == 1
    assert served.metric("form_lines_total", verdict="kept") == kept + 4
    assert served.metric("form_lines_total", verdict="flagged") == 0


def test_a_stream_brings_the_evidence_with_the_line_that_ends(served: Served) -> None:
    whole = served.write(prompt=LOW, form=COUPLET, seed=9)
    with served.streaming(prompt=LOW, form=COUPLET, seed=9) as answer:
        rows = events(answer)
    assert joined(rows) == {0: whole.choices[0].text}
    lines = [line for row in rows[:-1] for choice in json.loads(row)["choices"] for line in choice["lines"]]
    assert [line["number"] for line in lines] == [1, 2]


@pytest.mark.parametrize("stream", [False, True])
def test_crafted_lines_come_whole_ranked_and_distinct(served: Served, stream: bool) -> None:
    form = {"scheme": "A", "rhymes": {"A": ["low"]}, "syllables": 7, "mode": "crafted", "alternatives": 3}
    if stream:
        with served.streaming(prompt=LOW, form=form) as answer:
            texts = joined(events(answer))
    else:
        choices = served.write(prompt=LOW, form=form).choices
        texts = {choice.index: choice.text for choice in choices}
        scores = [choice.score for choice in choices if choice.score is not None]
        assert scores[0] == max(scores)
        assert all(line.partner and line.partner.word == "low" for choice in choices for line in choice.lines)
    assert len(set(texts.values())) == len(texts) == 3


def test_a_line_that_the_judge_flags_is_shown_and_counted(served: Served) -> None:
    """A half-typed near copy: the decoder follows runs of words, the judge also hears likeness."""
    OriginalityIndex.build(["running through the fire with a knife in my hand"], "old").save(
        served.home / "indexes/old"
    )
    before = served.metric("form_flags_total", rule="near-duplicate")
    form = {"scheme": "X", "syllables": 12, "originality": {"dataset": "old", "n": 8}}
    prompt = "Runnin thru the fire with the knife in my "
    flagged = [
        failure.rule
        for seed in range(4)
        for line in served.write(prompt=prompt, form=form, seed=seed).choices[0].lines
        for failure in line.failures
    ]
    assert set(flagged) == {"near-duplicate"}
    assert served.metric("form_flags_total", rule="near-duplicate") == before + len(flagged)


@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_is_refused_with_offers(served: Served, stream: bool) -> None:
    asked = {"scheme": "A", "rhymes": {"A": ["orange"]}, "syllables": 8}
    error = refused(served.post(prompt=LOW, form=asked, stream=stream), 422, "impossible_form")
    assert "orange" in error.message
    assert error.field == "form"
    assert error.offers
    for offer in error.offers:
        for line in served.write(prompt=LOW, form=offer.form).choices[0].lines:
            assert not line.failures, offer.words


@pytest.mark.parametrize(
    "form",
    [
        [],
        "AABB",
        {"scheme": ""},
        {"scheme": "A" * 65},
        {"scheme": "A" * 100_000},
        {"scheme": "ÄÄ"},
        {"scheme": 7},
        {"scheme": None},
        {"scheme": "AA", "syllables": 0},
        {"scheme": "AA", "syllables": 25},
        {"scheme": "AA", "syllables": -(10**30)},
        {"scheme": "AA", "syllables": 10**400},
        {"scheme": "AA", "syllables": [4]},
        {"scheme": "AA", "syllables": {"min": 9, "max": 3}},
        {"scheme": "AA", "syllables": {"min": 1, "max": 3, "mean": 2}},
        {"scheme": "AA", "strictness": "multi:99"},
        {"scheme": "AA", "strictness": "multi:2\n"},
        {"scheme": "AA", "metre": "x" * 25},
        {"scheme": "AA", "metre": "x/x/\n"},
        {"scheme": "AA", "metre": "jazz"},
        {"scheme": "AA", "metre": "x/x/", "syllables": 9},
        {"scheme": "AA", "include": ["x" * 49]},
        {"scheme": "AA", "include": ["moon"] * 33},
        {"scheme": "AA", "include": [""]},
        {"scheme": "AA", "include": "moon"},
        {"scheme": "AA", "include": ["moon"], "exclude": ["Moon!"]},
        {"scheme": "AA", "rhymes": {"B": ["moon"]}},
        {"scheme": "AX", "rhymes": {"X": ["moon"]}},
        {"scheme": "AA", "rhymes": {"A": {"B": ["moon"]}}},
        {"scheme": "AA", "mode": "slow"},
        {"scheme": "AA", "alternatives": 99, "mode": "crafted"},
        {"scheme": "AA", "originality": {"dataset": "nobody's"}},
        {"scheme": "AA", "originality": {"dataset": "../../../etc"}},
        {"scheme": "AA", "originality": {"dataset": "/etc"}},
        {"scheme": "AA", "originality": {"dataset": "a\u0000b"}},
        {"scheme": "AA", "originality": {"dataset": "."}},
        {"scheme": "AA", "originality": {"dataset": "old", "n": 99}},
        {"scheme": "AA", "unknown": 1},
        {"scheme": "AA", "include": {"a": {"b": {"c": [[[[]]]]}}}},
    ],
    ids=lambda form: str(form)[:60],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_form_that_cannot_be_read_is_refused(served: Served, form: Any, stream: bool) -> None:
    answer = served.post(form=form, stream=stream)
    error = ErrorResponse.model_validate_json(answer.content).error
    assert (answer.status_code, error.code) in ((400, "bad_form"), (400, "bad_request")), answer.text
    assert (error.field or "").startswith("form")
    assert len(error.message) < 2_000


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"scheme": "A" * 64, "syllables": 24},
        {"scheme": "ABCDEFGHIJKLMNOPQRSTUVWYZ" * 2, "syllables": 24, "metre": "anapaestic"},
        {"scheme": "A" * 64, "strictness": "multi:4", "syllables": 24},
        {"scheme": "A" * 64, "internal_rhyme": True, "syllables": {"min": 1, "max": 24}, "metre": "anapaestic"},
        {"scheme": "A" * 64, "internal_rhyme": True, "strictness": "assonance"},
        {"scheme": "AA", "include": [f"word{n}" for n in range(32)]},
        {"scheme": "AA", "include": ["moon river " * 4] * 32},
        {"scheme": "AA", "include": ["\u0000\u0007", "\u202e", "🌙", "½", "Ⅷ", "١٢٣"]},
        {"scheme": "AA", "include": ["9" * 48]},
        {"scheme": "AA", "include": ["'" * 48, "a\nb", "a\rb", "\u2028"]},
        {"scheme": "AA", "exclude": ["", "..."]},
        {"scheme": "AA", "exclude": ["...", "\u0000", "🌙"]},
        {"scheme": "AA", "exclude": ["the", "a", "i"] * 10},
        {"scheme": "A", "rhymes": {"A": ["xqzt"] * 500}},
        {"scheme": "A", "rhymes": {"A": ["", "..."]}},
        {"scheme": "A", "rhymes": {"A": ["🌙"]}},
        {"scheme": "A", "rhymes": {"A": []}},
        {"scheme": "A", "rhymes": {"A": ["night", "love", "moon"]}},
        {"scheme": "AA", "syllables": True},
        {"scheme": "AA", "syllables": 6.0},
    ],
    ids=lambda form: str(form)[:60],
)
def test_a_hostile_form_is_kept_or_refused_in_time(served: Served, form: Any) -> None:
    answer = served.post(prompt=LOW, form=form)
    assert answer.status_code in (200, 400, 422, 429), answer.text
    assert answer.elapsed.total_seconds() < 15
    if answer.status_code == httpx.codes.OK:
        (choice,) = answer.json()["choices"]
        whole = choice["lines"][:-1] if choice["finish_reason"] == "length" else choice["lines"]
        assert not [line["failures"] for line in whole if line["failures"]]


@pytest.mark.parametrize(
    "pronunciations",
    [
        {"moon": "M OO N"},
        {"moon": ""},
        {"moon": "K S T"},
        {"moon": "🌙"},
        {"": "M UW1 N"},
        {"...": "M UW1 N"},
        {"\u0000": "M UW1 N"},
        {"moon": "M UW1 N " * 2_000},
        {"moon river\nroad": "M UW1 N"},
        {f"word{n}": "W ER1 D" for n in range(501)},
        {"moon": None},
        [],
    ],
    ids=lambda given: str(given)[:40],
)
def test_hostile_pronunciations_are_refused_or_of_no_account(served: Served, pronunciations: Any) -> None:
    answer = served.post(prompt=LOW, form=COUPLET, pronunciations=pronunciations)
    assert answer.status_code in (200, 400, 422), answer.text


@pytest.mark.parametrize(
    "prompt", ["#", "[", "[Verse", "'", "''''", "\u2028", "a\rb", "🌙", "ﬁre on the ro", "x" * 700, "'" * 500 + " mo"]
)
def test_any_prompt_may_be_gone_on_from(served: Served, prompt: str) -> None:
    for mode in ("fast", "crafted"):
        form = COUPLET | {"mode": mode, "alternatives": 1, "syllables": {"min": 4, "max": 9}}
        answer = served.post(prompt=prompt, form=form)
        assert answer.status_code in (200, 422), answer.text


def test_a_form_that_waits_for_nobody_is_let_go(serve: Serve) -> None:
    served = serve(voices=(SLOW,), inference_num_slots=2)
    form = {"scheme": "AABB" * 4, "syllables": 16, "mode": "crafted", "alternatives": 2}
    connection = half_open(served, stream=True, form=form)
    eventually(lambda: is_running(served, 2), "it did not begin")
    connection.close()
    served.wait_idle()
    eventually(lambda: served.metric("requests_total", outcome="cancelled") == 1, "it is not counted as cancelled")
    assert served.write(model=SLOW, form={"scheme": "X", "syllables": 3}).choices[0].text


def test_a_crafted_stream_that_is_left_in_the_middle_frees_its_slots(serve: Serve) -> None:
    served = serve(voices=(SLOW,), inference_num_slots=8)
    form = {"scheme": "AABB" * 4, "syllables": 6, "mode": "crafted", "alternatives": 2}
    with served.writing(form=form):
        pass
    served.wait_idle()
    assert served.metric("requests_total", outcome="cancelled") == 1
