"""The builder's walk in a real browser, with a real worker and stand-ins of Spotify, Genius and LRCLIB."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from sandbox.bundles import are_fresh, build
from sandbox.postgres import Cluster
from sandbox.standins.desk import SERVICES, Desk, Knobs
from sandbox.standins.server import serving
from tests.browser.conftest import Visit, Web
from tests.conftest import TEMPLATE
from tests.services import free_port

pytestmark = pytest.mark.browser

LATENCY_MS = 60.0
"""Of every answer of a stand-in: long enough to leave in mid-import."""
JOB_MS = 120_000
WORDS = """Lantern on the harbour wall
Turning while the evening fall
Every rope and every bell
Has a story it won't tell
"""


@pytest.fixture(scope="module")
def web(postgres: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A web, a worker and stand-ins on a database of their own; no voice is needed here."""
    if not are_fresh():
        build()
    name = f"builder_{uuid4().hex}"
    admin = create_engine(postgres.url(), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))
    admin.dispose()
    home = tmp_path_factory.mktemp("builder")
    url = make_url(postgres.url(name)).render_as_string(hide_password=False)
    web = Web(home, url, f"http://127.0.0.1:{free_port()}")
    desk = Desk(dict.fromkeys(SERVICES, Knobs(latency_ms=LATENCY_MS)))
    with pytest.MonkeyPatch.context() as patch, serving(desk) as addresses:
        for key, value in addresses.environment.items():
            patch.setenv(key, value)
        web.start()
        worker = _worker(web)
        yield web
        worker.send_signal(signal.SIGTERM)
        worker.wait(30)
        web.stop()


def _worker(web: Web) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "GHOST_HOME": str(web.home),
        "DATABASE_URL": web.database_url,
        "SECRET_KEY": "key of the tests",
    }
    log = (web.home / "worker.log").open("ab")
    return subprocess.Popen([sys.executable, "-m", "worker.cpu"], env=environment, stdout=log, stderr=log)


def sign_up(page: Page, next_path: str = "/datasets") -> str:
    """Be a new builder, on a page."""
    email = f"{uuid4().hex}@example.org"
    page.goto(f"/signup?next={next_path}")
    page.locator("#email").fill(email)
    page.locator("#password").fill("seven quiet harbours")
    page.locator("#submit").click()
    expect(page.locator("#builder h1").first).to_be_attached()
    return email


def until_still(page: Page) -> None:
    """Until no job is at work on the dataset that is open."""
    expect(page.locator("#progress .states")).to_be_visible()
    expect(page.locator('#progress .job:not([data-state="failed"])')).to_have_count(0, timeout=JOB_MS)


def paste_songs(page: Page, *titles: str, name: str = "Pasted") -> None:
    """A dataset of one's own words, by the page of new datasets."""
    for number, title in enumerate(titles):
        if number:
            page.locator("#add-songs").click()
        else:
            page.locator("#dataset-name").fill(name)
        page.locator("#paste-artist").fill("The Invented")
        page.locator("#paste-title").fill(title)
        page.locator("#paste-text").fill(f"{title} is where we begin\nThe {title} keeps the evening in\n{WORDS}")
        page.locator("#import-paste").click()
        expect(page.locator("#trainable")).to_contain_text(f"of {number + 1} song", timeout=JOB_MS)
        page.reload()
        until_still(page)


def state_rights(page: Page, kind: str, note: str = "") -> None:
    """Say by what right the chosen songs are used."""
    page.locator("#rights-kind").select_option(kind)
    page.locator("#rights-note").fill(note)
    page.locator("#rights-attest").check()
    page.locator("#rights-apply").click()


