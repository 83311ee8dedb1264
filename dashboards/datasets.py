"""The list of datasets, and a new one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from dash import ALL, Dash, Input, Output, ctx, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app import dataset
from app.auth import Writer
from app.db import unit_of_work
from dashboards import progress, ways_in
from dashboards.builder import (
    JOBS_PATH,
    NEW_PATH,
    PATH,
    address_of,
    builder,
    button,
    heading,
    plural,
)
from dashboards.words import when

Shown = list[Component]


def new(_writer: Writer) -> tuple[Shown, str]:
    """The page of a new dataset, and its title."""
    return [heading("New dataset", crumbs=[("Datasets", PATH)]), ways_in.layout(None)], "New dataset"


def page(writer: Writer) -> tuple[Shown, str]:
    """The list and its title; for who has none yet, how to begin."""
    with unit_of_work() as session:
        found, gone = dataset.find(session, writer.id), dataset.deleted(session, writer.id)
    if not found:
        return [heading("Datasets"), _welcome(), ways_in.layout(None), *_recently_deleted(gone)], "Datasets"
    new = dcc.Link("New dataset", href=NEW_PATH, id="new-dataset", className="button primary")
    is_moving = any(view.job for view in found)
    return [
        heading("Datasets", action=new),
        html.Div(_rows(found), id="dataset-list"),
        dcc.Interval(id="datasets-poll", interval=2_000, disabled=not is_moving),
        *_recently_deleted(gone),
        html.P(dcc.Link("All jobs", href=JOBS_PATH, id="jobs-link"), className="foot"),
    ], "Datasets"


def _welcome() -> Component:
    return html.P(
        "A dataset is a collection of songs that can train a voice of your own: you say which songs, where their words "
        "come from and by what right you use them; then you freeze it, and that version never changes. "
        "Begin in one of four ways.",
        className="lead",
    )


def poll(_ticks: int | None) -> tuple[Shown, bool]:
    """The list as it is now, and whether it stands still."""
    writer = builder()
    with unit_of_work() as session:
        found = dataset.find(session, writer.id)
    return _rows(found), not any(view.job for view in found)


def _rows(found: list[dataset.DatasetView]) -> Shown:
    now = datetime.now(UTC)
    return [html.Ul([_row(view, now) for view in found], className="rows dataset-rows")]


def _row(view: dataset.DatasetView, now: datetime) -> Component:
    total, trainable = view.counts.get("total", 0), view.counts.get("trainable", 0)
    doing = progress.in_words(view.job) if view.job else f"changed {when(view.updated_at, now)}"
    versions = f" · {plural(view.num_versions, 'version')}" if view.num_versions else ""
    link = dcc.Link(
        [
            html.Strong(view.name),
            html.Span(f"{plural(total, 'song')}, {trainable:,} trainable{versions}"),
            html.Small(doing),
        ],
        href=address_of(view.id),
        id={"type": "open-dataset", "id": str(view.id)},
        className="row-link",
    )
    return html.Li([link, progress.bar(view.counts)], className="row")


def _recently_deleted(gone: list[dataset.DatasetView]) -> Shown:
    if not gone:
        return []
    rows = [
        html.Li(
            [
                html.Span(view.name),
                button({"type": "undelete-dataset", "id": str(view.id)}, ["Bring back", _unseen(view.name)], "small"),
            ],
            className="row",
        )
        for view in gone
    ]
    summary = html.Summary("Recently deleted", id="deleted-datasets-open")
    return [html.Details([summary, html.Ul(rows, className="rows")], className="deleted")]


def _unseen(words: str) -> Component:
    return html.Span(f" {words}", className="unseen")


def delete(_clicks: list[int | None]) -> str:
    """Delete a dataset; back to the list."""
    with unit_of_work() as session:
        dataset.delete(session, builder().id, _pressed())
    return PATH


def undelete(_clicks: list[int | None]) -> str:
    """Bring a deleted dataset back, and open it."""
    with unit_of_work() as session:
        return address_of(dataset.undelete(session, builder().id, _pressed()).id)


def _pressed() -> UUID:
    """The dataset whose button was pressed. Buttons that only appeared were not pressed by anybody."""
    if not ctx.triggered_id or not ctx.triggered[0]["value"]:
        raise PreventUpdate
    return UUID(ctx.triggered_id["id"])


def register(dash_app: Dash) -> None:
    """Wire the list."""
    late: dict[str, Any] = {"prevent_initial_call": True}
    callback = dash_app.callback
    polled = Output("dataset-list", "children"), Output("datasets-poll", "disabled")
    callback(*polled, Input("datasets-poll", "n_intervals"), **late)(poll)
    for kind, verb in (("delete-dataset", delete), ("undelete-dataset", undelete)):
        pressed = Input({"type": kind, "id": ALL}, "n_clicks")
        callback(Output("url", "pathname", allow_duplicate=True), pressed, **late)(verb)
