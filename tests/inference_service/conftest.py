"""A real service on a real port, in a thread of this process, over tiny checkpoints in a bucket of its own."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from pydantic import SecretStr
from transformers import LlamaConfig, LlamaForCausalLM

from contracts.service_token import issue
from contracts.settings import Settings
from contracts.wire import Completion
from inference.server import Service, create_app
from tests.patience import until
from tests.services import SECRET, TINY, free_port, make_tiny_checkpoint, publish_directory

PATIENCE_S = 20.0
SLOW = "slow-llama"


def eventually(true: Callable[[], bool], why: str, timeout_s: float = PATIENCE_S) -> None:
    """Return when `true()` is; ask often, and fail with `why`."""
    until(true, timeout_s, why)


@dataclass
class Served:
    """A running service and a client of it."""

    url: str
    service: Service
    home: Path
    client: httpx.Client

    @property
    def bucket(self) -> Path:
        """Its bucket's directory."""
        return self.home / "bucket"

    def headers(self, *, secret: str = SECRET, audience: str = "inference") -> dict[str, str]:
        """A fresh service token."""
        return {"Authorization": f"Bearer {issue(secret, audience=audience, issuer='tests')}"}

    def post(self, **body: Any) -> httpx.Response:
        """`POST /v1/completions`."""
        return self.client.post("/v1/completions", json=wanted(**body), headers=self.headers())

    def write(self, **body: Any) -> Completion:
        """A plain completion."""
        answer = self.post(**body)
        assert answer.status_code == httpx.codes.OK, answer.text
        return Completion.model_validate_json(answer.content)

    @contextmanager
    def streaming(self, **body: Any) -> Iterator[httpx.Response]:
        """An open stream."""
        with (
            httpx.Client(base_url=self.url, timeout=60) as client,
            client.stream(
                "POST", "/v1/completions", json=wanted(stream=True, **body), headers=self.headers()
            ) as answer,
        ):
            yield answer

    @contextmanager
    def writing(self, **body: Any) -> Iterator[Iterator[str]]:
        """The lines of a long stream whose first text has come."""
        with self.streaming(**({"model": SLOW, "max_tokens": 1000} | body)) as answer:
            lines = answer.iter_lines()
            assert any(line.startswith("data: ") for line in lines)
            yield lines

    def voices(self) -> dict[str, dict[str, Any]]:
        """`GET /v1/models`, by name."""
        answer = self.client.get("/v1/models", headers=self.headers())
        assert answer.status_code == httpx.codes.OK, answer.text
        return {card["id"]: card for card in answer.json()["data"]}

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over the series that carry `labels`."""
        page = self.client.get("/metrics").text
        found = re.findall(rf"^ghost_inference_{name}({{[^}}]*}})? (\S+)$", page, re.MULTILINE)
        wanted_labels = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(float(value) for series, value in found if all(label in series for label in wanted_labels))

    def wait_idle(self) -> None:
        """Wait until nothing runs or waits."""
        eventually(lambda: self.metric("running") + self.metric("waiting") == 0, "the slots are still taken")


def make_slow_checkpoint(folder: Path) -> None:
    """A directory with a random Llama that is deep enough to write for seconds."""
    make_tiny_checkpoint(folder)
    config = LlamaConfig.from_pretrained(folder)
    config.num_hidden_layers = 24
    LlamaForCausalLM(config).save_pretrained(folder)


def wanted(**body: Any) -> dict[str, Any]:
    """A request body for the tiny voice."""
    return {"model": TINY, "prompt": "la la", "max_tokens": 8, "seed": 1} | body


def events(answer: httpx.Response) -> list[str]:
    """What stands behind `data: ` in a whole stream."""
    return [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: ")]


def joined(rows: list[str]) -> dict[int, str]:
    """The text of each take of a stream."""
    texts: dict[int, str] = {}
    for row in rows:
        if row != "[DONE]":
            for choice in json.loads(row)["choices"]:
                texts[choice["index"]] = texts.get(choice["index"], "") + choice["text"]
    return texts


Serve = Callable[..., Served]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face directory with a tiny random Llama."""
    folder = tmp_path_factory.mktemp("tiny-service")
    make_tiny_checkpoint(folder)
    return folder


@pytest.fixture(scope="session")
def slow_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face directory with a slow random Llama."""
    folder = tmp_path_factory.mktemp("slow")
    make_slow_checkpoint(folder)
    return folder


@contextmanager
def serving(home: Path, heartbeat_s: float = 10.0, **changes: Any) -> Iterator[Served]:
    """A service over `home`, stopped at the end."""
    settings = Settings(
        ghost_home=home,
        service_secret=SecretStr(SECRET),
        inference_dtype="float32",
        **({"inference_num_slots": 4} | changes),
    )
    app = create_app(settings, heartbeat_s=heartbeat_s)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started, "the server did not start")
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, timeout=60) as client:
            yield Served(url, app.state.service, home, client)
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Iterator[Served]:
    """One service with one voice, shared by a file's tests."""
    home = tmp_path_factory.mktemp("home")
    publish_directory(tiny_folder, home / "bucket", TINY, home)
    with serving(home, inference_preload=TINY) as served:
        eventually(lambda: httpx.get(f"{served.url}/ready").status_code == 200, "it is not ready")
        yield served


@pytest.fixture
def serve(tmp_path: Path, tiny_folder: Path, slow_folder: Path) -> Iterator[Serve]:
    """Services of this test's own: `serve(voices=("a", "b"), inference_num_slots=1)`."""
    with ExitStack() as stack:

        def start(*, voices: tuple[str, ...] = (TINY,), **changes: Any) -> Served:
            for voice in voices:
                folder = slow_folder if voice == SLOW else tiny_folder
                publish_directory(folder, tmp_path / "bucket", voice, tmp_path)
            return stack.enter_context(serving(tmp_path, **changes))

        yield start
