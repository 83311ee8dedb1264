"""Writing to a form: the chip, the deeds, ranked alternatives with their evidence, pins, refusals with offers."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Brake, Visit
from tests.browser.walks import FIRST_LINE, choose_form, lines, open_studio, takes_of, type_lyric, wait_until_saved

pytestmark = pytest.mark.browser

NUM_ALTERNATIVES = 5
MAX_ROWS, ROW_PX = 2, 60
"""Of the controls on a phone, with what is between the rows."""
STANZA = ["so low", "to go", "the night", "a light"]


def words_of(page: Page) -> list[str]:
    """What the alternatives of the newest batch say, from the top."""
    return page.locator("#batch-1 .take-line > p").all_inner_texts()


def done(page: Page, batch: int = 1) -> Locator:
    """The finished alternatives of a batch."""
    return takes_of(page, "done", batch)


def open_with_form(page: Page, text: str, *, scheme: str = "AABB", syllables: str = "2-4") -> None:
    """A lyric with the cursor at its end, and a form that a tiny voice keeps in no time."""
    open_studio(page)
    if text:
        type_lyric(page, text)
    choose_form(page, scheme=scheme, syllables=syllables)
    if text:
        page.locator("#lyric-text .cm-line").last.click()
        page.keyboard.press("Control+End")


def test_it_works(visit: Visit) -> None:
    """Steps 2 to 4 of the artist's walk: a line, a form, and five alternatives that keep it."""
    page = visit.page
    open_with_form(page, FIRST_LINE, syllables="11-13")
    expect(page.locator("#form-words")).to_have_text("AABB, strict; 11-13 syllables")
    page.locator("#next-line").click()
    expect(done(page)).to_have_count(NUM_ALTERNATIVES)
    expect(page.locator("#batch-1 .badge[data-state='failed']")).to_have_count(0)
    expect(page.locator("#batch-1 .badge-rhyme")).to_have_text(["rhymes with low"] * NUM_ALTERNATIVES)
    expect(page.locator("#batch-1 .badge-syllables")).to_have_text([re.compile("1[123] syllables")] * NUM_ALTERNATIVES)
    expect(page.locator("#batch-1 .badge-original")).to_have_count(0)  # there is nothing to compare with
    expect(page.locator("#batch-1 .take-state")).to_have_text([f"No. {i + 1}" for i in range(NUM_ALTERNATIVES)])

    badge, evidence = page.locator("#badge-rhyme-1-1-1"), page.locator("#evidence-1-1-1")
    badge.click()
    expect(badge).to_have_attribute("aria-expanded", "true")
    expect(evidence).to_contain_text("Perfect rhyme with “low”")
    expect(evidence).to_contain_text("OW")
    page.locator("#badge-syllables-1-1-1").click()
    expect(evidence.locator(".spoken dt").last).to_be_visible()
    expect(badge).to_have_attribute("aria-expanded", "false")

    best = words_of(page)[0]
    page.locator("#keep-1-1").click()
    assert lines(page) == [FIRST_LINE, best]
    expect(page.locator("#paper .margin-mark .letter")).to_have_text(["A", "A"])


def test_a_pinned_alternative_stays_and_the_others_are_new(visit: Visit) -> None:
    page = visit.page
    open_with_form(page, "so low")
    page.keyboard.press("Control+Enter")
    expect(done(page)).to_have_count(NUM_ALTERNATIVES)
    before = words_of(page)
    page.locator("#pin-1-2").click()
    expect(page.locator("#pin-1-2")).to_have_attribute("aria-pressed", "true")
    page.locator("#retry").click()
    expect(page.locator("#take-1-9")).to_have_attribute("data-state", "done")
    expect(done(page)).to_have_count(NUM_ALTERNATIVES)
    expect(page.locator(".batch")).to_have_count(1)
    after = words_of(page)
    assert after[1] == before[1]
    assert len(after) == NUM_ALTERNATIVES
    expect(page.locator("#take-1-1")).to_have_count(0)
    page.reload()
    expect(done(page)).to_have_count(NUM_ALTERNATIVES)
    assert words_of(page) == after
    expect(page.locator("#batch-1 [data-pinned] .take-line > p")).to_have_text(before[1])
    expect(page.locator("#batch-1 .badge-rhyme").first).to_be_visible()