def test_it_works(visit: Visit, tmp_path: Path) -> None:
    """From a linked Spotify account to two frozen versions."""
    page = visit.page
    sign_up(page)
    expect(page.locator("#way-playlist")).to_contain_text("Sandbox")
    page.locator("#spotify-link").click()
    page.get_by_role("button", name="Agree as Bea Builder").click()
    page.locator("#playlist-chosen").select_option(label="Lantern Hour (100 songs)")
    expect(page.locator("#playlist-link")).not_to_have_value("")
    page.locator("#import-playlist").click()

    expect(page.locator("#progress .job-words")).to_contain_text("of 100")
    expect(page.locator("#songs-count")).to_have_text("100 songs")
    address = page.url
    page.locator("#crumb-datasets").click()
    page.locator("#dataset-list .row-link").click()
    expect(page).to_have_url(address)
    expect(page.locator("#rename")).to_have_value("Lantern Hour")
    until_still(page)
    expect(page.locator("#legend")).to_contain_text("found")
    expect(page.locator("#legend")).not_to_contain_text("waiting")

    page.locator("#songs-state").select_option("all")
    expect(page.locator("#songs-count")).to_have_text("100 songs")
    page.keyboard.press("n")
    expect(page.locator("#review h2")).to_be_visible()
    page.locator("#to-rights").click()
    state_rights(page, "mine")
    expect(page.locator("#rights-count-unknown")).to_contain_text("0")

    page.locator("#to-versions").click()
    page.locator("#freeze").click()
    expect(page.locator("#version-1")).to_be_visible(timeout=JOB_MS)
    page.locator("#to-songs").click()
    page.locator("#songs-state").select_option("trainable")
    expect(page.locator("#songs .ag-row").first).to_contain_text("Found")
    page.keyboard.press("n")
    expect(page.locator("#review-drop")).to_be_enabled()
    dropped = page.locator("#review h2").inner_text()
    page.keyboard.press("d")
    expect(page.locator("#why-not")).to_contain_text("1 dropped")
    page.locator("#to-versions").click()
    expect(page.locator("#freeze")).to_contain_text("version 2")
    page.locator("#freeze").click()
    expect(page.locator("#compare-removed")).to_contain_text(dropped, timeout=JOB_MS)
    assert page.locator("#hash-1").inner_text() != page.locator("#hash-2").inner_text()

    with page.expect_download() as download:
        page.locator("#download-1-zip").click()
    download.value.save_as(tmp_path / "v1.zip")
    with zipfile.ZipFile(BytesIO((tmp_path / "v1.zip").read_bytes())) as archive:
        assert any("manifest" in name for name in archive.namelist())
    page.locator("#to-statistics").click()
    expect(page.locator("#statistics-of")).to_have_text("Version 2 against version 1.")
    expect(page.locator("#plot-syllables .bars").first).to_be_visible()
    page.locator("#to-versions").click()
    page.locator("#version-1 button", has_text="Roll back").click()
    expect(page.locator("#version-note")).to_contain_text("1 song put back")
    visit.complaints = [words for words in visit.complaints if "404" not in words]  # the stand-in has no icon
    visit.offsite = [url for url in visit.offsite if "/spotify/accounts/" not in url]


def test_an_editorial_link_is_refused_at_once(visit: Visit) -> None:
    page = visit.page
    sign_up(page, "/datasets/new")
    page.locator("#playlist-link").fill("https://open.spotify.com/playlist/37i9dQZF1DXcBWIGoYBM5M")
    expect(page.locator("#playlist-refusal")).to_contain_text("paste a track list")
    expect(page.locator("#import-playlist")).to_be_disabled()
    page.locator("#playlist-link").fill("https://open.spotify.com/intl-de/playlist/5boxLanternHour0000000?si=abc")
    expect(page.locator("#playlist-refusal")).to_be_empty()
    expect(page.locator("#import-playlist")).to_be_enabled()


