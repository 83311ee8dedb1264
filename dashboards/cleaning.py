"""The tab Cleaning: a switch for each rule, and what the rules do to a song, line by line. The original is kept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import dash_bootstrap_components as dbc
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app import dataset, song
from app.db import unit_of_work
from dashboards import songs
from dashboards.builder import address_of, builder, button, nothing, plural

MARKS = {" ": ("same", ""), "-": ("out", "taken out: "), "+": ("in", "put in: ")}


def layout(view: dataset.DatasetView) -> list[Component]:
    """The rules, and one song before and after."""
    switches = [
        html.Li(
            dbc.Checkbox(
                id={"type": "rule", "name": rule.name},
                label=rule.title,
                value=not rule.is_off,
                label_id=f"rule-{rule.name}-label",
            )
        )
        for rule in view.rules
    ]
    rules = html.Section(
        [
            html.H2("Take out or put right", id="rules-title"),
            html.P("Each rule can be switched off. What came is kept, so nothing is lost by trying.", className="hint"),
            html.Ul(switches, className="rules"),
            button("rules-undo", "Undo", "quiet small"),
            *_doubles(view),
        ],
        className="statement",
        **{"aria-labelledby": "rules-title"},
    )
    turn = html.Div(
        [
            button("clean-before", "Previous", "small"),
            html.Span(id="clean-place", role="status"),
            button("clean-after", "Next", "small"),
            dbc.Checkbox(id="clean-changed", label="Only the lines that change", value=False),
        ],
        className="table-tools",
    )
    preview = html.Section([turn, html.Div(id="clean-preview")], **{"aria-label": "What cleaning does to a song"})
    return [dcc.Store(id="clean-at", data=0), html.Div([rules, preview], className="rights-room")]


def _doubles(view: dataset.DatasetView) -> list[Component]:
    number = view.counts.get("duplicates", 0)
    words = f"{plural(number, 'duplicate')} left out; one copy of each is kept." if number else "No duplicates found."
    see = dcc.Link("See them among the songs", href=address_of(view.id), id="see-duplicates")
    return [html.H2("Duplicates"), html.P([words, " ", see] if number else words, className="hint")]


def switch(states: list[bool | None], dataset_id: str) -> float:
    """Save which rules are off."""
    if not ctx.triggered_id:
        raise PreventUpdate
    names = [one["id"]["name"] for one in ctx.inputs_list[0]]
    off = [name for name, is_on in zip(names, states, strict=True) if not is_on]
    with unit_of_work() as session:
        dataset.save(session, builder().id, UUID(dataset_id), rules_off=off)
    return datetime.now(UTC).timestamp()


def undo(clicks: int | None, dataset_id: str) -> tuple[float, list[bool]]:
    """Undo what was done last; the switches stand as they do now."""
    if not clicks:
        raise PreventUpdate
    songs.undo_last(UUID(dataset_id))
    with unit_of_work() as session:
        view = dataset.get(session, builder().id, UUID(dataset_id))
    return datetime.now(UTC).timestamp(), [not rule.is_off for rule in view.rules]


def turn(_before: int | None, _after: int | None, at: int) -> int:
    """To the song before or after."""
    return max(0, at + (1 if ctx.triggered_id == "clean-after" else -1))


def preview(
    at: int, states: list[bool | None], only_changes: bool | None, dataset_id: str
) -> tuple[Any, str, bool, bool]:
    """A song with what the rules that are on do to it; where it stands; whether there is one before and after."""
    names = [one["id"]["name"] for one in ctx.inputs_list[1]]
    off = frozenset(name for name, is_on in zip(names, states, strict=True) if not is_on)
    user_id, of_dataset = builder().id, UUID(dataset_id)
    with unit_of_work() as session:
        page = song.find(session, user_id, of_dataset, offset=at, limit=1)
        if not page.songs:
            return nothing("No song here yet."), "", True, True
        view = song.read(session, user_id, of_dataset, page.songs[0].id, rules_off=off)
    place = f"Song {at + 1:,} of {page.total:,}"
    return _diff(view, bool(only_changes)), place, at == 0, at + 1 >= page.total


def _diff(view: song.SongView, only_changes: bool) -> list[Component]:
    one = view.song
    title = html.H2([one.title or "Untitled", html.Small(one.artist)])
    if not view.original:
        return [title, nothing("This song has no words.")]
    lines = [_line(kind, text) for kind, text in view.diff if kind != " " or not only_changes]
    changed = sum(view.changes.values())
    words = plural(changed, "line") + " changed" if changed else "Nothing to clean here."
    return [title, html.P(words, id="clean-count", className="hint"), html.Div(lines, className="diff", tabIndex=0)]


def _line(kind: str, text: str) -> Component:
    name, heard = MARKS[kind]
    sign = html.Span(kind, className="sign", **{"aria-hidden": "true"})
    return html.Div([sign, html.Span(heard, className="unseen"), html.Span(text or "\u00a0")], className=f"line {name}")


def register(dash_app: Dash) -> None:
    """Wire the tab."""
    late: dict[str, Any] = {"prevent_initial_call": True}
    callback = dash_app.callback
    rules, of_dataset = ({"type": "rule", "name": ALL}, "value"), State("dataset-id", "data")
    touched = Output("touched", "data", allow_duplicate=True)
    callback(touched, Input(*rules), of_dataset, **late)(switch)
    callback(touched, Output(*rules), Input("rules-undo", "n_clicks"), of_dataset, **late)(undo)
    at = Output("clean-at", "data")
    callback(
        at, Input("clean-before", "n_clicks"), Input("clean-after", "n_clicks"), State("clean-at", "data"), **late
    )(turn)
    shown = Output("clean-preview", "children"), Output("clean-place", "children")
    ends = Output("clean-before", "disabled"), Output("clean-after", "disabled")
    asked = Input("clean-at", "data"), Input(*rules), Input("clean-changed", "value")
    callback(*shown, *ends, *asked, of_dataset)(preview)