def test_escape_leaves_the_text_as_it_was(visit: Visit, brake: Brake) -> None:
    page = visit.page
    open_with_form(page, "so low", syllables="20-24")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#stop")).to_be_enabled()
    page.keyboard.press("Escape")
    expect(page.locator("#next-line")).to_be_enabled()
    brake.release()
    assert lines(page) == ["so low"]


def test_a_line_is_rewritten_and_only_that(visit: Visit) -> None:
    """Step 6: one step of the history a deed, across generations."""
    page = visit.page
    open_with_form(page, "\n".join(STANZA))
    page.locator("#lyric-text .cm-line").nth(1).click()
    page.keyboard.press("Alt+Enter")
    expect(done(page)).to_have_count(NUM_ALTERNATIVES)
    expect(page.locator("#batch-1 h2")).to_have_text("Instead of “to go”")
    expect(page.locator("#batch-1 .badge-rhyme").first).to_have_text("rhymes with low")
    first, second = words_of(page)[:2]
    page.locator("#keep-1-1").click()
    rewritten = [STANZA[0], first, *STANZA[2:]]
    assert lines(page) == rewritten
    page.locator("#keep-1-2").click()  # another one takes its place
    assert lines(page) == [STANZA[0], second, *STANZA[2:]]
    page.keyboard.press("Control+z")
    assert lines(page) == rewritten
    page.keyboard.press("Control+z")
    assert lines(page) == STANZA
    page.keyboard.press("Control+Shift+Z")
    assert lines(page) == rewritten
    expect(page.locator("#keep-1-1")).to_have_accessible_name("Keep take 1 again")


def test_the_middle_is_filled_and_the_lines_after_it_stay(visit: Visit) -> None:
    page = visit.page
    open_with_form(page, "so low\nthe night\na light")
    page.locator("#lyric-text .cm-line").first.click()
    page.locator("#fill").click()
    expect(done(page)).to_have_count(NUM_ALTERNATIVES)
    expect(page.locator("#batch-1 .badge-rhyme").first).to_have_text("rhymes with low")
    page.locator("#lyric-text").focus()
    page.keyboard.press("Control+Home")
    page.keyboard.insert_text("above it all\n\n")
    new = words_of(page)[0]
    page.locator("#keep-1-1").click()
    assert [line.strip() for line in lines(page)] == ["above it all", "", "so low", new, "the night", "a light"]


def test_a_whole_verse_is_a_stanza_of_its_own(visit: Visit) -> None:
    page = visit.page
    open_with_form(page, "so low\nto go", scheme="AA", syllables="2")
    page.keyboard.press("Control+Alt+Enter")
    expect(done(page)).to_have_count(NUM_ALTERNATIVES)
    expect(page.locator("#batch-1 .badge[data-state='failed']")).to_have_count(0)
    verse = page.locator("#take-1-1 .take-line > p").all_inner_texts()
    assert len(verse) == 2
    page.locator("#keep-1-1").click()
    assert [line.strip() for line in lines(page)] == ["so low", "to go", "", *verse]
    expect(page.locator("#paper .margin-mark .letter")).to_have_text(["A", "A", "A", "A"])


def test_a_verse_can_come_before_any_words(visit: Visit) -> None:
    page = visit.page
    open_with_form(page, "", scheme="AA", syllables="2")
    page.locator("#verse").click()
    expect(done(page)).to_have_count(NUM_ALTERNATIVES)
    verse = page.locator("#take-1-1 .take-line > p").all_inner_texts()
    page.locator("#keep-1-1").click()
    assert lines(page) == verse


def test_a_rhyme_that_cannot_be_had_is_refused_with_offers(visit: Visit) -> None:
    """Step 7: nothing rhymes with orange, and the studio says so instead of pretending."""
    page = visit.page
    open_with_form(page, "a bitter orange", scheme="AA", syllables="4-8")
    page.locator("#next-line").click()
    expect(page.locator(".trouble")).to_contain_text("orange")
    assert lines(page) == ["a bitter orange"]
    offer = page.locator(".trouble .offer").first
    words = page.locator("#form-words").inner_text()
    offer.click()
    expect(done(page, batch=2)).to_have_count(NUM_ALTERNATIVES)
    expect(page.locator(".trouble")).to_have_count(0)
    expect(page.locator("#form-words")).not_to_have_text(words)
    visit.complaints.clear()  # the browser logs every answer of 4xx


