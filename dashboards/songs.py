"""The tab Songs: the table of all songs, and beside it one song to review, by buttons or from the keyboard.

A song is opened by its row or by Next; what a button does goes through one store, `review-wish`, in which the bundle
names the song that comes after (frontend/src/datasets.ts): it alone knows the table as it is shown.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import dash
import dash_ag_grid as dag
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app import dataset, song
from app.db import unit_of_work
from dashboards import ways_in
from dashboards.builder import RIGHTS, STATES, builder, button, field, nothing, plural, safe_link, select, source_name

GRID = "songs"
SHOWN = {"all": "All songs"} | STATES | {"trainable": "Trainable", "dropped": "Dropped", "duplicate": "Duplicates"}
BLOCK = 100
"""Rows that the table asks for at once."""
KEYS = {
    "accept": ("Accept", "a"),
    "replace": ("Replace", "r"),
    "drop": ("Drop", "d"),
    "next": ("Next", "n"),
    "undo": ("Undo", "u"),
}
NONE_OPEN = "Choose a song in the table, or press n for the next one."


def layout(view: dataset.DatasetView) -> list[Component]:
    """The table and the review; more songs come in above them."""
    to_check = view.counts.get("check", 0)
    more = html.Details(
        [html.Summary("Add songs", id="add-songs", className="button small"), ways_in.layout(view.id)],
        className="more-songs",
        id="more-songs",
        open=view.counts.get("total", 0) == 0 and view.job is None,
    )
    search = dcc.Input(id="songs-q", type="search", placeholder="Artist or title", debounce=0.4, autoComplete="off")
    return [
        *(dcc.Store(id=name) for name in ("review-song", "review-wish")),
        more,
        html.Div(
            [
                select("songs-state", SHOWN, "check" if to_check else "all", "Show"),
                field("Find", search),
                html.P(id="songs-count", role="status"),
            ],
            className="table-tools",
        ),
        html.Div([table(GRID), _review()], className="review-room"),
    ]


def table(grid_id: str, *, has_boxes: bool = False) -> Component:
    """A table of songs that asks for the rows in sight and no others. Whatever stands in a cell is text."""
    columns = [
        {"field": "title", "headerName": "Title", "flex": 2, "minWidth": 140},
        {"field": "artist", "headerName": "Artist", "flex": 1.4, "minWidth": 100},
        {
            "field": "state_words",
            "headerName": "State",
            "flex": 1.2,
            "minWidth": 120,
            "cellClassRules": {
                f"state-cell-{state}": f"params.data && params.data.state == '{state}'" for state in STATES
            },
        },
        {"field": "why", "headerName": "Why", "flex": 1.8, "minWidth": 110, "tooltipField": "why"},
        {"field": "rights_words", "headerName": "Rights", "flex": 1.2, "minWidth": 110},
    ]
    selection = {
        "mode": "multiRow" if has_boxes else "singleRow",
        "checkboxes": has_boxes,
        "headerCheckbox": False,
        "enableClickSelection": True,
    }
    return dag.AgGrid(
        id=grid_id,
        columnDefs=columns,
        defaultColDef={"sortable": False, "resizable": True, "suppressMovable": True},
        rowModelType="infinite",
        getRowId="params.data.id",
        dashGridOptions={
            "rowSelection": selection,
            "cacheBlockSize": BLOCK,
            "rowBuffer": 10,
            "enableBrowserTooltips": True,
            "animateRows": False,
            "suppressCellFocus": False,
        },
        className="songs-table",
        style={"height": None},
    )


def _review() -> Component:
    buttons = [
        button(
            f"review-{name}",
            [words, html.Kbd(key, **{"aria-hidden": "true"})],
            "primary" if name == "accept" else "",
            disabled=name in ("accept", "replace", "drop"),
            title=f"{words}: press {key}",
        )
        for name, (words, key) in KEYS.items()
    ]
    send = html.Button("Use these words", id="review-replace-send", type="button", className="button primary")
    close = html.Button("Cancel", id="replace-close", type="button", className="button", **{"data-closes": ""})
    words = dcc.Textarea(id="replace-text", rows=14, maxLength=200_000, spellCheck="false")
    dialog = html.Dialog(
        [
            html.H2("Replace the words", id="replace-title"),
            field("Lyrics", words, "They count as brought by you: state their rights."),
            html.Div([close, send], className="actions"),
        ],
        id="replace",
        className="sheet-dialog",
        **{"aria-labelledby": "replace-title"},
    )
    return html.Aside(
        [
            html.Div(buttons, className="review-keys", role="toolbar", **{"aria-label": "Review"}),
            html.Div(nothing(NONE_OPEN), id="review", **{"aria-live": "polite"}),
            dialog,
        ],
        className="review",
        **{"aria-label": "The song under review"},
    )


def rows(request: dict[str, Any] | None, dataset_id: str, state: str | None, q: str | None) -> tuple[Any, str]:
    """The rows that the table has in sight, and how many there are in all."""
    return rows_of(request, dataset_id, state=None if state == "all" else state, query=q or None)


def rows_of(request: dict[str, Any] | None, dataset_id: str, **narrowed: str | None) -> tuple[Any, str]:
    """What a table asks for, of the songs that it is narrowed to."""
    if request is None:
        raise PreventUpdate
    offset, end = int(request["startRow"]), int(request["endRow"])
    limit = max(1, min(end - offset, BLOCK))
    with unit_of_work() as session:
        found = song.find(session, builder().id, UUID(dataset_id), offset=offset, limit=limit, **narrowed)
    words = plural(found.total, "song") if found.total else "No song here."
    return {"rowData": [row(one) for one in found.songs], "rowCount": found.total}, words


def row(one: song.SongSummary) -> dict[str, Any]:
    """A song as the table shows it."""
    state = "Dropped" if one.is_dropped else "Duplicate" if one.duplicate_of else STATES[one.state]
    return {
        "id": str(one.id),
        "title": one.title or "Untitled",
        "artist": one.artist,
        "state": "dropped" if one.is_dropped else one.state,
        "state_words": state,
        "why": one.why,
        "rights_words": RIGHTS[one.rights],
    }


def open_song(song_id: str | None, _revision: object, dataset_id: str) -> tuple[Any, ...]:
    """The song beside the table; its words for Replace; which of the buttons do something; what Drop says."""
    if not song_id:
        return nothing(NONE_OPEN), "", True, True, True, _drop_label(False)
    with unit_of_work() as session:
        view = song.read(session, builder().id, UUID(dataset_id), UUID(song_id))
    one = view.song
    cannot_accept = one.state != "check" or one.is_dropped or not one.has_text
    return _song(one, view.text), view.original, cannot_accept, False, False, _drop_label(one.is_dropped)


def _drop_label(is_dropped: bool) -> list[Any]:
    return ["Bring back" if is_dropped else "Drop", html.Kbd("d", **{"aria-hidden": "true"})]


def _song(one: song.SongSummary, text: str) -> list[Component]:
    facts = [html.Span(STATES[one.state], className=f"tag state-{one.state}")]
    if one.is_dropped:
        facts.append(html.Span("Dropped", className="tag"))
    if one.duplicate_of:
        facts.append(html.Span("Duplicate: another copy is kept", className="tag"))
    facts.append(html.Span(RIGHTS[one.rights], className="tag"))
    if one.language:
        facts.append(html.Span(one.language, className="tag", title="language"))
    if one.is_explicit:
        facts.append(html.Span("Explicit", className="tag"))
    return [
        html.H2(one.title or "Untitled"),
        html.P(one.artist, className="review-artist"),
        html.Div(facts, className="tags"),
        *_match(one),
        html.Pre(text, className="lyrics", tabIndex=0) if text else nothing(*_without_words(one.state)),
    ]


def _match(one: song.SongSummary) -> list[Component]:
    """What was found for what was asked, and why it is thought to be the same."""
    if not one.source:
        return []
    name, link = source_name(one.source), safe_link(one.url)
    source: Component | str = (
        html.A(name, href=link, id="source-link", target="_blank", rel="noreferrer noopener") if link else name
    )
    matched = " \u2013 ".join(part for part in (one.matched_artist, one.matched_title) if part)
    shown = [html.Div([html.Dt("Words from"), html.Dd(source)])]
    if matched:
        score = f" ({one.score:.0%} alike)" if one.score is not None else ""
        shown.append(html.Div([html.Dt("Matched with"), html.Dd(f"{matched}{score}", id="matched")]))
    if one.why:
        shown.append(html.Div([html.Dt("Why"), html.Dd(one.why, id="why")]))
    return [html.Dl(shown, className="match")]


def _without_words(state: str) -> tuple[str, ...]:
    return {
        "wanted": ("Not looked for yet.",),
        "blocked": ("The source refused us. Import again later, or paste the words with Replace.",),
        "instrumental": ("The source says that this has no words.",),
    }.get(state, ("No words were found. Paste them with Replace, or drop the song.",))


def act(wish: dict[str, Any] | None, dataset_id: str) -> tuple[Any, float]:
    """Do what a button of the review asks; the song to open next, and that something was touched."""
    if not wish:
        raise PreventUpdate
    if wish["act"] == "undo":
        undo_last(UUID(dataset_id))
    else:
        with unit_of_work() as session:
            _review_act(session, builder().id, UUID(dataset_id), wish)
    return wish["next"], datetime.now(UTC).timestamp()


def undo_last(dataset_id: UUID) -> None:
    """Undo the last act on a dataset, whichever it was, and say what it was."""
    with unit_of_work() as session:
        words = song.undo(session, builder().id, dataset_id)
    dash.set_props("notice", {"data": {"message": f"Undone: {words}."}})


def _review_act(session: Any, user_id: UUID, dataset_id: UUID, wish: dict[str, Any]) -> None:
    song_id = UUID(wish["song"])
    act = wish["act"]
    if act == "drop" and song.read(session, user_id, dataset_id, song_id).song.is_dropped:
        act = "restore"
    song.review(session, user_id, dataset_id, song_id, act, text=wish.get("text"))


def register(dash_app: Dash) -> None:
    """Wire the tab."""
    late: dict[str, Any] = {"prevent_initial_call": True}
    callback, on_page = dash_app.callback, dash_app.clientside_callback
    of_dataset, opened = State("dataset-id", "data"), Output("review-song", "data", allow_duplicate=True)
    state, q = ("songs-state", "value"), ("songs-q", "value")
    shown = Output(GRID, "getRowsResponse"), Output("songs-count", "children")
    callback(*shown, Input(GRID, "getRowsRequest"), of_dataset, State(*state), State(*q))(rows)
    on_page(ClientsideFunction("ghost", "restartSongs"), Input(*state), Input(*q), **late)
    on_page(ClientsideFunction("ghost", "refreshSongs"), Input("revision", "data"), **late)
    review = [
        Output("review", "children"),
        Output("replace-text", "value"),
        *(Output(f"review-{name}", "disabled") for name in ("accept", "replace", "drop")),
        Output("review-drop", "children"),
    ]
    callback(*review, Input("review-song", "data"), Input("revision", "data"), of_dataset, **late)(open_song)
    on_page(ClientsideFunction("ghost", "markSong"), Input("review-song", "data"), **late)
    picked = Input(GRID, "selectedRows"), State("review-song", "data")
    on_page(ClientsideFunction("ghost", "pickedSong"), opened, *picked, **late)
    forward = Input("review-next", "n_clicks"), State("review-song", "data")
    on_page(ClientsideFunction("ghost", "nextSong"), opened, *forward, **late)
    pressed = [Input(f"review-{name}", "n_clicks") for name in ("accept", "drop", "undo", "replace-send")]
    given = State("review-song", "data"), State("replace-text", "value")
    on_page(ClientsideFunction("ghost", "wish"), Output("review-wish", "data"), *pressed, *given, **late)
    touched = Output("touched", "data", allow_duplicate=True)
    callback(opened, touched, Input("review-wish", "data"), of_dataset, **late)(act)
