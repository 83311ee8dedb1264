"""The page of one dataset: its name, how far its songs are, the job at work, and a tab for each thing to do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app import dataset
from app.auth import Writer
from app.db import unit_of_work
from dashboards import cleaning, drift, progress, rights, songs, statistics, versions
from dashboards.builder import PATH, TABS, Place, address_of, builder, button, plural

POLL_MS = 1_000
BODIES = {
    "songs": songs.layout,
    "rights": rights.layout,
    "cleaning": cleaning.layout,
    "versions": versions.layout,
    "statistics": statistics.layout,
}


def page(writer: Writer, place: Place) -> tuple[list[Component], str]:
    """The page on one of its tabs, and its title.

    Raises:
        NotFound: there is no such dataset, or it is somebody else's.
    """
    with unit_of_work() as session:
        view = dataset.get(session, writer.id, place.thing)
    tab = place.part
    stores = [
        dcc.Store(id="dataset-id", data=str(view.id)),
        dcc.Store(id="revision", data=view.revision),
        dcc.Interval(id="dataset-poll", interval=POLL_MS, disabled=view.job is None),
    ]
    body = html.Section(BODIES[tab](view), id=f"tab-{tab}", className="pane", **{"aria-label": TABS[tab]})
    shown = [*stores, _head(view), html.Div(_progress(view), id="progress"), html.Div(id="unread")]
    return [*shown, *drift.layout(), _tabs(view.id, tab), body], view.name


def _head(view: dataset.DatasetView) -> Component:
    name = dcc.Input(
        id="rename", type="text", value=view.name, maxLength=200, debounce=True, className="name", autoComplete="off"
    )
    sure = [
        html.P("You can bring it back for 30 days."),
        button({"type": "delete-dataset", "id": str(view.id)}, "Delete this dataset", "small danger"),
    ]
    delete = html.Details(
        [html.Summary("Delete", id="delete-open", className="button small quiet"), html.Div(sure, className="menu")],
        className="popover",
    )
    crumbs = html.Nav(
        html.Ol(html.Li(dcc.Link("Datasets", href=PATH, id="crumb-datasets"))),
        className="crumbs",
        **{"aria-label": "Where you are"},
    )
    label = html.Label("Name of the dataset", htmlFor="rename", className="unseen")
    row = html.Div([html.H1(view.name, className="unseen"), label, name, delete], className="title-row")
    return html.Header([crumbs, row], className="builder-head")


def _tabs(dataset_id: UUID, current: str) -> Component:
    links = [
        dcc.Link(
            title,
            href=address_of(dataset_id, tab),
            id=f"to-{tab}",
            className="tab-link current" if tab == current else "tab-link",
            **({"title": f"{title}, shown"} if tab == current else {}),
        )
        for tab, title in TABS.items()
    ]
    return html.Nav(links, className="tabs", **{"aria-label": "Parts of the dataset"})


def _progress(view: dataset.DatasetView) -> list[Component]:
    """The bar, its figures, how many can train and why not more, and the job."""
    return [
        progress.bar(view.counts),
        html.Div([progress.legend(view.counts), _counter(view)], className="figures-row"),
        *([progress.strip(view.job)] if view.job else [*_how_it_ended(view), *_blocked(view)]),
    ]


def _how_it_ended(view: dataset.DatasetView) -> list[Component]:
    """The last job, when it did not come through: there may be something to do."""
    last = view.last_job
    return [progress.strip(last)] if last and last.state in ("failed", "cancelled") else []


def _blocked(view: dataset.DatasetView) -> list[Component]:
    number = view.counts.get("blocked", 0)
    if not number:
        return []
    again = button("look-again", f"Look again for {plural(number, 'blocked song')}", "small")
    return [html.Div(again, className="actions")]


def _counter(view: dataset.DatasetView) -> Component:
    trainable, total = view.counts.get("trainable", 0), view.counts.get("total", 0)
    counted = html.Strong(f"{trainable:,} of {plural(total, 'song')} trainable", id="trainable")
    reasons = why_not_more(view)
    return html.Div([counted, *([html.Span(reasons, id="why-not")] if reasons else [])], className="counter")


def why_not_more(view: dataset.DatasetView) -> str:
    """What keeps the other songs from training, in words."""
    counts = view.counts
    unstated = view.rights.get("unknown", 0)
    parts = [
        (unstated, f"{unstated:,} without rights stated"),
        (counts.get("check", 0), f"{counts.get('check', 0):,} to check"),
        (counts.get("duplicates", 0), plural(counts.get("duplicates", 0), "duplicate")),
        (counts.get("dropped", 0), f"{counts.get('dropped', 0):,} dropped"),
        (counts.get("blocked", 0), f"{counts.get('blocked', 0):,} blocked by their source"),
        (counts.get("not_found", 0), f"{counts.get('not_found', 0):,} not found"),
    ]
    return ", ".join(words for number, words in parts if number)


def poll(_ticks: int | None, _touched: object, dataset_id: str, revision: Any) -> tuple[Any, bool, Any]:
    """How far it is now, whether it stands still, and the revision when there is a new one."""
    with unit_of_work() as session:
        view = dataset.get(session, builder().id, UUID(dataset_id))
    return _progress(view), view.job is None, no_update if view.revision == revision else view.revision


def look_again(clicks: int | None, dataset_id: str) -> float:
    """Look once more for the songs that a source refused to tell."""
    if not clicks:
        raise PreventUpdate
    with unit_of_work() as session:
        dataset.import_again(session, builder().id, UUID(dataset_id))
    return datetime.now(UTC).timestamp()


def show_unread(unread: dict[str, Any] | None, dataset_id: str) -> Any:
    """What could not be read of the list that was brought in last."""
    if not unread or unread["dataset"] != dataset_id:
        return []
    lines = [html.Li([html.B(problem["where"]), f" {problem['message']}"]) for problem in unread["problems"]]
    summary = html.Summary(
        f"{plural(len(lines), 'part')} of the list could not be used; the rest comes in", id="unread-open"
    )
    return html.Details([summary, html.Ul(lines)], className="unread", open=True)


def rename(name: str | None, dataset_id: str) -> tuple[str, str]:
    """Give the dataset another name; the page has it too."""
    with unit_of_work() as session:
        view = dataset.save(session, builder().id, UUID(dataset_id), name=name or "")
    return view.name, view.name


def register(dash_app: Dash) -> None:
    """Wire the frame, the card of drift and the tabs."""
    late: dict[str, Any] = {"prevent_initial_call": True}
    callback = dash_app.callback
    of_dataset, touched = State("dataset-id", "data"), Output("touched", "data", allow_duplicate=True)
    shown = [Output("progress", "children"), Output("dataset-poll", "disabled"), Output("revision", "data")]
    asked = Input("dataset-poll", "n_intervals"), Input("touched", "data")
    callback(*shown, *asked, of_dataset, State("revision", "data"), **late)(poll)
    named = Output("rename", "value"), Output("builder-title", "data", allow_duplicate=True)
    callback(*named, Input("rename", "value"), of_dataset, **late)(rename)
    callback(touched, Input("look-again", "n_clicks"), of_dataset, **late)(look_again)
    callback(Output("unread", "children"), Input("problems", "data"), Input("dataset-id", "data"))(show_unread)
    for tab in (drift, songs, rights, cleaning, versions):
        tab.register(dash_app)
