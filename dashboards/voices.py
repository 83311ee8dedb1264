"""The voices that a person has trained, and those that everybody may write with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from dash import dcc, html
from dash.development.base_component import Component

from app import adapter, quote
from app.adapter import AdapterView
from app.auth import Writer
from app.db import unit_of_work
from dashboards.builder import COMPARE_PATH, RUNS_PATH, TRAIN_PATH, VOICES_PATH, heading, nothing, plural
from dashboards.words import when

WELCOME = (
    "A voice of your own is a checkpoint with an adapter trained on your songs. Freeze a dataset, train, listen to it "
    "while it learns, and publish it when it is better than what you had: it is in the studio\u2019s menu at once."
)
Shown = list[Component]


def page(writer: Writer) -> tuple[Shown, str]:
    """The list and its title."""
    with unit_of_work() as session:
        found, held = adapter.find(session, writer.id), quote.balance(session, writer.id)
    own, shared = [view for view in found if not view.is_shared], [view for view in found if view.is_shared]
    new = dcc.Link("Train a voice", href=TRAIN_PATH, id="new-voice", className="button primary")
    counted = html.P(
        [
            html.Strong(f"{held.adapters:,} of {plural(held.max_adapters, 'voice')}"),
            html.Span(f"{held.minutes_left:,} of {plural(held.minutes_allowance, 'minute')} of training left"),
        ],
        className="counter",
        id="voices-balance",
    )
    links = [
        dcc.Link("All trainings", href=RUNS_PATH, id="runs-link"),
        *([dcc.Link("Compare two voices, unseen", href=COMPARE_PATH, id="compare-link")] if found else []),
    ]
    mine = _rows(own) if own else nothing("No voice of yours yet.", WELCOME)
    everybodys = [html.H2("Everybody\u2019s"), _rows(shared)] if shared else []
    return [
        heading("Voices", action=new),
        counted,
        html.Div(mine, id="voice-list"),
        *everybodys,
        html.P(links, className="foot links"),
    ], "Voices"


def _rows(found: Sequence[AdapterView]) -> Component:
    now = datetime.now(UTC)
    return html.Ul([_row(view, now) for view in found], className="rows voice-rows")


def _row(view: AdapterView, now: datetime) -> Component:
    figures = [f"on {view.base}"]
    if view.bits_per_byte is not None:
        figures.append(f"{view.bits_per_byte:.3f} bits a byte")
    made = f"trained {when(view.created_at, now)}" if view.created_at else view.licence
    link = dcc.Link(
        [html.Strong(name_of(view)), html.Span(" \u00b7 ".join(figures)), html.Small(made)],
        href=f"{VOICES_PATH}/{view.id}",
        id={"type": "open-voice", "id": view.id},
        className="row-link",
    )
    write = dcc.Link(
        "Write with it", href=f"/?voice={view.id}", id={"type": "write-with", "id": view.id}, className="button small"
    )
    return html.Li([link, *tags(view), write], className="row", id=f"voice-{view.id}")


def name_of(view: AdapterView) -> str:
    """What a voice is called, with its number."""
    return f"{view.title} v{view.number}"


def tags(view: AdapterView) -> list[Component]:
    """Whether it is in the menu, and whether it stands for its title."""
    if view.is_shared:
        return [html.Span("Everybody\u2019s", className="tag")]
    if view.published_at is None:
        return [html.Span("Not published", className="tag")]
    live = (
        [html.Span("Live", className="tag good", title="The one of its title that stands for it")]
        if view.is_live
        else []
    )
    return [html.Span("Published", className="tag"), *live]
