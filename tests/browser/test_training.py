"""From a frozen dataset to a voice that writes, in a real browser, with the real workers and the tiny checkpoint."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from sandbox.bundles import are_fresh, build
from sandbox.postgres import Cluster
from tests.browser.conftest import Visit, Web
from tests.browser.test_datasets import JOB_MS, sign_up, state_rights, until_still
from tests.conftest import TEMPLATE
from tests.services import InferenceService

pytestmark = pytest.mark.browser

LINE = "The {0} keeps a lantern for the tide\nand every {0} has a rope to ride\n"
THINGS = [
    *("harbour", "attic", "engine", "orchard", "ferry", "copper", "winter"),
    *("railway", "candle", "river", "sailor", "mountain", "paper", "window"),
]


@pytest.fixture(scope="module")
def web(postgres: Cluster, inference: InferenceService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A web and both workers on a database of their own, and the bucket that the inference service reads."""
    if not are_fresh():
        build()
    name = f"training_{uuid4().hex}"
    admin = create_engine(postgres.url(), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))
    admin.dispose()
    url = make_url(postgres.url(name)).render_as_string(hide_password=False)
    web = Web(tmp_path_factory.mktemp("training"), url, inference.url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUCKET_URL", f"file://{inference.home / 'bucket'}")
        web.start()
        workers = [_worker(web, kind) for kind in ("cpu", "gpu")]
        yield web
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        for worker in workers:
            worker.wait(30)
        web.stop()


def _worker(web: Web, kind: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "GHOST_HOME": str(web.home),
        "DATABASE_URL": web.database_url,
        "SECRET_KEY": "key of the tests",
        "TRAINING_DEVICE": "cpu",
    }
    log = (web.home / f"worker-{kind}.log").open("ab")
    return subprocess.Popen([sys.executable, "-m", f"worker.{kind}"], env=environment, stdout=log, stderr=log)


@pytest.fixture(scope="module")
def builder(chromium: Browser, web: Web) -> dict[str, Any]:
    """The browser of somebody who has frozen a dataset, and has been told what a training of it takes."""
    visit = Visit(chromium, web)
    page = visit.page
    sign_up(page, "/datasets/new")
    songs = [{"artist": "The Invented", "title": thing, "text": LINE.format(thing) * 4} for thing in THINGS]
    page.locator("#dataset-name").fill("Harbour songs")
    with page.expect_file_chooser() as chooser:
        page.locator("#upload-choose").click()
    lines = "\n".join(json.dumps(song) for song in songs)
    chooser.value.set_files([{"name": "songs.jsonl", "mimeType": "application/json", "buffer": lines.encode()}])
    expect(page.locator("#trainable")).to_contain_text(f"of {len(THINGS)} songs", timeout=JOB_MS)
    until_still(page)
    page.locator("#to-versions").click()
    expect(page.locator("#train")).to_be_disabled()
    page.locator("#to-rights").click()
    state_rights(page, "mine")
    expect(page.locator("#rights-count-unknown")).to_contain_text("0")
    page.locator("#to-versions").click()
    page.locator("#freeze").click()
    expect(page.locator("#version-1")).to_be_visible(timeout=JOB_MS)
    page.locator("#train-1").click()
    expect(page.locator("#quote .job, #quote-minutes").first).to_be_visible()
    expect(page.locator("#quote-minutes")).to_be_visible(timeout=JOB_MS)
    state: dict[str, Any] = dict(visit.context.storage_state()) | {"address": page.url}
    assert visit.complaints == []
    visit.context.close()
    return state


@pytest.fixture
def visit(chromium: Browser, web: Web, builder: dict[str, Any]) -> Iterator[Visit]:
    """The builder, back at the form."""
    visit = Visit(chromium, web)
    visit.context.add_cookies(builder["cookies"])
    visit.page.goto(builder["address"])
    expect(visit.page.locator("#quote-minutes")).to_be_visible()
    yield visit
    visit.context.close()
    assert visit.offsite == []
    assert visit.complaints == []


def begin(page: Page, title: str, epochs: int) -> None:
    """Ask for a training of so many passes, once the quote is for them."""
    page.locator("#train-advanced").click()
    page.locator("#advanced-epochs").fill(str(epochs))
    expect(page.locator("#quote")).to_contain_text(f"{epochs} times through the songs")
    page.locator("#train-title").fill(title)
    expect(page.locator("#advanced-lora_rank")).to_have_attribute("placeholder", "8")
    expect(page.locator("#train-start")).to_be_enabled()
    page.locator("#train-start").click()
    expect(page.locator("#run-words")).to_be_visible()
    expect(page).to_have_title(re.compile(title))


def test_it_works(visit: Visit) -> None:
    """Quote, train, watch, publish, write."""
    page = visit.page
    quoted = page.locator("#quote")
    expect(quoted).to_contain_text("4 times through the songs")
    expect(page.locator("#train-title")).not_to_have_value("")  # the dataset's name
    page.locator("#train-title").fill("")
    expect(page.locator("#train-start")).to_be_disabled()
    expect(page.locator("#train-why")).to_have_text("Give the voice a title.")
    page.locator("#train-effort label", has_text="Thorough").click()
    expect(quoted).to_contain_text("12 times through the songs")
    expect(page.locator("#train-effort label", has_text="Standard")).to_contain_text("$")
    page.locator("#train-effort label", has_text="Quick").click()
    expect(quoted).to_contain_text("4 times through the songs")
    begin(page, "Harbour", epochs=25)

    step = page.locator("#run-loss-words")
    expect(step).to_contain_text("in training", timeout=JOB_MS)
    seen = step.inner_text()
    expect(step).not_to_have_text(seen, timeout=JOB_MS)  # the curve moves
    expect(page.locator("#run-loss .scatterlayer .trace").first).to_be_attached()
    page.reload()
    expect(page.locator("#run-loss-words")).to_contain_text("in training")
    page.locator("#crumb-runs").click()
    page.locator("#run-list .row-link").click()
    expect(page.locator("#run-words")).to_have_text("Done.", timeout=JOB_MS)
    expect(page.locator("#run-samples .sample").first).to_be_visible()
    expect(page.locator("#run-fact-price")).to_contain_text("charged")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.post_data or ""))
    page.wait_for_timeout(2_500)
    assert not any("run-poll" in body for body in asked)  # what is over is not asked for again

    page.locator("#run-voice").click()
    expect(page.locator("#measure-bits_per_byte td")).to_have_count(2)
    expect(page.locator("#voice-rights")).to_have_text(f"{len(THINGS)} mine")
    if page.locator("#voice-reason").is_visible():
        page.locator("#voice-publish").click()
        expect(page.locator("#voice-refusal")).to_contain_text("with a reason")
        page.locator("#voice-reason").fill("It is only thirty thousand numbers.")
    page.locator("#voice-publish").click()
    expect(page.locator("#voice-state")).to_contain_text("Live")
    page.locator("#voice-write").click()
    expect(page).to_have_url(re.compile(r"/\?voice="))
    expect(page.locator("#voice-title")).to_have_text("Harbour v1")
    page.locator("#seed").fill("A lantern on the harbour wall")
    page.locator("#seed").press("Enter")
    expect(page.locator('.take[data-state="done"]')).to_have_count(2, timeout=JOB_MS)
    expect(page.locator("#voice-line")).to_have_text(re.compile(r"Harbour v1, loaded in [\d,]+ ms"))
    page.reload()
    expect(page.locator("#voice-title")).to_have_text("Harbour v1")


