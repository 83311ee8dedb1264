"""The two drawers: the library of lyrics, and the versions of the open one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from dash import ALL, ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app import lyric
from app.auth import Writer, current_writer
from app.db import unit_of_work
from dashboards.studio import as_words
from dashboards.words import lyric_id_in, when

REASONS = {
    "edited": "While writing",
    "before_write": "Before a take",
    "restored": "Before a restore",
    "conflict": "Put aside: changed in two places",
}


def layout() -> list[Component]:
    """Both drawers, empty, and the stores through which they speak."""
    new = dcc.Link("New lyric", href="/", id="new-lyric", className="button small primary")
    return [
        *(dcc.Store(id=name) for name in ("deleted", "restored")),
        _drawer(
            "library",
            "Library",
            [html.Div(id="library-undo", role="status"), html.Div(id="library-list")],
            new,
        ),
        _drawer("versions", "Versions", [html.Div(id="version-list")]),
    ]


def _drawer(name: str, title: str, body: list[Component], action: Component | None = None) -> Component:
    close = html.Button(
        id=f"{name}-close",
        type="button",
        className="icon-button icon-close",
        **{"data-closes": "", "aria-label": "Close"},
    )
    head = html.Header([html.H2(title, id=f"{name}-title"), *([action] if action else []), close])
    sheet = html.Div([head, html.Div(body, className="drawer-body")], className="drawer-sheet")
    return html.Dialog(sheet, id=name, className="drawer", **{"aria-labelledby": f"{name}-title"})


def show_library(_clicks: int | None = None) -> list[Component]:
    """The writer's lyrics, the last touched first; below them what was deleted lately."""
    now = datetime.now(UTC)
    writer = current_writer()
    found: list[lyric.LyricSummary] = []
    gone: list[lyric.LyricSummary] = []
    if writer is not None:
        with unit_of_work() as session:
            found, gone = lyric.find(session, writer.id), lyric.deleted(session, writer.id)
    shown: list[Component] = [html.Ul([_lyric_row(summary, now) for summary in found], className="rows")]
    if not found:
        shown = [_nothing("Nothing here yet. The first line you write is kept by itself.")]
    return [*shown, _recently_deleted(gone)] if gone else shown


def _recently_deleted(gone: list[lyric.LyricSummary]) -> Component:
    rows = [
        html.Li([html.Span(_named(summary)), _bring_back_button("Bring back", summary, place="list")], className="row")
        for summary in gone
    ]
    return html.Details(
        [html.Summary("Recently deleted", id="deleted-open"), html.Ul(rows, className="rows")], className="deleted"
    )


def _bring_back_button(label: str, summary: lyric.LyricSummary, *, place: str) -> Component:
    return html.Button(
        [label, html.Span(f" {_named(summary)}", className="unseen")],
        id={"type": "undelete-lyric", "id": str(summary.id), "place": place},
        type="button",
        className="button small",
    )


def _named(summary: lyric.LyricSummary) -> str:
    return summary.title or summary.first_line or "Untitled"


def _lyric_row(summary: lyric.LyricSummary, now: datetime) -> Component:
    title = _named(summary)
    second = summary.first_line if summary.title else ""
    return html.Li(
        className="row",
        children=[
            dcc.Link(
                [html.Strong(title), html.Span(second), html.Small(when(summary.updated_at, now))],
                href=f"/lyrics/{summary.id}",
                id={"type": "open-lyric", "id": str(summary.id)},
                className="row-link",
            ),
            html.Button(
                html.Span(f"Delete {title}", className="unseen"),
                id={"type": "delete-lyric", "id": str(summary.id)},
                type="button",
                className="icon-button icon-only icon-delete",
                title="Delete",
            ),
        ],
    )


