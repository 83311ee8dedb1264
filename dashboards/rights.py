"""The tab Rights: by what right songs are used, for the marked ones or in bulk, with an attestation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import dash
import dash_bootstrap_components as dbc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app import dataset, song
from app.db import unit_of_work
from app.errors import AppError, BadInput
from dashboards import songs
from dashboards.builder import RIGHTS, STATES, builder, button, plural, refusal, select

GRID = "rights-songs"
WHICH = {
    "unknown": "All songs without rights stated",
    "marked": "The songs marked in the table",
    "all": "All songs that are kept",
} | {f"state:{state}": f"All songs in the state \u201c{words.lower()}\u201d" for state, words in STATES.items()}
NOTES = {
    "unknown": ("Note", "Songs without rights are kept, and train nothing."),
    "mine": ("Note (if you like)", "You wrote the words, or hold their rights."),
    "licensed": ("Who licensed them, and how", "Such as: Harbour Music, licence of 3 May 2026, training included."),
    "public_domain": ("Link to the source", "Such as https://www.gutenberg.org/ebooks/21300."),
}
ATTEST = (
    "I state that this is so for every one of these songs, and that I may use them to train a voice. "
    "My name and the time are kept with them."
)


def layout(_view: dataset.DatasetView) -> list[Component]:
    """The statement on the left, the songs on the right."""
    note = dcc.Input(id="rights-note", type="text", maxLength=1_000, autoComplete="off")
    statement = html.Section(
        [
            html.H2("State the rights", id="rights-title"),
            html.P(
                "A song trains a voice only when you say by what right. What nobody has stated counts as unknown.",
                className="hint",
            ),
            select("rights-which", WHICH, "unknown", "For"),
            select("rights-kind", {key: RIGHTS[key] for key in (*list(RIGHTS)[1:], "unknown")}, "mine", "They are"),
            html.Div(
                [
                    html.Label(NOTES["mine"][0], htmlFor="rights-note", id="rights-note-label"),
                    note,
                    html.Small(NOTES["mine"][1], id="rights-note-hint"),
                ],
                className="field",
            ),
            dbc.Checkbox(id="rights-attest", label=ATTEST, value=False, label_id="rights-attest-label"),
            button("rights-apply", "Set rights", "primary", disabled=True),
            button("rights-undo", "Undo", "quiet"),
            html.Div(id="rights-refusal"),
        ],
        className="statement",
        **{"aria-labelledby": "rights-title"},
    )
    counts = html.Ul(id="rights-counts", className="legend")
    show = select("rights-show", {"all": "All rights"} | RIGHTS, "all", "Show")
    shown = html.Div([show, counts, html.P(id="rights-total", role="status")], className="table-tools")
    return [html.Div([statement, html.Div([shown, songs.table(GRID, has_boxes=True)])], className="rights-room")]


def count(_revision: object, dataset_id: str) -> list[Component]:
    """How many songs there are by each right."""
    with unit_of_work() as session:
        view = dataset.get(session, builder().id, UUID(dataset_id))
    return [
        html.Li([html.B(f"{view.rights.get(key, 0):,}"), f" {words.lower()}"], id=f"rights-count-{key}")
        for key, words in RIGHTS.items()
    ]


def rows(request: dict[str, Any] | None, dataset_id: str, rights: str | None) -> tuple[Any, str]:
    """The rows that the table has in sight."""
    return songs.rows_of(request, dataset_id, rights=None if rights == "all" else rights)


def dress(kind: str, has_attested: bool | None) -> tuple[str, str, bool]:
    """What the note is for, and whether the button does something: stating a right needs the attestation."""
    label, hint = NOTES[kind]
    return label, hint, kind != "unknown" and not has_attested


def state(
    clicks: int | None,
    which: str,
    kind: str,
    note: str | None,
    has_attested: bool | None,
    marked: list[dict[str, Any]] | None,
    dataset_id: str,
) -> tuple[Any, Any, Any, Any]:
    """State the rights of songs; what went wrong, that something was touched, and an empty statement again."""
    if not clicks:
        raise PreventUpdate
    try:
        chosen = _selection(which, marked or [])
        with unit_of_work() as session:
            number = song.set_rights(
                session, builder().id, UUID(dataset_id), chosen, kind, note=note or "", attest=bool(has_attested)
            )
    except AppError as error:
        return refusal(error.message, error.field or ""), dash.no_update, dash.no_update, dash.no_update
    words = f"{RIGHTS[kind]}: {plural(number, 'song')}." if number else "There was no such song: nothing has changed."
    dash.set_props("notice", {"data": {"message": words}})
    return [], datetime.now(UTC).timestamp(), False, ""


def _selection(which: str, marked: list[dict[str, Any]]) -> song.Selection:
    if which == "marked":
        if not marked:
            raise BadInput("Mark songs in the table first.", field="songs")
        return song.Selection(ids=frozenset(UUID(row["id"]) for row in marked))
    if which.startswith("state:"):
        return song.Selection(state=which.removeprefix("state:"))
    return song.Selection(rights="unknown") if which == "unknown" else song.Selection()


def undo(clicks: int | None, dataset_id: str) -> float:
    """Undo what was done last."""
    if not clicks:
        raise PreventUpdate
    songs.undo_last(UUID(dataset_id))
    return datetime.now(UTC).timestamp()


def marked_first(marked: list[dict[str, Any]] | None) -> str:
    """Who marks songs means those."""
    if not marked:
        raise PreventUpdate
    return "marked"


def register(dash_app: Dash) -> None:
    """Wire the tab."""
    late: dict[str, Any] = {"prevent_initial_call": True}
    callback, on_page = dash_app.callback, dash_app.clientside_callback
    of_dataset, touched = State("dataset-id", "data"), Output("touched", "data", allow_duplicate=True)
    callback(Output("rights-counts", "children"), Input("revision", "data"), of_dataset)(count)
    shown = Output(GRID, "getRowsResponse"), Output("rights-total", "children")
    callback(*shown, Input(GRID, "getRowsRequest"), of_dataset, State("rights-show", "value"))(rows)
    on_page(ClientsideFunction("ghost", "restartSongs"), Input("rights-show", "value"), **late)
    callback(Output("rights-which", "value"), Input(GRID, "selectedRows"), **late)(marked_first)
    dressed = [Output("rights-note-label", "children"), Output("rights-note-hint", "children")]
    kind, attested = ("rights-kind", "value"), ("rights-attest", "value")
    callback(*dressed, Output("rights-apply", "disabled"), Input(*kind), Input(*attested))(dress)
    given = [State("rights-which", "value"), State(*kind), State("rights-note", "value"), State(*attested)]
    answered = [
        Output("rights-refusal", "children"),
        touched,
        Output("rights-attest", "value"),
        Output("rights-note", "value"),
    ]
    callback(*answered, Input("rights-apply", "n_clicks"), *given, State(GRID, "selectedRows"), of_dataset, **late)(
        state
    )
    callback(touched, Input("rights-undo", "n_clicks"), of_dataset, **late)(undo)
