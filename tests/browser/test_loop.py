"""Keeping and rejecting in a real browser: a session of cards, a blind comparison, and takes in the studio."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session

from bench.checkpoints import write_adapter
from models import Adapter, Feedback, Run, User
from tests.browser.conftest import PATIENCE_MS, Visit, Web
from tests.browser.walks import choose_form, lines, takes_of, type_lyric, write_first_line
from tests.inference.adapters import publish_adapter
from tests.patience import until
from tests.services import TINY, InferenceService

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def database(web: Web) -> Iterator[Engine]:
    engine = create_engine(web.database_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def files(inference: InferenceService, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapter(inference.home / "tiny", tmp_path_factory.mktemp("adapter") / "one", seed=1, spread=1.0)


def signed_up(page: Page) -> str:
    """A new person's e-mail."""
    email = f"{uuid4().hex}@example.org"
    page.goto("/signup")
    page.fill("[name=email]", email)
    page.fill("[name=password]", "a long walk home")
    page.locator("form button").first.click()
    page.wait_for_url("**/")
    return email


def voice_of(
    database: Engine,
    inference: InferenceService,
    files: Path,
    email: str,
    number: int,
    *,
    is_published: bool = False,
) -> str:
    """A voice of this person's, which the service serves: what a training would have made."""
    adapter_id = uuid4()
    with Session(database) as session:
        user_id = session.scalars(select(User.id).where(User.email == email)).one()
        told = {"title": "Harbour", "number": number}
        session.add(Run(id=adapter_id, user_id=user_id, request={}, config={}, quote={}, minutes_reserved=0, **told))
        adapter = Adapter(id=adapter_id, user_id=user_id, base=TINY, bits_per_byte=2.0, card={}, manifest={}, **told)
        adapter.published_at = datetime.now(UTC) if is_published else None
        session.add(adapter)
        session.commit()
    publish_adapter(inference.home / "bucket", str(adapter_id), files, TINY, owner=user_id)
    return str(adapter_id)


def verdicts(database: Engine, voice: str) -> list[tuple[str, str, str]]:
    """Verdict, text and what the voice had written, in the order in which they were said."""
    with Session(database) as session:
        rows = session.scalars(select(Feedback).where(Feedback.voice == voice).order_by(Feedback.created_at))
        return [(row.verdict.value, row.text, row.written) for row in rows]


def test_a_session_of_cards(visit: Visit, database: Engine, inference: InferenceService, files: Path) -> None:
    page = visit.page
    voice = voice_of(database, inference, files, signed_up(page), 1)
    page.goto(f"/voices/{voice}/cards")
    page.locator("#card-deal").click()
    card, progress = page.locator("#card"), page.locator("#cards [role=progressbar]")
    expect(card).to_be_visible(timeout=3 * PATIENCE_MS)  # twenty lines were asked for, of a voice that was asleep
    first = card.locator(".card-line").text_content()
    page.keyboard.press("ArrowRight")
    expect(progress).to_have_attribute("aria-valuenow", "1")
    expect(page.locator(".card-note")).to_have_text("1 added to the feedback for v2.")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".card-note")).to_have_text("2 added to the feedback for v2.")
    assert [verdict for verdict, _, _ in verdicts(database, voice)] == ["kept", "rejected"]
    page.keyboard.press("u")
    expect(progress).to_have_attribute("aria-valuenow", "1")
    assert [(verdict, text) for verdict, text, _ in verdicts(database, voice)] == [("kept", first)]
    page.reload()  # nothing is lost: the session goes on where it was
    expect(progress).to_have_attribute("aria-valuenow", "1")
    page.keyboard.press("e")
    page.locator("#card-words").fill("The gulls know every name")
    page.keyboard.press("Enter")
    expect(progress).to_have_attribute("aria-valuenow", "2")
    assert verdicts(database, voice)[1][:2] == ("kept", "The gulls know every name")
    box = card.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 - 160, box["y"] + 12, steps=4)
    page.mouse.up()
    expect(progress).to_have_attribute("aria-valuenow", "3")
    total = int(progress.get_attribute("aria-valuemax") or 0)
    for at in range(3, total):
        expect(progress).to_have_attribute("aria-valuenow", str(at))
        expect(page.locator("#card-keep")).to_be_visible()
        page.keyboard.press("ArrowRight" if at % 2 else "ArrowLeft")
    expect(page.locator("#card-result")).to_contain_text("kept")
    said = verdicts(database, voice)
    assert said[2][0] == "rejected"
    expect(page.locator("#improve-why")).to_contain_text("dataset")


