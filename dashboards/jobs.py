"""The jobs of a builder: what waits, what runs, what is over; cancel and try again, here and on a dataset's page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from dash import ALL, Dash, Input, Output, ctx, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app import job
from app.auth import Writer
from app.db import unit_of_work
from dashboards import progress
from dashboards.builder import PATH, address_of, builder, heading, nothing
from dashboards.words import when

POLL_MS = 1_500


def page(writer: Writer) -> tuple[list[Component], str]:
    """The page and its title."""
    shown, is_still = _listed(writer)
    return [
        heading("Jobs", crumbs=[("Datasets", PATH)]),
        html.Div(shown, id="job-list"),
        dcc.Interval(id="jobs-poll", interval=POLL_MS, disabled=is_still),
    ], "Jobs"


def poll(_ticks: int | None, _touched: object) -> tuple[list[Component], bool]:
    """The jobs as they are now, and whether all are over."""
    return _listed(builder())


def _listed(writer: Writer) -> tuple[list[Component], bool]:
    with unit_of_work() as session:
        found = job.find(session, writer.id)
    if not found:
        return [nothing("No jobs yet. An import, a cleaning and a freeze are jobs; each goes on when you leave.")], True
    now = datetime.now(UTC)
    return [html.Ul([_row(view, now) for view in found], className="jobs")], all(view.is_over for view in found)


def _row(view: job.JobView, now: datetime) -> Component:
    link = (
        dcc.Link(
            view.dataset_name or "Dataset", href=address_of(view.dataset_id), id={"type": "job-of", "id": str(view.id)}
        )
        if view.dataset_id and view.dataset_name
        else html.Span("a dataset that is deleted")
    )
    ended = f", ended {when(view.finished_at, now)}" if view.finished_at else ""
    caption = html.P([link, html.Small(f" asked for {when(view.created_at, now)}{ended}")], className="job-of")
    return html.Li([caption, progress.strip(view)], id=f"job-{view.id}")


def cancel(_clicks: list[int | None]) -> float:
    """Cancel the job whose button was pressed."""
    return _done(job.cancel)


def retry(_clicks: list[int | None]) -> float:
    """Have the job whose button was pressed done again."""
    return _done(job.retry)


def _done(verb: Any) -> float:
    if not ctx.triggered_id or not ctx.triggered[0]["value"]:
        raise PreventUpdate  # the button only appeared
    with unit_of_work() as session:
        verb(session, builder().id, UUID(ctx.triggered_id["id"]))
    return datetime.now(UTC).timestamp()


def register(dash_app: Dash) -> None:
    """Wire the page, and the two buttons wherever a job is shown."""
    late: dict[str, Any] = {"prevent_initial_call": True}
    shown = Output("job-list", "children"), Output("jobs-poll", "disabled")
    dash_app.callback(*shown, Input("jobs-poll", "n_intervals"), Input("touched", "data"), **late)(poll)
    for kind, verb in (("cancel-job", cancel), ("retry-job", retry)):
        pressed = Input({"type": kind, "id": ALL}, "n_clicks")
        dash_app.callback(Output("touched", "data", allow_duplicate=True), pressed, **late)(verb)
