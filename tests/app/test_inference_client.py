"""The client of the inference service, against a real HTTP server that says what a test wants said."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from app.errors import AppError, TooMany
from app.inference_client import InferenceClient, VoiceLost, VoicesAway
from contracts.settings import Settings
from contracts.wire import Choice, Completion, CompletionRequest, ErrorBody, ErrorResponse, Offer
from tests.app.conftest import closed_port

REQUEST = CompletionRequest(model="tiny", prompt="x")


def row(text: str) -> bytes:
    piece = Completion(id="1", created=0, model="tiny", choices=[Choice(index=0, text=text)])
    return b"data: " + piece.model_dump_json().encode() + b"\n\n"


class Speaker(ThreadingHTTPServer):
    """Answers every POST with `status` and `body`, then closes."""

    status = 200
    body = b""


class _Answer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Speaker)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def speaker() -> Iterator[Speaker]:
    server = Speaker(("127.0.0.1", 0), _Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def read(port: int) -> list[str]:
    async def go() -> list[str]:
        client = InferenceClient(Settings(service_secret="s", inference_url=f"http://127.0.0.1:{port}"))
        try:
            return [piece.choices[0].text async for piece in client.stream(REQUEST)]
        finally:
            await client.close()

    return asyncio.run(go())


def test_it_works(speaker: Speaker) -> None:
    speaker.body = row("one ") + b": nothing yet\n\n" + row("two") + b"data: [DONE]\n\n"
    assert read(speaker.server_port) == ["one ", "two"]


def test_characters_that_some_call_line_ends_stay_in_the_text(speaker: Speaker) -> None:
    odd = "a\u2028b\u0085c\x1cd\x0be\r\nf"
    speaker.body = row(odd) + b"data: [DONE]\n\n"
    assert read(speaker.server_port) == [odd]


def test_a_stream_without_its_end_is_a_lost_voice(speaker: Speaker) -> None:
    speaker.body = row("one")
    with pytest.raises(VoiceLost):
        read(speaker.server_port)


def test_an_error_in_mid_stream_is_a_lost_voice(speaker: Speaker) -> None:
    error = ErrorResponse(error=ErrorBody(code="engine_failed", message="it broke"))
    speaker.body = row("one") + b"data: " + error.model_dump_json().encode() + b"\n\n"
    with pytest.raises(VoiceLost):
        read(speaker.server_port)


@pytest.mark.parametrize("code", ["impossible_form", "dead_end"])
def test_what_became_of_a_form_is_told_even_in_mid_stream(speaker: Speaker, code: str) -> None:
    offer = Offer(words="near rhymes", form={"scheme": "AA", "strictness": "near"})
    error = ErrorResponse(error=ErrorBody(code=code, message="no line came of it: ask for less", offers=[offer]))
    speaker.body = row("one") + b"data: " + error.model_dump_json().encode() + b"\n\n"
    with pytest.raises(AppError) as told:
        read(speaker.server_port)
    assert (told.value.name, told.value.offers) == (code, [offer])
    assert told.value.message == "No line came of it: ask for less. Nothing was charged."


def test_a_full_queue_keeps_its_words(speaker: Speaker) -> None:
    error = ErrorResponse(error=ErrorBody(code="queue_full", message="the queue is full", retry_after_s=7))
    speaker.status, speaker.body = 429, error.model_dump_json().encode()
    with pytest.raises(TooMany) as refused:
        read(speaker.server_port)
    assert (refused.value.name, refused.value.message, refused.value.retry_after_s) == (
        "queue_full",
        "the queue is full",
        7,
    )


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}"])
def test_an_answer_in_no_known_words_is_still_an_expected_error(speaker: Speaker, body: bytes) -> None:
    speaker.status, speaker.body = 502, body
    with pytest.raises(AppError):
        read(speaker.server_port)


def test_nobody_there() -> None:
    with pytest.raises(VoicesAway):
        read(closed_port())