def test_a_song_is_reviewed_from_the_keyboard(visit: Visit) -> None:
    page = visit.page
    sign_up(page, "/datasets/new")
    paste_songs(page, "Harbour", "Attic")
    page.keyboard.press("n")
    expect(page.locator("#review h2")).to_have_text("Harbour")
    page.keyboard.press("n")
    expect(page.locator("#review h2")).to_have_text("Attic")
    page.keyboard.press("d")
    expect(page.locator("#why-not")).to_contain_text("1 dropped")
    until_still(page)
    expect(page.locator("#review-undo")).to_be_enabled()
    page.keyboard.press("u")
    expect(page.locator("#toasts")).to_contain_text("Undone: Dropped “Attic”")
    expect(page.locator("#why-not")).not_to_contain_text("dropped")
    until_still(page)
    page.locator("#songs .ag-row", has_text="Attic").click()
    expect(page.locator("#review h2")).to_have_text("Attic")
    page.keyboard.press("r")
    page.locator("#replace-text").fill("New words upon the water\nFor the ferryman's daughter")
    page.locator("#review-replace-send").click()
    expect(page.locator("#review pre")).to_contain_text("ferryman's daughter")
    page.locator("#songs-q").press("d")  # a letter in a field is a letter
    expect(page.locator("#songs-q")).to_have_value("d")
    expect(page.locator("#why-not")).not_to_contain_text("dropped")


def test_files_go_up_with_a_bar_and_bad_ones_say_why(visit: Visit) -> None:
    page = visit.page
    sign_up(page, "/datasets/new")
    songs = [
        {"artist": "The Invented", "title": f"Song {n}", "text": f"Line {n} of the tide\n{WORDS}"} for n in range(3)
    ]
    with page.expect_file_chooser() as chooser:
        page.locator("#upload-choose").click()
    chooser.value.set_files(
        [
            {"name": "songs.pdf", "mimeType": "application/pdf", "buffer": b"%PDF"},
            {
                "name": "three.jsonl",
                "mimeType": "application/json",
                "buffer": "\n".join(json.dumps(song) for song in songs).encode(),
            },
        ]
    )
    expect(page.locator('.upload[data-state="refused"]')).to_contain_text("songs.pdf")
    expect(page.locator('.upload[data-state="refused"] [role="alert"]')).to_contain_text("cannot be read")
    page.locator("#uploads-open").click()
    expect(page.locator("#trainable")).to_contain_text("of 3 songs", timeout=JOB_MS)
    until_still(page)
    visit.complaints.clear()  # the browser logs every answer of 4xx


def test_what_cannot_be_read_of_a_list_is_said_and_the_rest_comes_in(visit: Visit) -> None:
    page = visit.page
    sign_up(page, "/datasets/new")
    page.locator("#tracks-text").fill("nothing that parts artist and title")
    page.locator("#import-list").click()
    expect(page.locator("#list-refusal")).to_contain_text("Artist - Title")
    page.locator("#tracks-text").fill("<b>The Invented</b> - <img src=x onerror=alert(1)>\nno dash in here\n")
    page.locator("#import-list").click()
    expect(page.locator("#unread")).to_contain_text("1 part of the list could not be used")
    until_still(page)
    page.locator("#songs-state").select_option("all")
    expect(page.locator("#songs .ag-row")).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator("#songs img").count() == 0


def test_freezing_waits_for_rights(visit: Visit) -> None:
    page = visit.page
    sign_up(page, "/datasets/new")
    paste_songs(page, "Harbour")
    page.locator("#to-versions").click()
    expect(page.locator("#freeze")).to_be_disabled()
    expect(page.locator("#train")).to_be_disabled()
    expect(page.locator("#freeze-why")).to_contain_text("state their rights")
    page.locator("#to-rights").click()
    expect(page.locator("#rights-apply")).to_be_disabled()
    state_rights(page, "public_domain")
    expect(page.locator("#rights-refusal")).to_contain_text("a link")
    page.locator("#rights-note").fill("https://www.gutenberg.org/ebooks/21300")
    page.locator("#rights-apply").click()
    expect(page.locator("#trainable")).to_have_text("1 of 1 song trainable")
    page.locator("#rights-undo").click()
    expect(page.locator("#trainable")).to_have_text("0 of 1 song trainable")


