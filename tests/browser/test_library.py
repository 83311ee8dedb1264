"""Finding lyrics again: library, versions, undo of a delete, and the way from guest to user."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.walks import FIRST_LINE, lines, open_studio, takes_of, wait_until_saved, write_first_line

pytestmark = pytest.mark.browser


def _type(page: Page, words: str) -> None:
    page.locator("#lyric-text").click()
    page.keyboard.press("Control+End")
    page.keyboard.type(words)
    wait_until_saved(page)


def test_it_works(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    _type(page, "the first song")
    page.locator("#library-open").click()
    page.locator("#new-lyric").click()
    expect(page).to_have_url(f"{visit.web.url}/")
    expect(page.locator("#lyric-text")).not_to_contain_text("the first song")
    _type(page, "the second song")
    page.locator("#library-open").click()
    rows = page.locator("#library .row")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("the second song")
    rows.last.locator("a").click()
    expect(page.locator("#lyric-text")).to_have_text("the first song")
    expect(page.locator("#library")).to_be_hidden()
    page.go_back()
    expect(page.locator("#lyric-text")).to_have_text("the second song")


def test_a_deleted_lyric_can_be_brought_back(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    _type(page, "do not lose me")
    page.locator("#library-open").click()
    page.locator("#library .icon-delete").click()
    expect(page.locator("#library-undo")).to_contain_text("Deleted “do not lose me”")
    expect(page.locator("#library .row-link")).to_have_count(0)
    expect(page).to_have_url(f"{visit.web.url}/")
    page.locator("#library-undo button").click()
    expect(page.locator("#library .row-link")).to_have_count(1)
    expect(page.locator("#library .deleted")).to_have_count(0)
    expect(page.locator("#lyric-text")).to_have_text("do not lose me")


def test_a_deleted_lyric_is_still_there_on_another_day(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    _type(page, "forgotten in a drawer")
    page.locator("#library-open").click()
    page.locator("#library .icon-delete").click()
    expect(page.locator("#library-undo")).to_contain_text("Deleted")
    page.wait_for_url(re.compile(r"^[^?]*//[^/]+/$"))  # the sheet that was put away is left
    page.reload()
    page.locator("#library-open").click()
    page.locator("#deleted-open").click()
    page.locator("#library .deleted button").click()
    expect(page.locator("#lyric-text")).to_have_text("forgotten in a drawer")


def test_a_version_is_restored_and_the_restore_can_be_undone(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    write_first_line(page)
    expect(takes_of(page, "done")).to_have_count(2)
    page.locator("#keep-1-1").click()
    wait_until_saved(page)
    kept = lines(page)
    page.locator("#versions-open").click()
    page.locator(".version summary").first.click()
    page.locator(".version button").first.click()
    expect(page.locator("#versions")).to_be_hidden()
    expect(page.locator("#toasts")).to_contain_text("Restored")
    assert [line for line in lines(page) if line.strip()] == [FIRST_LINE]
    expect(page.locator("#lyric-text")).to_be_focused()
    page.keyboard.press("Control+z")
    assert lines(page) == kept


def test_a_guest_who_signs_up_is_back_at_the_same_lyric(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    _type(page, "a guest wrote this")
    address = page.url
    path = address.removeprefix(visit.web.url)
    expect(page.locator("#login-link")).to_have_attribute("href", f"/login?next={path}")
    page.locator("#login-link").click()
    page.locator("#to-signup").click()
    email = f"{uuid4().hex}@example.org"
    page.locator("#email").fill(email)
    page.locator("#password").fill("seven quiet harbours")
    page.locator("#submit").click()
    expect(page).to_have_url(address)
    expect(page.locator("#lyric-text")).to_have_text("a guest wrote this")
    expect(page.locator("#usage")).to_contain_text("100,000 tokens left")
    page.locator("#account-menu").click()
    expect(page.locator(".account .menu")).to_contain_text(email)
    page.locator("#logout").click()
    expect(page.locator("#signup-link")).to_be_visible()


def test_a_wrong_password_is_said_in_words(visit: Visit) -> None:
    page = visit.page
    page.goto("/login")
    page.locator("#email").fill("nobody@example.org")
    page.locator("#password").fill("seven quiet harbours")
    page.locator("#submit").click()
    expect(page.locator("#form-error")).to_be_visible()
    expect(page.locator("#email")).to_have_value("nobody@example.org")
    expect(page.locator("#password")).to_be_focused()
    visit.complaints.clear()  # the browser logs every answer of 4xx


def test_a_form_leads_to_the_field_at_fault(visit: Visit) -> None:
    page = visit.page
    page.goto("/signup")
    page.locator("#email").fill("somebody@example.org")
    page.locator("#password").fill("short")
    page.locator("#submit").click()
    expect(page.locator("#password")).to_be_focused()
    expect(page.locator("#password")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#email")).not_to_have_attribute("aria-invalid", "true")
    visit.complaints.clear()  # the browser logs every answer of 4xx


def test_nobody_else_can_open_the_address(visit: Visit, phone: Visit) -> None:
    open_studio(visit.page)
    _type(visit.page, "mine alone")
    phone.page.goto(visit.page.url)
    expect(phone.page.locator("h1")).to_have_text("Nothing here")
    expect(phone.page.locator("body")).not_to_contain_text(re.compile("mine alone"))
    phone.complaints.clear()  # the browser logs every answer of 404