def test_a_training_is_cancelled_cloned_and_deleted(visit: Visit, web: Web, chromium: Browser) -> None:
    page = visit.page
    begin(page, "Nightboat", epochs=50)
    address = page.url
    page.locator("#run-cancel").click()
    expect(page.locator("#run-words")).to_have_text("Cancelled.", timeout=JOB_MS)
    expect(page.locator("#run-resume")).to_be_visible()
    page.locator("#run-again").click()
    expect(page.locator("#advanced-epochs")).to_have_value("50")
    expect(page.locator("#train-title")).to_have_value("Nightboat")

    stranger = Visit(chromium, web)
    sign_up(stranger.page, "/voices")
    expect(stranger.page.locator("#voices-balance")).to_contain_text("0 of 3 voices")
    for path in (address, address.replace("/runs/", "/voices/"), f"{address}/again"):
        answer = stranger.page.goto(path)
        assert answer
        assert answer.status == 404
    stranger.context.close()

    page.goto("/runs")
    row = page.locator("#run-list .row", has_text="Nightboat v1")
    row.get_by_label("Compare Nightboat v1").check()
    expect(page.locator("#runs-compared")).to_contain_text("Side by side")
    row.locator("summary").click()
    row.get_by_role("button", name="Delete Nightboat v1").click()
    expect(row).to_have_count(0)


@pytest.mark.parametrize("path", ["/train", "/runs", "/voices"])
def test_on_a_phone_nothing_is_wider_than_the_screen(
    chromium: Browser, web: Web, builder: dict[str, Any], path: str
) -> None:
    phone = Visit(chromium, web, width=390, height=844)
    phone.context.add_cookies(builder["cookies"])
    page = phone.page
    page.goto(path)
    expect(page.locator("#builder h1")).to_be_visible()
    page.locator("#rooms-open").click()
    expect(page.locator("#voices-link")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    phone.context.close()
    assert phone.complaints == []
