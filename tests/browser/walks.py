"""Steps that many walks share."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

FIRST_LINE = "Midnight on the corner and the neon's running low"


def open_studio(page: Page, path: str = "/") -> None:
    """Open the studio and wait until it can write."""
    page.goto(path)
    expect(page.locator("#voice-title")).to_have_text("tiny-llama")


def write_first_line(page: Page, line: str = FIRST_LINE) -> None:
    """Type the seed line and let the voice go on from it."""
    page.locator("#seed").fill(line)
    page.locator("#seed").press("Enter")


def takes_of(page: Page, state: str, batch: int = 1) -> Locator:
    """The takes of one batch that are in a state."""
    return page.locator(f'#batch-{batch} .take[data-state="{state}"]')


def lines(page: Page) -> list[str]:
    """The lyric as it stands in the editor."""
    return page.locator("#lyric-text .cm-line").all_inner_texts()


def wait_until_saved(page: Page) -> None:
    """Until the server has acknowledged every word."""
    expect(page.locator("#save-state")).to_have_text("Saved")


def set_dial(page: Page, name: str, value: int) -> None:
    """Move a slider."""
    page.locator(f"#{name}").fill(str(value))


def type_lyric(page: Page, words: str) -> None:
    """Put words at the end of the lyric at once, as a paste does."""
    page.locator("#lyric-text").click()
    page.keyboard.press("Control+End")
    page.keyboard.insert_text(words)


def choose_form(page: Page, *, scheme: str = "AABB", strictness: str = "perfect", syllables: str = "") -> None:
    """Set a form of one's own in the panel, and wait until the server has understood it."""
    page.locator("#form-menu > summary").click()
    page.locator("#form-preset").select_option("own")
    page.locator("#form-scheme").fill(scheme)
    page.locator("#form-strictness").select_option(strictness)
    page.locator("#form-syllables").fill(syllables)
    expect(page.locator("#form-words")).to_contain_text(scheme)
    if syllables:
        expect(page.locator("#form-words")).to_contain_text(f"{syllables} syllables")
    page.locator("#form-preset").press("Escape")
