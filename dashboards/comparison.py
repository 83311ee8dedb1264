"""Blind comparisons: choose two voices, and the list of what was compared; then the pairs, one by one.

The pairs and the result are drawn by the bundle (frontend/src/comparing.ts), which asks the API for them: nothing that
this page knows of a comparison tells which voice stands where.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import dash
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app import adapter, comparison, generation
from app.auth import Writer
from app.comparison import ComparisonView
from app.db import unit_of_work
from app.errors import AppError, ServiceAway
from dashboards.builder import (
    COMPARE_PATH,
    VOICES_PATH,
    Place,
    builder,
    button,
    heading,
    nothing,
    plural,
    refusal,
    select,
)
from dashboards.voices import name_of
from dashboards.words import when

Shown = list[Component]
INTRO = (
    "Both voices go on from the same beginnings of songs that neither was trained on. You pick the better text, not "
    "knowing whose it is; in the end it is told, with how sure one can be. Both texts are charged as any."
)
LENGTHS = {"10": "10 pairs", "20": "20 pairs", "40": "40 pairs"}


def start_page(writer: Writer, _place: Place) -> tuple[Shown, str]:
    """The form, and what was compared before."""
    names = _voices(writer)
    with unit_of_work() as session:
        found = comparison.find(session, writer.id)
    title = "Compare two voices"
    head = heading(title, crumbs=[("Voices", VOICES_PATH)])
    if len(names) < 2:
        return [
            head,
            nothing("There is only one voice here.", "Train one of your own, then hold it against its base."),
        ], title
    first, second = list(names)[:2]
    form = html.Section(
        [
            html.P(INTRO, className="hint"),
            html.Div(
                [
                    select("compare-a", names, first, "One voice"),
                    select("compare-b", names, second, "The other"),
                    select("compare-pairs", LENGTHS, str(comparison.USUAL_PAIRS), "Length"),
                ],
                className="table-tools",
            ),
            html.Div(button("compare-start", "Compare", "primary"), className="actions"),
            html.Div(id="compare-refusal"),
        ],
        className="statement wide",
        **{"aria-label": "A new comparison"},
    )
    past = [html.H2("Compared"), _rows(found)] if found else []
    return [head, form, *past], title


def page(writer: Writer, place: Place) -> tuple[Shown, str]:
    """One comparison: its open pair, or its result.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    with unit_of_work() as session:
        view = comparison.get(session, writer.id, place.thing)
    title = f"{view.title_a} or {view.title_b}"
    return [
        heading(title, crumbs=[("Voices", VOICES_PATH), ("Comparisons", COMPARE_PATH)]),
        dcc.Store(id="comparison-id", data=str(view.id)),
        html.Div(id="comparison", className="blind", **{"aria-live": "polite"}),
    ], title


def _voices(writer: Writer) -> dict[str, str]:
    """One's own voices, published or not, the newest first; then everybody's, then the checkpoints."""
    with unit_of_work() as session:
        own = {view.id: name_of(view) for view in adapter.find(session, writer.id)}
    try:
        shared = generation.shared_voices()
    except ServiceAway:
        shared = []
    return own | {card.id: card.title or card.id for card in shared if card.kind == "checkpoint"}


def _rows(found: list[ComparisonView]) -> Component:
    now = datetime.now(UTC)
    return html.Ul([_row(view, now) for view in found], className="rows comparison-rows")


def _row(view: ComparisonView, now: datetime) -> Component:
    left = view.num_pairs - view.num_picked
    told = view.result.words if view.result else f"{plural(left, 'pair')} to pick"
    link = dcc.Link(
        [html.Strong(f"{view.title_a} or {view.title_b}"), html.Span(told), html.Small(when(view.created_at, now))],
        href=f"{COMPARE_PATH}/{view.id}",
        id={"type": "open-comparison", "id": str(view.id)},
        className="row-link",
    )
    return html.Li(link, className="row")


def start(clicks: int | None, voice_a: str | None, voice_b: str | None, pairs: str | None) -> tuple[Any, Any]:
    """Begin, and go there; or why not."""
    if not clicks:
        raise PreventUpdate
    try:
        with unit_of_work() as session:
            begun = comparison.start(session, builder().id, voice_a or "", voice_b or "", num_pairs=int(pairs or 0))
    except AppError as error:
        return refusal(error.message, error.field or ""), dash.no_update
    return [], f"{COMPARE_PATH}/{begun.id}"


def register(dash_app: Dash) -> None:
    """Wire both pages."""
    asked = [State(f"compare-{name}", "value") for name in ("a", "b", "pairs")]
    shown = Output("compare-refusal", "children"), Output("url", "pathname", allow_duplicate=True)
    dash_app.callback(*shown, Input("compare-start", "n_clicks"), *asked, prevent_initial_call=True)(start)
    # Dash calls what has an output when that comes onto the page, and only then.
    drawn = Output("comparison", "title")
    dash_app.clientside_callback(ClientsideFunction("ghost", "comparing"), drawn, Input("comparison-id", "data"))
