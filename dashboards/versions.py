"""The tab Versions: freeze what may train, and look at, compare, download, roll back to or delete what was frozen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import dash
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app import dataset, dataset_version
from app.db import unit_of_work
from app.errors import AppError
from dashboards.builder import RIGHTS, TRAIN_PATH, builder, button, nothing, plural, refusal, select, source_name
from dashboards.words import when

KINDS = {"txt": "Text", "jsonl": "JSON lines", "zip": "Zip"}
SHORT_HASH = 12
FREEZE_FIRST = "A voice is trained on a frozen version: freeze one first."
MAX_SHOWN = 500
"""Songs of one kind that a comparison names; the rest is counted."""


def layout(view: dataset.DatasetView) -> list[Component]:
    """What can be frozen now, and below it what was."""
    intro = (
        "A frozen version never changes: its hash names these songs, these words and these rights for as long as "
        "anything is trained on it."
    )
    return [
        html.Section(
            [
                html.P(intro, className="hint"),
                html.Div(id="freeze-room"),
                html.Div(id="freeze-refusal"),
            ],
            className="statement wide",
            **{"aria-label": "Freeze"},
        ),
        html.Div(id="version-rows"),
        html.Div(id="version-note", role="status"),
        html.Section(
            [html.H2("Compare", id="compare-title"), html.Div(id="compare-choice"), html.Div(id="compare")],
            id="compare-room",
            hidden=view.num_versions < 2,
            **{"aria-labelledby": "compare-title"},
        ),
    ]


def show(_revision: object, dataset_id: str) -> tuple[Any, Any, Any, bool]:
    """What can be frozen, the versions, and which of them can be compared."""
    with unit_of_work() as session:
        user_id = builder().id
        view = dataset.get(session, user_id, UUID(dataset_id))
        found = dataset_version.find(session, user_id, UUID(dataset_id))
    rows = html.Ul([_row(one, dataset_id) for one in found], className="rows versions")
    none = nothing("No version yet. Freeze one when the songs that are to train have their rights.")
    return _freeze(view, found), rows if found else none, _choice(found), len(found) < 2


def _freeze(view: dataset.DatasetView, found: list[dataset_version.VersionView]) -> list[Component]:
    """The two buttons, and in words why one of them does nothing."""
    is_freezing = view.job is not None and view.job.kind == "freeze"
    why = "A version is being frozen." if is_freezing else view.cannot_freeze
    number = found[0].number + 1 if found else 1
    ready = f"{plural(view.counts.get('trainable', 0), 'song')} can be frozen."
    buttons = [
        button(
            "freeze",
            f"Freeze version {number}",
            "primary",
            disabled=why is not None,
            **{"aria-describedby": "freeze-why"},
        ),
        _train(view.id, found),
    ]
    return [
        html.Div(buttons, className="actions"),
        html.P(why or ready, id="freeze-why"),
        *([] if found else [html.P(view.cannot_freeze or FREEZE_FIRST, id="train-why", className="hint")]),
    ]


def _train(dataset_id: UUID, found: list[dataset_version.VersionView]) -> Component:
    """The way to a voice; where nothing is frozen, a button that does nothing, with the reason below."""
    if not found:
        return button("train", "Train a voice", disabled=True, **{"aria-describedby": "train-why"})
    path = f"{TRAIN_PATH}/{dataset_id}/{found[0].number}"
    return dcc.Link(f"Train a voice on version {found[0].number}", href=path, id="train", className="button")


def _row(one: dataset_version.VersionView, dataset_id: str) -> Component:
    number = one.number
    facts = [
        f"{plural(one.counts.get('songs', 0), 'song')}, {plural(one.counts.get('lines', 0), 'line')}",
        ", ".join(f"{count:,} {RIGHTS.get(right, right).lower()}" for right, count in one.rights.items() if count),
        "words from " + ", ".join(source_name(source) for source in one.sources),
        ", ".join(f"{count:,} {part}" for part, count in one.splits.items()),
    ]
    links = [
        html.A(
            words,
            href=f"/api/v1/datasets/{dataset_id}/versions/{number}/download?as={kind}",
            id=f"download-{number}-{kind}",
            className="button small",
            download="",
        )
        for kind, words in KINDS.items()
    ]
    sure = [
        html.P("It is gone from the files too, and its number is not given again."),
        button({"type": "delete-version", "id": str(number)}, f"Delete version {number} for good", "small danger"),
    ]
    delete = html.Details(
        [
            html.Summary("Delete", id=f"delete-version-{number}", className="button small quiet"),
            html.Div(sure, className="menu"),
        ],
        className="popover",
    )
    train = dcc.Link(
        "Train a voice", href=f"{TRAIN_PATH}/{dataset_id}/{number}", id=f"train-{number}", className="button small"
    )
    back = button({"type": "roll-back", "id": str(number)}, "Roll back to it", "small")
    digest = html.Code(one.content_sha256[:SHORT_HASH], title=one.content_sha256, id=f"hash-{number}")
    title = [html.B(f"Version {number}"), html.Small(when(one.created_at, datetime.now(UTC))), digest]
    return html.Li(
        [
            html.Div(title, className="version-title"),
            html.P(" \u00b7 ".join(fact for fact in facts if fact), className="hint"),
            html.Div([html.Span("Download", className="caption"), *links, train, back, delete], className="actions"),
        ],
        className="version-row",
        id=f"version-{number}",
    )


def _choice(found: list[dataset_version.VersionView]) -> Any:
    if len(found) < 2:
        return []
    names = {str(one.number): f"Version {one.number}" for one in found}
    before, after = str(found[1].number), str(found[0].number)
    return html.Div(
        [select("compare-from", names, before, "From"), select("compare-to", names, after, "to")],
        className="table-tools",
    )


def compare(before: str | None, after: str | None, dataset_id: str) -> Any:
    """What one version has, lacks and holds differently, seen from another."""
    if not before or not after or before == after:
        return nothing("Choose two different versions.")
    try:
        with unit_of_work() as session:
            found = dataset_version.diff(session, builder().id, UUID(dataset_id), int(before), int(after))
    except AppError as error:
        return refusal(error.message)
    if not (found.added or found.removed or found.changed):
        return nothing(f"Version {before} and version {after} hold the same songs.")
    parts = [
        _songs("added", "Added", "+", [(one, "") for one in found.added]),
        _songs("removed", "Removed", "-", [(one, "") for one in found.removed]),
        _songs("changed", "Changed", "~", [(one, ", ".join(one.fields)) for one in found.changed]),
    ]
    return html.Div(parts, className="comparison")


def _songs(name: str, title: str, sign: str, songs: list[tuple[Any, str]]) -> Component:
    entries = [
        html.Li([html.Span(sign, className="sign", **{"aria-hidden": "true"}), _name_of(one), html.Small(note)])
        for one, note in songs[:MAX_SHOWN]
    ]
    left = len(songs) - MAX_SHOWN
    more = [html.Li(f"and {left:,} more", className="hint")] if left > 0 else []
    return html.Section(
        [html.H3(f"{title}: {len(songs):,}"), html.Ul([*entries, *more])], className=name, id=f"compare-{name}"
    )


def _name_of(one: Any) -> str:
    return " \u2013 ".join(part for part in (one.artist, one.title) if part) or "Untitled"


def freeze(clicks: int | None, dataset_id: str) -> tuple[Any, Any]:
    """Ask for a version; why there is none, or that something was touched."""
    if not clicks:
        raise PreventUpdate
    try:
        with unit_of_work() as session:
            dataset_version.freeze(session, builder().id, UUID(dataset_id))
    except AppError as error:
        return refusal(error.message), dash.no_update
    return [], datetime.now(UTC).timestamp()


def roll_back(_clicks: list[int | None], dataset_id: str) -> tuple[str, float]:
    """Make the dataset hold a version's songs again; what that did, in words."""
    number = _pressed()
    with unit_of_work() as session:
        done = dataset_version.restore(session, builder().id, UUID(dataset_id), number)
    words = (
        f"The dataset holds the songs of version {number} again: {plural(done.restored, 'song')} put back "
        f"as they were, {done.brought_back:,} brought back, {done.dropped:,} dropped. Undo, in Songs, takes it back."
    )
    return words, datetime.now(UTC).timestamp()


