"""What the page does when something dies: it says so, keeps every word, and goes on by itself."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import GUEST_TOKENS, Brake, Visit
from tests.browser.walks import FIRST_LINE, lines, open_studio, set_dial, takes_of, wait_until_saved, write_first_line
from tests.services import InferenceService

pytestmark = pytest.mark.browser


def _type(page: Page, words: str) -> None:
    page.locator("#lyric-text").click()
    page.keyboard.press("Control+End")
    page.keyboard.type(words)


def test_it_works(visit: Visit) -> None:
    """The web is killed while the writer types: the words are in the browser, then on the server."""
    page = visit.page
    open_studio(page)
    _type(page, "before")
    wait_until_saved(page)
    visit.web.kill()
    _type(page, " and while nobody listens")
    expect(page.locator("#save-state")).to_have_text("Offline: kept in this browser")
    visit.web.start()
    wait_until_saved(page)
    lyric = page.evaluate("fetch('/api/v1' + location.pathname).then(answer => answer.json())")
    assert lyric["text"] == "before and while nobody listens"
    visit.complaints.clear()  # the browser logs refused connections


def test_words_that_never_reached_the_server_are_there_after_a_reload(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    _type(page, "saved")
    wait_until_saved(page)
    address = page.url
    visit.web.kill()
    _type(page, ", not saved")
    expect(page.locator("#save-state")).to_have_text("Offline: kept in this browser")
    page.close()  # as a crash of the browser would
    visit.web.start()
    again = visit.open_page()
    again.goto(address)
    expect(again.locator("#lyric-text")).to_have_text("saved, not saved")
    wait_until_saved(again)
    visit.complaints.clear()


def test_a_sheet_that_never_had_an_address_comes_back_too(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    visit.web.kill()
    _type(page, "nobody has heard this yet")
    expect(page.locator("#save-state")).to_have_text("Offline: kept in this browser")
    page.close()
    visit.web.start()
    again = visit.open_page()
    open_studio(again)
    expect(again.locator("#lyric-text")).to_have_text("nobody has heard this yet")
    wait_until_saved(again)
    visit.complaints.clear()


def test_a_voice_that_dies_in_mid_stream_costs_neither_text_nor_allowance(
    visit: Visit, inference: InferenceService, brake: Brake
) -> None:
    page = visit.page
    open_studio(page)
    set_dial(page, "length", 256)
    write_first_line(page)
    expect(takes_of(page, "writing")).to_have_count(2)
    brake.hold()
    so_far = page.locator("#take-1-1 .take-text").inner_text()
    inference.kill()
    try:
        expect(takes_of(page, "failed")).to_have_count(2)
        expect(page.locator("#batch-1 .batch-notice")).to_be_visible()
        assert so_far.strip()
        assert page.locator("#take-1-1 .take-text").inner_text().startswith(so_far.rstrip())
        assert lines(page)[0] == FIRST_LINE
    finally:
        inference.start()
    expect(page.locator("#usage")).to_contain_text(f"{GUEST_TOKENS:,} tokens left")  # a broken text costs nothing
    page.locator("#retry-1").click()
    expect(takes_of(page, "done", batch=2)).to_have_count(2)
    visit.complaints.clear()


def test_a_studio_opened_before_its_voices_waits_for_them(visit: Visit, inference: InferenceService) -> None:
    page = visit.page
    inference.kill()
    visit.web.kill()
    visit.web.start()  # which has never heard of a voice
    try:
        page.goto("/")
        expect(page.locator("#voice-title")).to_have_text("Voices are waking…")
        expect(page.locator("#write")).to_be_disabled()
        expect(page.locator("#write")).to_have_attribute("title", "Voices are waking…")
    finally:
        inference.start()
    expect(page.locator("#voice-title")).to_have_text("tiny-llama")
    expect(page.locator("#write")).to_be_enabled()


def test_a_web_that_dies_in_mid_stream_leaves_the_text_and_retry_works(visit: Visit, brake: Brake) -> None:
    page = visit.page
    open_studio(page)
    set_dial(page, "length", 256)
    write_first_line(page)
    expect(takes_of(page, "writing")).to_have_count(2)
    brake.hold()
    visit.web.kill()
    so_far = page.locator("#take-1-1 .take-text").inner_text()
    brake.release()
    expect(page.locator("#batch-1 .batch-notice")).to_contain_text("line is down")
    visit.web.start()
    expect(takes_of(page, "failed")).to_have_count(2)
    assert page.locator("#take-1-1 .take-text").inner_text().startswith(so_far.rstrip())
    page.locator("#retry-1").click()
    expect(takes_of(page, "done", batch=2)).to_have_count(2)
    visit.complaints.clear()


def test_two_windows_never_overwrite_each_other(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    _type(page, "one")
    wait_until_saved(page)
    other = visit.open_page()
    open_studio(other, page.url.removeprefix(visit.web.url))
    _type(other, " two")
    wait_until_saved(other)
    _type(page, " three")
    expect(page.locator("#conflict")).to_contain_text("one two")
    expect(page.locator("#conflict")).to_contain_text("one three")
    page.locator("#keep-both").click()
    expect(page.locator("#lyric-text")).to_have_text("one two")
    page.locator("#library-open").click()
    expect(page.locator("#library .row")).to_have_count(2)
    visit.complaints.clear()  # the browser logs the 409


def test_a_page_older_than_its_session_says_so_and_keeps_the_words(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    _type(page, "one")
    wait_until_saved(page)
    visit.context.clear_cookies()
    _type(page, " two")
    expect(page.locator("#save-state")).to_have_text("Not saved")
    expect(page.locator("#conflict")).to_contain_text("kept in this browser")
    assert httpx.get(f"{visit.web.url}/health").status_code == httpx.codes.OK
    visit.complaints.clear()
