"""A client that goes away frees its slot at the engine's next step, wherever its request was."""

from __future__ import annotations

import json
import socket

import pytest

from tests.inference_service.conftest import SLOW, Serve, Served, eventually, wanted


def half_open(served: Served, **body: object) -> socket.socket:
    """A connection on which a request was sent and nothing was read."""
    content = json.dumps(wanted(model=SLOW, max_tokens=1000, **body)).encode()
    host, port = served.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    head = f"POST /v1/completions HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(content)}\r\n"
    connection.sendall((head + f"Authorization: {served.headers()['Authorization']}\r\n\r\n").encode() + content)
    return connection


def is_running(served: Served, num: int) -> bool:
    return served.metric("running") == num


def test_it_works(serve: Serve) -> None:
    served = serve(voices=(SLOW,), inference_num_slots=1)
    with served.writing():
        assert is_running(served, 1)
    served.wait_idle()
    assert served.metric("requests_total", outcome="cancelled") == 1
    assert served.metric("tokens_total") < 1000


@pytest.mark.parametrize("stream", [False, True])
def test_a_slot_is_freed_for_the_next(serve: Serve, stream: bool) -> None:
    served = serve(voices=(SLOW,), inference_num_slots=1)
    served.write(model=SLOW)
    connection = half_open(served, stream=stream)
    eventually(lambda: is_running(served, 1), "it did not begin")
    connection.close()
    served.wait_idle()
    assert served.metric("requests_total", outcome="cancelled") == 1
    assert served.write(model=SLOW).choices[0].text


@pytest.mark.parametrize("stream", [False, True])
def test_one_that_leaves_while_it_waits_is_never_begun(serve: Serve, stream: bool) -> None:
    served = serve(voices=(SLOW,), inference_num_slots=1)
    with served.writing():
        connection = half_open(served, stream=stream)
        eventually(lambda: served.metric("waiting") == 1, "it does not wait")
        connection.close()
        eventually(lambda: served.metric("waiting") == 0, "it still waits")
    served.wait_idle()


def test_one_that_leaves_while_its_voice_is_loaded_leaves_the_voice(serve: Serve) -> None:
    served = serve(voices=(SLOW,))
    for _ in range(5):
        half_open(served, stream=True).close()
    assert served.write(model=SLOW).choices[0].text
    served.wait_idle()
    assert served.metric("loads_total", outcome="loaded") == 1


def test_a_waiting_stream_is_kept_open_by_heartbeats(serve: Serve) -> None:
    served = serve(voices=(SLOW,), inference_num_slots=1, heartbeat_s=0.05)
    with served.writing(), served.streaming(model=SLOW) as waiting:
        assert next(waiting.iter_lines()) == ": nothing yet"
