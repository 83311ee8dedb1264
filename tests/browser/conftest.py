"""A real gunicorn before a real Postgres and a real inference service, and a headless Chromium in front of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from contracts.service_token import issue
from sandbox.bundles import are_fresh, build
from sandbox.chromium import find
from sandbox.postgres import Cluster
from tests.conftest import TEMPLATE
from tests.services import SECRET, TINY, InferenceService, free_port

START_S = 120.0
GUEST_TOKENS = 1_000
"""Less than the longest text in four takes asks for, so that one walk can spend it at once."""
PATIENCE_MS = 20_000
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Web:
    """The web process; `start` and `kill` as often as you like."""

    home: Path
    database_url: str
    inference_url: str
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What the browser types."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        environment = os.environ | {
            "GHOST_HOME": str(self.home),
            "DATABASE_URL": self.database_url,
            "SECRET_KEY": "key of the tests",
            "SERVICE_SECRET": SECRET,
            "INFERENCE_URL": self.inference_url,
            "PORT": str(self.port),
            "WEB_THREADS": "32",
            "GUEST_TOKENS": str(GUEST_TOKENS),
        }
        log = (self.home / "web.log").open("ab")
        command = [sys.executable, "-m", "gunicorn", "-c", "app/gunicorn.py", "wsgi:app"]
        self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.home / "web.log").read_text()[-3000:])
            time.sleep(0.2)

    def kill(self) -> None:
        """End it as the kernel would for want of memory."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """End it in peace."""
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=1).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False


@pytest.fixture(scope="package")
def web(postgres: Cluster, inference: InferenceService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """The web on a database of its own."""
    if not are_fresh():
        build()
    name = f"browser_{uuid4().hex}"
    admin = create_engine(postgres.url(), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))
    admin.dispose()
    url = make_url(postgres.url(name)).render_as_string(hide_password=False)
    web = Web(tmp_path_factory.mktemp("web"), url, inference.url)
    web.start()
    yield web
    web.stop()


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One browser for all walks. Gone after them: while it lives, no other test of this process may run async code."""
    expect.set_options(timeout=PATIENCE_MS)
    path = find()
    if path is None:
        pytest.skip("there is no Chromium here; `make test` installs one where it can")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()


class Brake:
    """Lets a process run a few milliseconds of every fifty, so that a walk can meet a tiny voice in mid-word."""

    RUN_S, REST_S = 0.008, 0.05

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._pulse)
        self._thread.start()

    def hold(self) -> None:
        """From now on it does not run at all."""
        self._released.set()
        self._thread.join()
        os.kill(self._pid, signal.SIGSTOP)

    def release(self) -> None:
        """It runs as it likes again, unless it is dead by now."""
        self._released.set()
        self._thread.join()
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGCONT)

    def _pulse(self) -> None:
        with suppress(ProcessLookupError):
            while not self._released.is_set():
                os.kill(self._pid, signal.SIGSTOP)
                self._released.wait(self.REST_S)
                os.kill(self._pid, signal.SIGCONT)
                self._released.wait(self.RUN_S)


@pytest.fixture
def brake(inference: InferenceService) -> Iterator[Brake]:
    """The voice crawls until the walk holds or releases it."""
    assert inference.process
    awake = {"model": TINY, "prompt": "la la", "max_tokens": 1}  # to load it takes longer than a braked walk waits
    token = issue(SECRET, audience="inference", issuer="tests")
    asked = httpx.post(
        f"{inference.url}/v1/completions", json=awake, headers={"Authorization": f"Bearer {token}"}, timeout=START_S
    )
    assert asked.is_success, asked.text
    brake = Brake(inference.process.pid)
    yield brake
    brake.release()


class Visit:
    """One person's browser. Remembers what must never happen: requests to elsewhere, and errors on the console."""

    def __init__(self, chromium: Browser, web: Web, *, width: int = 1280, height: int = 800) -> None:
        self.web = web
        self.context: BrowserContext = chromium.new_context(
            base_url=web.url, viewport={"width": width, "height": height}, reduced_motion="reduce"
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.offsite: list[str] = []
        self.complaints: list[str] = []
        self.page = self.open_page()

    def open_page(self) -> Page:
        """A further window of the same person."""
        page = self.context.new_page()
        page.on("request", self._watch_request)
        page.on("console", self._watch_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def _watch_request(self, request: Request) -> None:
        if not request.url.startswith((self.web.url + "/", "data:", "blob:")):
            self.offsite.append(request.url)

    def _watch_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)


@pytest.fixture
def visit(chromium: Browser, web: Web) -> Iterator[Visit]:
    """A new visitor with a desktop window; a walk that provokes errors clears `complaints` itself."""
    visit = Visit(chromium, web)
    yield visit
    visit.context.close()
    assert visit.offsite == []
    assert visit.complaints == []


@pytest.fixture
def phone(chromium: Browser, web: Web) -> Iterator[Visit]:
    """A new visitor with a phone."""
    visit = Visit(chromium, web, width=390, height=844)
    yield visit
    visit.context.close()
    assert visit.offsite == []
    assert visit.complaints == []