def test_a_blind_comparison(visit: Visit, database: Engine, inference: InferenceService, files: Path) -> None:
    page = visit.page
    email = signed_up(page)
    voice = voice_of(database, inference, files, email, 1)
    page.goto("/compare")
    page.locator("#compare-a").select_option(voice)
    page.locator("#compare-b").select_option(TINY)
    page.locator("#compare-pairs").select_option("10")
    page.locator("#compare-start").click()
    page.wait_for_url("**/compare/*-*")
    progress = page.locator("#comparison [role=progressbar]")
    for number in range(10):
        expect(progress).to_have_attribute("aria-valuenow", str(number))
        expect(page.locator("#pick-left")).to_be_visible()
        assert voice not in page.locator("#comparison").inner_html()
        page.keyboard.press(("ArrowLeft", "ArrowRight", "ArrowDown")[number % 3])
    expect(page.locator("#comparison-result")).to_contain_text("won")
    expect(page.locator(".judged tbody tr")).to_have_count(10)
    assert UUID(page.url.rsplit("/", 1)[1])
    page.locator("#crumb-compare").click()
    expect(page.locator(".comparison-rows .row")).to_contain_text("interval")


def test_takes_and_lines_are_kept_and_rejected_in_the_studio(
    visit: Visit, database: Engine, inference: InferenceService, files: Path
) -> None:
    page = visit.page
    voice = voice_of(database, inference, files, signed_up(page), 1, is_published=True)
    page.goto(f"/?voice={voice}")
    expect(page.locator("#voice-title")).to_have_text("Harbour v1")
    write_first_line(page)
    expect(takes_of(page, "done")).to_have_count(2)
    note = page.locator("#batch-1 .batch-notice")
    page.locator("#keep-1-1").click()
    expect(note).to_have_text("1 added to the feedback for v2.")
    page.locator("#reject-1-2").click()
    expect(note).to_have_text("2 added to the feedback for v2.")
    assert [verdict for verdict, _, _ in verdicts(database, voice)] == ["kept", "rejected"]
    type_lyric(page, "\nmy own words")  # behind what was kept: no edit of it
    kept = "\n".join(lines(page)[1:-1]).strip()
    page.locator("#lyric-text .cm-line").nth(1).click()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.type("ooh ")
    edited = "\n".join(lines(page)[1:-1]).strip()
    assert edited != kept
    until(lambda: ("kept", edited) in [found[:2] for found in verdicts(database, voice)])
    while page.locator("#take-1-1").get_attribute("data-kept") is not None:
        page.keyboard.press("Control+z")
    until(lambda: [found[0] for found in verdicts(database, voice)] == ["rejected"])
    page.reload()
    expect(page.locator("#reject-1-2")).to_have_attribute("aria-pressed", "true")
    page.locator("#reject-1-2").click()
    until(lambda: verdicts(database, voice) == [])
    choose_form(page, scheme="AABB", syllables="5")
    page.locator("#verse").click()
    expect(takes_of(page, "done", batch=2).first).to_be_visible()
    page.locator("#kept-2-1-1").click()
    page.locator("#rejected-2-1-2").click()
    expect(page.locator("#batch-2 .batch-notice")).to_have_text("2 added to the feedback for v2.")
    words = page.locator("#take-2-1 .take-line p").all_inner_texts()
    assert [found[:2] for found in verdicts(database, voice)] == [("kept", words[0]), ("rejected", words[1])]
    expect(page.locator("#kept-2-1-1")).to_have_attribute("aria-pressed", "true")