def test_a_form_belongs_to_its_lyric_and_is_remembered(visit: Visit) -> None:
    page = visit.page
    open_with_form(page, "so low")
    wait_until_saved(page)
    page.reload()
    expect(page.locator("#form-words")).to_have_text("AABB, strict; 2-4 syllables")
    expect(page.locator("#next-line")).to_be_visible()
    page.locator("#wordmark").click()
    expect(page.locator("#form-words")).to_have_text("No form")
    expect(page.locator("#write")).to_be_visible()
    expect(page.locator("#next-line")).to_be_hidden()


def test_a_voice_that_is_awake_is_not_called_cold_while_it_takes_its_time(visit: Visit, brake: Brake) -> None:
    page = visit.page
    open_with_form(page, "so low", syllables="20-24")
    with page.expect_response("**/api/v1/voices") as asked:
        page.locator("#next-line").click()
    expect(page.locator("#stop")).to_be_enabled()
    assert [voice["state"] for voice in asked.value.json()["voices"]] == ["resident"]
    expect(page.locator("#batch-1 .batch-notice")).to_be_hidden()
    page.keyboard.press("Escape")
    brake.release()


def test_presets_fill_the_form_and_songs_have_sections(visit: Visit) -> None:
    page = visit.page
    open_studio(page)
    names = page.locator("#form-preset optgroup option").all_text_contents()  # before anybody has opened the panel
    assert names[:2] == ["Couplets (AABB)", "Alternating rhyme (ABAB)"]
    assert "Sonnet" in names
    page.locator("#form-menu > summary").click()
    page.locator("#form-preset").select_option("Alternating rhyme (ABAB)")
    expect(page.locator("#form-words")).to_have_text("ABAB, strict; 7-12 syllables")
    page.locator("#form-preset").select_option("Ballad stanza")
    expect(page.locator("#form-words")).to_have_text("XAXA, strict; 8-6-8-6 syllables; iambic")
    expect(page.locator("#form-section")).to_be_hidden()
    page.locator("#form-preset").select_option("Sea shanty")
    page.locator("#form-section").select_option(label="Chorus")
    expect(page.locator("#form-words")).to_have_text("AABB, strict; 6-10 syllables")
    expect(page.locator("#form-scheme")).to_have_value("AABB")
    page.locator("#form-preset").select_option("")
    expect(page.locator("#form-words")).to_have_text("No form")


def test_what_is_wrong_with_a_form_stands_at_its_field(visit: Visit) -> None:
    page = visit.page
    open_with_form(page, "so low")
    page.locator("#form-menu > summary").click()
    page.locator("#form-syllables").fill("8-6-8")
    expect(page.locator("#form-syllables")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#form-trouble")).to_contain_text("give one number a line")
    expect(page.locator("#form-words")).to_have_text("AABB, strict; 2-4 syllables")
    page.locator("#form-syllables").fill("8-6-8-6")
    expect(page.locator("#form-trouble")).to_be_empty()
    expect(page.locator("#form-words")).to_have_text("AABB, strict; 8-6-8-6 syllables")
    visit.complaints.clear()  # the browser logs every answer of 4xx


def test_on_a_phone_lines_are_written_to_a_form_too(phone: Visit) -> None:
    page = phone.page
    open_with_form(page, "so low")
    page.locator("#next-line").click()
    expect(done(page)).to_have_count(NUM_ALTERNATIVES)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    strip = page.locator(".strip").bounding_box()
    assert strip
    assert strip["height"] <= MAX_ROWS * ROW_PX
    for pressed in (
        "#form-menu > summary",
        "#rewrite",
        "#fill",
        "#verse",
        "#pin-1-1",
        "#badge-rhyme-1-1-1",
    ):
        box = page.locator(pressed).bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= 44, pressed
    new = words_of(page)[0]
    page.locator("#keep-1-1").click()
    assert lines(page) == ["so low", new]
    page.locator("#form-menu > summary").click()
    box = page.locator("#form-panel").bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