def test_a_rule_that_is_off_changes_the_preview(visit: Visit) -> None:
    page = visit.page
    sign_up(page, "/datasets/new")
    page.locator("#paste-title").fill("Harbour")
    page.locator("#paste-text").fill(f"{WORDS}You might also like\nOne more line to end it all12Embed")
    page.locator("#import-paste").click()
    expect(page.locator("#trainable")).to_contain_text("of 1 song", timeout=JOB_MS)
    until_still(page)
    page.locator("#to-cleaning").click()
    expect(page.locator(".diff .out", has_text="You might also like")).to_be_visible()
    page.get_by_label("You might also like").uncheck()
    expect(page.locator(".diff .out", has_text="You might also like")).to_have_count(0)
    until_still(page)
    page.locator("#to-songs").click()
    expect(page.locator("#songs .ag-row")).to_be_visible()
    page.keyboard.press("n")
    expect(page.locator("#review pre")).to_contain_text("You might also like")


def test_a_job_is_cancelled_and_tried_again(visit: Visit) -> None:
    page = visit.page
    sign_up(page, "/datasets/new")
    page.locator("#tracks-text").fill("\n".join(f"The Invented - Song number {n}" for n in range(400)))
    page.locator("#import-list").click()
    expect(page.locator("#progress .job")).to_be_visible()
    page.goto("/jobs")
    page.get_by_role("button", name="Cancel").click()
    again = page.get_by_role("button", name="Try again")
    expect(again).to_be_visible(timeout=JOB_MS)
    again.click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(again).to_be_visible(timeout=JOB_MS)


def test_a_deleted_dataset_can_be_brought_back(visit: Visit) -> None:
    page = visit.page
    sign_up(page, "/datasets/new")
    paste_songs(page, "Harbour", name="Keep me")
    address = page.url
    page.locator("#delete-open").click()
    page.get_by_role("button", name="Delete this dataset").click()
    expect(page).to_have_url(re.compile(r"/datasets$"))
    page.locator("#deleted-datasets-open").click()
    page.get_by_role("button", name="Bring back Keep me").click()
    expect(page).to_have_url(address)
    until_still(page)
    expect(page).to_have_title(re.compile("Keep me"))
    expect(page.locator("#rename")).to_have_value("Keep me")
    page.locator("#rename").fill("Kept")
    page.locator("#rename").press("Enter")
    expect(page).to_have_title(re.compile("Kept"))
    page.locator("#crumb-datasets").click()
    expect(page.locator("#dataset-list .row-link")).to_contain_text("Kept")


def test_nobody_else_can_open_it(visit: Visit, chromium: Browser, web: Web) -> None:
    page = visit.page
    sign_up(page, "/datasets/new")
    paste_songs(page, "Secret Harbour")
    other = Visit(chromium, web)
    other.page.goto(page.url)
    expect(other.page).to_have_url(re.compile(r"/login\?next="))
    sign_up(other.page)
    other.page.goto(page.url)
    expect(other.page.locator("h1")).to_have_text("Nothing here")
    other.context.close()


def test_it_fits_a_phone_in_both_themes(phone: Visit) -> None:
    page = phone.page
    sign_up(page, "/datasets/new")
    paste_songs(page, "Harbour")
    for theme in ("light", "dark"):
        phone.context.add_cookies([{"name": "theme", "value": theme, "url": phone.web.url}])
        for tab in ("songs", "rights", "cleaning", "versions", "statistics"):
            page.goto(re.sub(r"(/datasets/[^/]+).*", rf"\1/{tab}", page.url).removesuffix("/songs"))
            expect(page.locator(f"#tab-{tab}")).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.goto("/datasets/new")
    expect(page.locator("#paste-text")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