def delete(_clicks: list[int | None], dataset_id: str) -> tuple[str, float]:
    """Delete a version for good."""
    number = _pressed()
    with unit_of_work() as session:
        dataset_version.delete(session, builder().id, UUID(dataset_id), number)
    return f"Version {number} is deleted.", datetime.now(UTC).timestamp()


def _pressed() -> int:
    """The version whose button was pressed. Buttons that only appeared were not pressed by anybody."""
    if not ctx.triggered_id or not ctx.triggered[0]["value"]:
        raise PreventUpdate
    return int(ctx.triggered_id["id"])


def register(dash_app: Dash) -> None:
    """Wire the tab."""
    late: dict[str, Any] = {"prevent_initial_call": True}
    callback = dash_app.callback
    of_dataset, touched = State("dataset-id", "data"), Output("touched", "data", allow_duplicate=True)
    shown = [Output(name, "children") for name in ("freeze-room", "version-rows", "compare-choice")]
    callback(*shown, Output("compare-room", "hidden"), Input("revision", "data"), of_dataset)(show)
    chosen = Input("compare-from", "value"), Input("compare-to", "value")
    callback(Output("compare", "children"), *chosen, of_dataset)(compare)
    callback(Output("freeze-refusal", "children"), touched, Input("freeze", "n_clicks"), of_dataset, **late)(freeze)
    note = Output("version-note", "children", allow_duplicate=True)
    for kind, verb in (("roll-back", roll_back), ("delete-version", delete)):
        callback(note, touched, Input({"type": kind, "id": ALL}, "n_clicks"), of_dataset, **late)(verb)
