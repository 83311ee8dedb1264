"""The artist's walk: type a line, let a voice go on, keep what is good, find it again."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import GUEST_TOKENS, Brake, Visit
from tests.browser.walks import (
    FIRST_LINE,
    lines,
    open_studio,
    set_dial,
    takes_of,
    wait_until_saved,
    write_first_line,
)

pytestmark = pytest.mark.browser


def test_it_works(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    expect(page.locator("#seed")).to_be_focused()
    write_first_line(page)
    expect(takes_of(page, "done")).to_have_count(2)
    page.locator("#keep-1-1").click()
    page.locator("#title").fill("Neon")
    wait_until_saved(page)
    assert lines(page)[0] == FIRST_LINE
    written = lines(page)
    assert len("".join(written)) > len(FIRST_LINE)
    expect(page).to_have_url(re.compile(r"/lyrics/[0-9a-f-]{36}$"))
    page.reload()
    expect(page.locator("#title")).to_have_value("Neon")
    assert lines(page) == written
    expect(takes_of(page, "done")).to_have_count(2)


def test_text_arrives_while_it_is_written_and_the_allowance_falls(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    expect(page.locator("#usage")).to_contain_text(f"{GUEST_TOKENS:,} tokens left")
    write_first_line(page)
    expect(takes_of(page, "done")).to_have_count(2)
    expect(page.locator("#usage")).to_contain_text(re.compile(r"(?<!\d)[89]\d\d tokens left"))
    expect(page.locator("#status")).to_have_text("2 takes are done.")


def test_undo_and_redo_work_across_generations(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    write_first_line(page)
    expect(takes_of(page, "done")).to_have_count(2)
    before = lines(page)
    page.locator("#keep-1-1").click()
    once = lines(page)
    page.keyboard.press("Control+Enter")
    expect(takes_of(page, "done", batch=2)).to_have_count(2)
    page.locator("#keep-2-2").click()
    twice = lines(page)
    assert before != once != twice
    page.keyboard.press("Control+z")
    assert lines(page) == once
    page.keyboard.press("Control+z")
    assert lines(page) == before
    page.keyboard.press("Control+Shift+Z")
    page.keyboard.press("Control+Shift+Z")
    assert lines(page) == twice


def test_a_take_is_marked_as_kept_while_its_words_stand_in_the_text(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    write_first_line(page)
    expect(takes_of(page, "done")).to_have_count(2)
    keep = page.locator("#keep-1-1")
    expect(keep).to_have_accessible_name("Keep take 1")
    keep.click()
    expect(keep).to_have_accessible_name("Keep take 1 again")
    page.keyboard.press("Control+z")
    expect(keep).to_have_accessible_name("Keep take 1")
    page.keyboard.press("Control+Shift+Z")
    expect(keep).to_have_accessible_name("Keep take 1 again")
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    expect(keep).to_have_accessible_name("Keep take 1")
    page.keyboard.press("Control+z")
    expect(keep).to_have_accessible_name("Keep take 1 again")


def test_a_take_that_was_cut_says_so(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    set_dial(page, "length", 16)
    expect(page.locator("#length")).to_have_attribute("aria-valuetext", "about 2 lines")
    write_first_line(page)
    expect(takes_of(page, "done")).to_have_count(2)
    cut = page.locator(".take", has_text="Cut at the length")
    expect(cut).to_have_count(2)
    page.reload()
    expect(cut).to_have_count(2)


def test_a_take_goes_in_where_it_was_asked_for_even_after_edits_above(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    page.locator("#lyric-text").click()
    page.keyboard.type("first\nlast")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Control+Enter")
    expect(takes_of(page, "done")).to_have_count(2)
    page.keyboard.press("Control+Home")
    page.keyboard.type("new top\n")
    page.locator("#keep-1-1").click()
    found = lines(page)
    assert found[:2] == ["new top", "first"]
    assert found[-1] == "last"
    assert len(found) > 3


def test_a_part_of_a_take_can_be_kept(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    write_first_line(page)
    expect(takes_of(page, "done")).to_have_count(2)
    page.evaluate(
        """() => {
            const words = document.querySelector("#take-1-1 .take-text").firstChild;
            getSelection().setBaseAndExtent(words, 0, words, 3);
        }"""
    )
    selected = page.evaluate("getSelection().toString()")
    page.locator("#keep-1-1").click()
    assert "".join("".join(lines(page)).split()) == "".join(f"{FIRST_LINE}{selected}".split())


def test_escape_stops_and_the_text_so_far_stays(visit: Visit, brake: Brake) -> None:
    page = visit.page
    open_studio(page)
    write_first_line(page)
    expect(page.locator("#lyric-text")).to_be_focused()
    expect(takes_of(page, "writing")).to_have_count(2)
    expect(page.locator("#take-1-1 .take-text")).to_have_text(re.compile(r"\S"))
    page.keyboard.press("Escape")
    expect(takes_of(page, "stopped")).to_have_count(2)
    expect(page.locator("#take-1-1 .take-text")).to_have_text(re.compile(r"\S"))
    expect(page.locator("#write")).to_be_enabled()
    brake.release()
    expect(page.locator("#usage")).to_contain_text(re.compile(r"(?<!\d)9\d\d tokens left"))
    assert lines(page)[0] == FIRST_LINE


def test_retry_asks_again_from_the_same_line(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    write_first_line(page)
    expect(takes_of(page, "done")).to_have_count(2)
    page.locator("#keep-1-1").click()
    page.locator("#retry").click()
    expect(takes_of(page, "done", batch=2)).to_have_count(2)
    expect(page.locator("#batch-2 h2")).to_have_attribute("title", FIRST_LINE)


def test_a_fixed_seed_writes_the_same_takes_again(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    page.locator("#more summary").click()
    page.locator("#sampling-seed").fill("7")
    page.keyboard.press("Escape")
    write_first_line(page)
    expect(takes_of(page, "done")).to_have_count(2)
    page.keyboard.press("Control+Enter")
    expect(takes_of(page, "done", batch=2)).to_have_count(2)
    texts = [page.locator(f"#take-{batch}-1 .take-text").inner_text() for batch in (1, 2)]
    assert texts[0] == texts[1]


def test_an_empty_sheet_asks_for_a_first_line_instead_of_writing(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    page.locator("#write").click()
    expect(page.locator("#toasts")).to_contain_text("Type a first line")
    expect(page.locator(".batch")).to_have_count(0)


def test_a_spent_allowance_says_what_to_do_and_keeps_the_text(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    set_dial(page, "length", 256)
    page.locator("#more summary").click()
    set_dial(page, "takes", 4)
    page.keyboard.press("Escape")
    write_first_line(page)
    expect(page.locator("#refusal")).to_contain_text(f"{GUEST_TOKENS:,} are left")
    expect(page.locator("#refusal-signup")).to_have_attribute("href", re.compile(r"^/signup\?next="))
    expect(page.locator(".batch")).to_have_count(0)
    assert lines(page)[0] == FIRST_LINE
    set_dial(page, "length", 16)
    page.locator("#write").click()
    expect(takes_of(page, "done", batch=2)).to_have_count(4)
    expect(page.locator("#refusal")).to_be_empty()
    visit.complaints.clear()  # the browser logs every answer of 402


def test_on_a_phone_everything_fits_and_works(phone: Visit) -> None:
    page = phone.page
    open_studio(page)
    write_first_line(page)
    expect(takes_of(page, "done")).to_have_count(2)
    for number in (1, 2):
        page.locator(f"#keep-1-{number}").scroll_into_view_if_needed()
        keep, strip = page.locator(f"#keep-1-{number}").bounding_box(), page.locator(".strip").bounding_box()
        assert keep
        assert strip
        assert keep["y"] + keep["height"] <= strip["y"]
    page.locator("#keep-1-2").click()
    wait_until_saved(page)
    expect(page.locator("#login-link")).to_be_in_viewport(ratio=1)
    for pressed in ("#wordmark", "#dismiss-1", "#length", "#keep-1-1", "#login-link"):
        box = page.locator(pressed).bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= 44, pressed
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for name in ("voice-menu", "more"):
        page.locator(f"#{name} summary").click()
        box = page.locator(f"#{name} .menu").bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        page.keyboard.press("Escape")


def test_the_theme_is_remembered(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", "auto")
    page.locator("#theme-toggle").click()
    page.locator("#theme-toggle").click()
    expect(root).to_have_attribute("data-theme", "dark")
    page.goto("/login")
    expect(root).to_have_attribute("data-theme", "dark")


def test_the_voice_menu_shows_the_licence(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    page.locator("#voice-menu summary").click()
    expect(page.locator("#voice-menu .voices")).to_contain_text("made by the tests")
    expect(page.locator("#voice-menu input:checked")).to_have_count(1)
