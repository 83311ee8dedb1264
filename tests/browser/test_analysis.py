"""The page that says what can be heard in any pasted text."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.walks import lines, open_studio, type_lyric, wait_until_saved

pytestmark = pytest.mark.browser

TEXT = "The moon is on the river now\nand I will never show you how\n\nso better never than forever\nwe were together"


def test_it_works(visit: Visit) -> None:
    page = visit.page
    page.goto("/analyse")
    expect(page).to_have_title("Analyse · Ghost Rhymes")
    page.locator("#analyse-text").fill(TEXT)
    page.locator("#analyse-text").press("Control+Enter")
    expect(page.locator("#figure-scheme")).to_have_text("AA AA")
    rows = page.locator(".heat-line")
    expect(rows).to_have_count(4)
    expect(rows.first.locator(".heat-caption")).to_have_text("8 · iambic tetrameter")
    expect(rows.first.locator(".rhyme-perfect").last).to_have_text("now")
    expect(page.locator(".heat sup").first).to_be_visible()
    expect(page.locator("#figure-explicit-words")).to_have_text("none")
    assert rows.nth(1).locator("p").first.inner_text().startswith("and I will")


def test_nothing_pasted_is_said_in_words(visit: Visit) -> None:
    page = visit.page
    page.goto("/analyse")
    page.locator("#analyse").click()
    expect(page.locator("#analyse-result")).to_have_text("Paste some lines first.")


def test_the_open_lyric_comes_along_and_stays_open(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    type_lyric(page, TEXT)
    wait_until_saved(page)
    written, address = lines(page), page.url
    page.locator("#analyse-link").click()
    expect(page.locator("#analyse-text")).to_have_value(TEXT)
    expect(page.locator("#lyric-text")).to_be_hidden()
    page.go_back()
    expect(page).to_have_url(address)
    expect(page.locator("#lyric-text")).to_be_visible()
    assert lines(page) == written


def test_words_that_are_on_their_way_to_the_server_arrive_from_here_too(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    type_lyric(page, "not saved yet")
    with page.expect_response("**/api/v1/lyrics"):
        page.locator("#analyse-link").click()
    expect(page.locator("#analyse-text")).to_have_value("not saved yet")
    page.locator("#library-open").click()
    expect(page.locator("#library .row")).to_have_count(1)
    page.locator("#library .row a").click()
    expect(page.locator("#lyric-text")).to_have_text("not saved yet")


def test_on_a_phone_nothing_is_wider_than_the_screen(phone: Visit) -> None:
    page = phone.page
    page.goto("/analyse")
    page.locator("#analyse-text").fill(TEXT)
    page.locator("#analyse").click()
    expect(page.locator(".heat-line")).to_have_count(4)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
