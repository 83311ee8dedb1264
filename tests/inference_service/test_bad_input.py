"""Every way to ask wrongly has its status, its code and a sentence; nothing is written for it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from contracts.service_token import issue
from contracts.wire import ErrorBody, ErrorResponse
from tests.inference_service.conftest import SLOW, Serve, Served, eventually, wanted
from tests.services import SECRET


def refused(answer: httpx.Response, status: int, code: str) -> ErrorBody:
    error = ErrorResponse.model_validate_json(answer.content).error
    assert (answer.status_code, error.code) == (status, code), answer.text
    assert error.message
    return error


def raw(served: Served, content: bytes) -> httpx.Response:
    return httpx.post(f"{served.url}/v1/completions", content=content, headers=served.headers(), timeout=30)


def test_it_works(served: Served) -> None:
    error = refused(served.post(temperature=-1), 400, "bad_request")
    assert error.field == "temperature"
    assert error.message == "temperature: Input should be greater than or equal to 0"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 10**9}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"top_p": 0}, "top_p"),
        ({"top_k": -1}, "top_k"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"n": 9}, "n"),
        ({"stop": [""]}, "stop"),
        ({"stop": ["x"] * 9}, "stop"),
        ({"prompt": None}, "prompt"),
        ({"prompt": ["a", "list"]}, "prompt"),
        ({"prompt": "x" * 20_001}, "prompt"),
        ({"prompt": "binary \x00\x01"}, "prompt"),
        ({"model": ""}, "model"),
        ({"logprobs": 5}, "logprobs"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_wrong_field_is_named(served: Served, body: dict[str, Any], field: str, stream: bool) -> None:
    error = refused(served.post(stream=stream, **body), 400, "bad_request")
    assert error.field == field


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(served: Served, number: str) -> None:
    content = json.dumps(wanted()).replace('"seed": 1', f'"temperature": {number}').encode()
    assert refused(raw(served, content), 400, "bad_request").field == "temperature"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b'{"prompt": "\xc3("}', b"[" * 100_000]
)
def test_a_body_that_is_no_json_object_is_refused(served: Served, content: bytes) -> None:
    error = refused(raw(served, content), 400, "bad_request")
    assert error.message.startswith("the body: ")


def test_half_a_surrogate_pair_is_refused(served: Served) -> None:
    content = json.dumps(wanted()).replace("la la", "\\ud800").encode()
    refused(raw(served, content), 400, "bad_request")


def test_a_body_of_a_megabyte_is_refused_unread(served: Served) -> None:
    refused(raw(served, json.dumps(wanted(prompt="x" * 1_000_000)).encode()), 413, "body_too_large")


def test_an_empty_prompt_is_a_fresh_start(served: Served) -> None:
    assert served.write(prompt="").choices[0].text


def test_a_prompt_longer_than_the_context_is_refused_with_the_limit(served: Served) -> None:
    error = refused(served.post(prompt="x" * 5_000), 400, "prompt_too_long")
    assert error.field == "prompt"
    assert "1023" in error.message


def test_an_unknown_voice_is_a_404_and_its_name_cannot_leave_the_bucket(served: Served) -> None:
    assert refused(served.post(model="nobody"), 404, "unknown_voice").field == "model"
    refused(served.post(model="../../etc/passwd"), 404, "unknown_voice")


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/models"])
def test_without_a_good_service_token_there_is_nothing(served: Served, path: str) -> None:
    method = "POST" if path.endswith("completions") else "GET"
    for authorization in (
        None,
        "Bearer",
        "Bearer nonsense",
        f"Basic {issue(SECRET, audience='inference', issuer='x')}",
        f"Bearer {issue('another secret', audience='inference', issuer='x')}",
        f"Bearer {issue(SECRET, audience='web', issuer='x')}",
    ):
        headers = {} if authorization is None else {"Authorization": authorization}
        answer = httpx.request(method, f"{served.url}{path}", headers=headers, content=b"not even json")
        refused(answer, 401, "unauthorised")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_other_paths_and_methods_keep_the_one_error_shape(served: Served) -> None:
    refused(httpx.get(f"{served.url}/nothing"), 404, "not_found")
    refused(httpx.get(f"{served.url}/v1/completions", headers=served.headers()), 405, "method_not_allowed")


def test_a_full_queue_says_when_to_try_again(serve: Serve) -> None:
    served = serve(voices=(SLOW,), inference_num_slots=1, inference_max_waiting=0)
    with served.writing():
        answer = served.post(model=SLOW)
        error = refused(answer, 429, "queue_full")
        assert int(answer.headers["retry-after"]) == error.retry_after_s
        assert error.retry_after_s
    eventually(lambda: served.post(model=SLOW).status_code == 200, "the slot was not freed")


def test_refusals_are_counted_by_code(serve: Serve) -> None:
    served = serve()
    served.post(temperature=-1)
    served.post(model="nobody")
    assert served.metric("refusals_total", code="bad_request") == 1
    assert served.metric("refusals_total", code="unknown_voice") == 1
    assert served.metric("running") == 0
