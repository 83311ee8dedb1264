"""The process itself: how it starts, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from contracts.service_token import issue
from tests.services import SECRET, TINY, InferenceService, publish_directory


@pytest.fixture
def process(tmp_path: Path, tiny_folder: Path) -> Iterator[InferenceService]:
    """`python -m inference` with the tiny voice, loaded."""
    publish_directory(tiny_folder, tmp_path / "bucket", TINY, tmp_path)
    service = InferenceService(tmp_path, {"INFERENCE_PRELOAD": TINY, "INFERENCE_MAX_LEN": "2048"})
    service.start()
    yield service
    service.kill()


def start(home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to fail."""
    return subprocess.run(
        [sys.executable, "-m", "inference"],
        env=os.environ | {"GHOST_HOME": str(home)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_it_works(process: InferenceService) -> None:
    headers = {"Authorization": f"Bearer {issue(SECRET, audience='inference', issuer='tests')}"}
    body = {"model": TINY, "prompt": "a secret line", "max_tokens": 4}
    assert httpx.post(f"{process.url}/v1/completions", json=body, headers=headers).status_code == 200
    lines = [json.loads(line) for line in (process.home / "inference.log").read_text().splitlines()]
    events = [line["event"] for line in lines]
    assert {"listening", "checkpoint_loading", "checkpoint_loaded", "completion"} <= set(events)
    (completion,) = [line for line in lines if line["event"] == "completion"]
    assert (completion["voice"], completion["tokens"], completion["outcome"]) == (TINY, 4, "finished")
    assert completion["ttft_s"] > 0
    assert "secret line" not in (process.home / "inference.log").read_text()


def test_sigterm_lets_texts_end_and_ends_within_ten_seconds(process: InferenceService) -> None:
    headers = {"Authorization": f"Bearer {issue(SECRET, audience='inference', issuer='tests')}"}
    body = {"model": TINY, "prompt": "la", "max_tokens": 1024, "stream": True, "n": 8}
    assert process.process is not None
    with httpx.stream("POST", f"{process.url}/v1/completions", json=body, headers=headers, timeout=30) as answer:
        lines = answer.iter_lines()
        next(lines)
        began = time.monotonic()
        process.process.send_signal(signal.SIGTERM)
        assert [line for line in lines if line][-1] == "data: [DONE]"
    process.process.wait(timeout=10)
    assert time.monotonic() - began < 10
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{process.url}/health")


def test_without_a_service_secret_it_says_so(tmp_path: Path) -> None:
    done = start(tmp_path, SERVICE_SECRET="")
    assert done.returncode == 2
    assert done.stderr.startswith("SERVICE_SECRET is not set: ")


def test_a_taken_port_is_a_clear_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = start(tmp_path, SERVICE_SECRET="s", INFERENCE_PORT=str(port))
    assert done.returncode == 1
    assert f"port {port} of 127.0.0.1 cannot be had" in done.stderr
    assert "INFERENCE_PORT" in done.stderr