def show_versions(_clicks: int | None, pathname: str | None) -> list[Component]:
    """What the open lyric said before."""
    now = datetime.now(UTC)
    writer, lyric_id = current_writer(), lyric_id_in(pathname)
    if writer is None or lyric_id is None:
        return [_nothing("No versions yet. One is put aside before every take, and now and then while you type.")]
    with unit_of_work() as session:
        found = lyric.versions(session, writer.id, lyric_id)
    if not found:
        return [_nothing("No versions yet. One is put aside before every take, and now and then while you type.")]
    return [_version_row(version, now) for version in found]


def _version_row(version: lyric.VersionView, now: datetime) -> Component:
    num_lines = len([line for line in version.text.splitlines() if line.strip()])
    count = f"{num_lines} line{'' if num_lines == 1 else 's'}"
    caption = [html.Strong(when(version.created_at, now)), html.Span(f"{REASONS[version.reason]}, {count}")]
    restore = html.Button(
        "Restore this", id={"type": "restore-version", "id": str(version.id)}, type="button", className="button small"
    )
    title = [html.H3(version.title)] if version.title else []
    return html.Details([html.Summary(caption), *title, html.Pre(version.text), restore], className="version")


def _nothing(words: str) -> Component:
    return html.P(words, className="nothing")


def put_away(_clicks: list[int | None]) -> tuple[list[Component], list[Component], dict[str, str]]:
    """Delete a lyric; the library without it, the way back, and what the editor must know."""
    writer, lyric_id = _pressed_by()
    with unit_of_work() as session:
        lyric.delete(session, writer.id, lyric_id)
        session.flush()
        gone = next(summary for summary in lyric.deleted(session, writer.id) if summary.id == lyric_id)
    undo = html.Div(
        [html.Span(f"Deleted \u201c{_named(gone)}\u201d."), _bring_back_button("Undo", gone, place="note")],
        className="undo",
    )
    return show_library(), [undo], {"id": str(lyric_id)}


def bring_back(_clicks: list[int | None]) -> tuple[list[Component], list[Component], str]:
    """Undelete a lyric; the library with it, no way back any more, and its address."""
    writer, lyric_id = _pressed_by()
    with unit_of_work() as session:
        lyric.undelete(session, writer.id, lyric_id)
    return show_library(), [], f"/lyrics/{lyric_id}"


def restore(_clicks: list[int | None], pathname: str | None) -> dict[str, Any]:
    """Make the open lyric say what a version says."""
    writer, version_id = _pressed_by()
    lyric_id = lyric_id_in(pathname)
    if lyric_id is None:
        raise PreventUpdate
    with unit_of_work() as session:
        return as_words(lyric.restore(session, writer.id, lyric_id, version_id))


def _pressed_by() -> tuple[Writer, UUID]:
    """Who pressed the button of which row. Rows that only appeared were not pressed by anybody."""
    writer = current_writer()
    if writer is None or not ctx.triggered_id or not ctx.triggered[0]["value"]:
        raise PreventUpdate
    return writer, UUID(ctx.triggered_id["id"])


def register(dash_app: Dash) -> None:
    """Wire the drawers."""
    late = {"prevent_initial_call": True}
    shown = Output("library-list", "children", allow_duplicate=True)
    undo = Output("library-undo", "children", allow_duplicate=True)
    callback, on_page = dash_app.callback, dash_app.clientside_callback
    callback(shown, Input("library-open", "n_clicks"), **late)(show_library)
    callback(shown, undo, Output("deleted", "data"), _row_button("delete-lyric"), **late)(put_away)
    gone = Input({"type": "undelete-lyric", "id": ALL, "place": ALL}, "n_clicks")
    callback(shown, undo, Output("url", "pathname"), gone, **late)(bring_back)
    at = State("url", "pathname")
    callback(Output("version-list", "children"), Input("versions-open", "n_clicks"), at, **late)(show_versions)
    callback(Output("restored", "data"), _row_button("restore-version"), at, **late)(restore)
    on_page(ClientsideFunction("ghost", "restored"), Input("restored", "data"))
    on_page(ClientsideFunction("ghost", "deleted"), Input("deleted", "data"))


def _row_button(kind: str) -> Input:
    return Input({"type": kind, "id": ALL}, "n_clicks")
