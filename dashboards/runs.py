"""All trainings of a person: where each stands, and the curves of some of them in one plot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import dash_bootstrap_components as dbc
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app import run
from app.auth import Writer
from app.db import unit_of_work
from app.run import RunView
from dashboards import board, plots
from dashboards.builder import RUNS_PATH, TRAIN_PATH, VOICES_PATH, builder, button, heading, nothing
from dashboards.words import when

POLL_MS = 2_000
MAX_COMPARED = len(plots.COLOURS)
Shown = list[Component]


def page(writer: Writer) -> tuple[Shown, str]:
    """The list and its title."""
    with unit_of_work() as session:
        found = run.find(session, writer.id)
    new = dcc.Link("Train a voice", href=TRAIN_PATH, id="new-run", className="button primary")
    head = heading("Training", crumbs=[("Voices", VOICES_PATH)], action=new)
    if not found:
        words = (
            "A training reads a frozen version of your songs and makes a voice of them; here you watch it and compare."
        )
        return [head, nothing("Nothing has been trained yet.", words)], "Training"
    return [
        head,
        html.Div(id="runs-compared", **{"aria-live": "polite"}),
        html.Div(_rows(found, []), id="run-list"),
        dcc.Interval(id="runs-poll", interval=POLL_MS, disabled=all(view.is_over for view in found)),
    ], "Training"


def _rows(found: Sequence[RunView], ticked: Sequence[str]) -> Shown:
    now = datetime.now(UTC)
    return [html.Ul([_row(view, now, str(view.id) in ticked) for view in found], className="rows run-rows")]


def _row(view: RunView, now: datetime, is_ticked: bool) -> Component:
    name = f"{view.title} v{view.number}"
    songs = f"{view.dataset.name}, version {view.dataset.number}" if view.dataset else "songs that are deleted"
    state = board.STATE_WORDS.get(view.state, view.state)
    doing = board.in_words(view) if not view.is_over else f"{state} {when(view.finished_at or view.created_at, now)}"
    link = dcc.Link(
        [
            html.Strong(name),
            html.Span(f"{songs} \u00b7 {view.config['checkpoint']} \u00b7 {view.config['effort']}"),
            html.Small(doing),
        ],
        href=f"{RUNS_PATH}/{view.id}",
        id={"type": "open-run", "id": str(view.id)},
        className="row-link",
    )
    tick = dbc.Checkbox(
        id={"type": "compare-run", "id": str(view.id)},
        label=html.Span(f"Compare {name}", className="unseen"),
        value=is_ticked,
    )
    again = dcc.Link(
        "Clone",
        href=f"{RUNS_PATH}/{view.id}/again",
        id={"type": "again-run", "id": str(view.id)},
        className="button small",
    )
    sure = [
        html.P("Its curves, samples and log go with it, and the voice that it made. This cannot be undone."),
        button({"type": "delete-run", "id": str(view.id)}, f"Delete {name}", "small danger"),
    ]
    summary = html.Summary("Delete", className="button small quiet", id={"type": "delete-run-open", "id": str(view.id)})
    delete = html.Details([summary, html.Div(sure, className="menu")], className="popover")
    tag = html.Span(state, className=f"tag run-{view.state}")
    return html.Li([tick, link, tag, again, delete], className="row", id=f"run-{view.id}")


def poll(_ticks: int | None, _touched: object, ticked: list[bool], ids: list[dict[str, str]]) -> tuple[Any, bool]:
    """The list as it is now, the ticks kept, and whether all are over."""
    with unit_of_work() as session:
        found = run.find(session, builder().id)
    return _rows(found, _chosen(ticked, ids)), all(view.is_over for view in found)


def _chosen(ticked: Sequence[bool | None], ids: Sequence[dict[str, str]]) -> list[str]:
    return [one["id"] for one, is_ticked in zip(ids, ticked, strict=True) if is_ticked]


def compare(ticked: list[bool], _rows: object, ids: list[dict[str, str]]) -> Any:
    """The validation curves of the ticked runs in one plot."""
    chosen = _chosen(ticked, ids)
    if not chosen:
        return html.P("Tick runs to see their curves side by side.", className="hint")
    if len(chosen) > MAX_COMPARED:
        return html.P(f"At most {MAX_COMPARED} runs can be told apart in one plot.", className="hint")
    with unit_of_work() as session:
        user_id = builder().id
        views = [run.get(session, user_id, UUID(one)) for one in chosen]
        told = [run.events(session, user_id, view.id, kinds=("validation",)) for view in views]
    lines = [
        plots.Curve(
            f"{view.title} v{view.number}",
            [
                (step * view.config["batch_tokens"], bits)
                for step, bits in board.points(events, "validation", "bits_per_byte")
            ],
            plots.COLOURS[at],
            has_marks=True,
            mark=plots.MARKS[at],
            dash=plots.DASHES[at],
        )
        for at, (view, events) in enumerate(zip(views, told, strict=True))
    ]
    figure = plots.curves(lines, x="Tokens trained on", y="Bits a byte, held-out songs", height=320)
    words = "; ".join(
        f"{line.name}: {min(bits for _, bits in line.points):.3f} at its best" for line in lines if line.points
    )
    return html.Div(
        plots.plot("runs-plot", "Side by side", figure, words or "None of them has looked at its held-out songs yet."),
        className="plots",
    )


def delete(_clicks: list[int | None]) -> float:
    """Delete the run whose button was pressed."""
    if not ctx.triggered_id or not ctx.triggered[0]["value"]:
        raise PreventUpdate  # the button only appeared
    with unit_of_work() as session:
        run.delete(session, builder().id, UUID(ctx.triggered_id["id"]))
    return datetime.now(UTC).timestamp()


def register(dash_app: Dash) -> None:
    """Wire the page."""
    late: dict[str, Any] = {"prevent_initial_call": True}
    callback = dash_app.callback
    ticks = {"type": "compare-run", "id": ALL}
    shown = Output("run-list", "children"), Output("runs-poll", "disabled")
    asked = Input("runs-poll", "n_intervals"), Input("touched", "data")
    callback(*shown, *asked, State(ticks, "value"), State(ticks, "id"), **late)(poll)
    callback(
        Output("runs-compared", "children"), Input(ticks, "value"), Input("run-list", "children"), State(ticks, "id")
    )(compare)
    gone = Output("touched", "data", allow_duplicate=True)
    callback(gone, Input({"type": "delete-run", "id": ALL}, "n_clicks"), **late)(delete)
