"""The card of a dataset that tells what its new songs change: which measures have moved, and whether to train again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app import drift
from app.db import unit_of_work
from app.drift import DriftView
from dashboards import progress
from dashboards.builder import address_of, builder, button, plural
from dashboards.words import when

POLL_MS = 1_000
NUM_SHOWN = 3
EDGE = 1.08
"""The right end of the plots, over the farthest that anything reaches."""


def layout() -> list[Component]:
    """Where the card stands; it asks how far a measurement is while there is one."""
    return [html.Div(id="drift"), dcc.Interval(id="drift-poll", interval=POLL_MS, disabled=True)]


def card(view: DriftView, dataset_id: UUID) -> list[Component]:
    """What is new, what was measured of it, and the button that measures; nothing where nothing is new."""
    if view.version_number is None or (not view.num_new and not view.is_current):
        return []
    is_measuring = view.job is not None and not view.job.is_over
    new = f"{plural(view.num_new, 'song')} {'is' if view.num_new == 1 else 'are'} new since version"
    measure = button(
        "measure-drift",
        "Measure again" if view.card else "Measure what they change",
        "small",
        disabled=is_measuring or view.cannot_measure is not None,
        hidden=view.is_current and view.card is not None,
        **{"aria-describedby": "drift-note"},
    )
    head = html.Div([html.H2(f"{new} {view.version_number}", id="drift-title"), measure], className="drift-head")
    parts = [head, html.P(view.cannot_measure or "", id="drift-note", className="hint")]
    if view.job and (is_measuring or (view.is_current and view.card is None)):
        parts.append(progress.strip(view.job))
    if view.card:
        parts += _measured(view, view.card, dataset_id)
    return [html.Section(parts, className="statement wide drift", **{"aria-labelledby": "drift-title"})]


def _measured(view: DriftView, found: dict[str, Any], dataset_id: UUID) -> list[Component]:
    """The verdict, the measures, and how old they are."""
    measures = found["measures"]
    most = max((max(one["high"], one["baseline"]) for one in measures), default=1.0) * EDGE or 1.0
    words = [html.P(found["words"], id="drift-verdict", className="drift-verdict")]
    if found["is_worth_it"] and view.is_current:
        freeze = dcc.Link("Freeze them into a version", href=address_of(dataset_id, "versions"), id="drift-freeze")
        words.append(html.P([freeze, ", and train on that."], className="hint"))
    of = f"{found['num_new']:,} new songs against {found['num_old']:,} of version {view.measured_version}"
    ago = f", measured {when(view.measured_at, datetime.now(UTC))}" if view.measured_at else ""
    past = "" if view.is_current else " The songs have changed since."
    legend = (
        "A bar is what is new against what was: how far apart, and how sure that is (95 %). The line in it is what the "
        "old songs differ by among themselves."
    )
    rows = html.Ul([_row(one, most) for one in measures], className="drift-rows")
    return [*words, rows, html.P(f"{of}{ago}.{past} {legend}", id="drift-of", className="hint")]


def _row(one: dict[str, Any], most: float) -> Component:
    """One measure: its name, whether it has moved, its interval, and what there is more and less of."""
    low, high, at, usual = (f"{100 * one[name] / most:.2f}%" for name in ("low", "high", "divergence", "baseline"))
    plot = html.Div(
        [
            html.I(className="reach", style={"left": low, "width": f"calc({high} - {low})"}),
            html.I(className="usual", style={"left": usual}),
            html.I(className="point", style={"left": at}),
        ],
        className="interval",
        role="img",
        **{"aria-label": _in_words(one)},
    )
    tag = html.Span("moved" if one["has_moved"] else "as before", className="tag good" if one["has_moved"] else "tag")
    changes = [html.Li([html.Span(shift["what"]), html.Span(_change(shift))]) for shift in one["shifts"][:NUM_SHOWN]]
    return html.Li(
        [
            html.Div([html.B(one["title"]), tag], className="drift-name"),
            plot,
            *([html.Ul(changes, className="shifts hint")] if one["has_moved"] and changes else []),
        ],
        id=f"drift-{one['name']}",
        **{"data-moved": str(one["has_moved"]).lower()},
    )


def _in_words(one: dict[str, Any]) -> str:
    return (
        f"{one['title']}: {one['divergence']:.2f} bits apart, between {one['low']:.2f} and {one['high']:.2f}; the old "
        f"songs among themselves {one['baseline']:.2f}"
    )


def _change(shift: dict[str, Any]) -> str:
    """From which share to which; the spaces do not break.

    >>> _change({"before": 0.004, "after": 1.0}).replace("\N{NO-BREAK SPACE}", " ")
    '0.4 % → 100 %'
    """
    shares = (100 * float(shift[at]) for at in ("before", "after"))
    before, after = (f"{share:.0f}" if share >= 9.95 or not share else f"{share:.1f}" for share in shares)
    return f"{before} % → {after} %".replace(" ", "\N{NO-BREAK SPACE}")


def show(_revision: object, _touched: object, _ticks: int | None, dataset_id: str) -> tuple[list[Component], bool]:
    """The card as it is now, and whether it stands still."""
    with unit_of_work() as session:
        view = drift.get(session, builder().id, UUID(dataset_id))
    return card(view, UUID(dataset_id)), view.job is None or view.job.is_over


def measure(clicks: int | None, dataset_id: str) -> float:
    """Have it measured."""
    if not clicks:
        raise PreventUpdate
    with unit_of_work() as session:
        drift.measure(session, builder().id, UUID(dataset_id))
    return datetime.now(UTC).timestamp()


def register(dash_app: Dash) -> None:
    """Wire the card."""
    of_dataset, touched = State("dataset-id", "data"), Output("touched", "data", allow_duplicate=True)
    shown = Output("drift", "children"), Output("drift-poll", "disabled")
    changed = Input("revision", "data"), Input("touched", "data"), Input("drift-poll", "n_intervals")
    dash_app.callback(*shown, *changed, of_dataset)(show)
    asked = Input("measure-drift", "n_clicks")
    dash_app.callback(touched, asked, of_dataset, prevent_initial_call=True)(measure)
