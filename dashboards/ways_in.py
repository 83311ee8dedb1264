"""The four ways in: a Spotify playlist, a list, files, pasted lyrics; for a new dataset, or into an open one.

Files go by the bundle (frontend/src/datasets.ts), which shows how much of each has been sent.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import dash_bootstrap_components as dbc
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app import dataset, spotify
from app.auth import settings
from app.db import unit_of_work
from app.errors import AppError
from dashboards.builder import (
    NEW_PATH,
    address_of,
    builder,
    button,
    field,
    nothing,
    plural,
    refusal,
    sandbox_badge,
)

MAX_NAME = 200
Ask = Callable[..., dataset.Imported]
Answer = tuple[Any, Any, Any, Any]
"""What to say beside the button, where to go, what could not be read, and that something was touched."""
SPOTIFY_ALONE = (
    "Spotify gives a list of titles and nothing else. The lyrics come from a source whose rights you state, and "
    "nothing is trained on Spotify\u2019s content."
)


def layout(dataset_id: UUID | None) -> Component:
    """All four; songs go into this dataset, or into a new one."""
    name = dcc.Input(id="dataset-name", type="text", maxLength=200, placeholder="Untitled", autoComplete="off")
    named = field("Name", name, "You can change it later.")
    return html.Div(
        [
            html.Div(named, hidden=dataset_id is not None),
            dcc.Store(id="ways-dataset", data=str(dataset_id) if dataset_id else None),
            html.Div([_playlist(), _list(), _files(dataset_id), _paste()], className="ways"),
        ]
    )


def _way(name: str, title: str, badges: list[Component], *body: Component) -> Component:
    head = html.H2([title, *badges], id=f"way-{name}-title")
    return html.Section([head, *body], className="way", id=f"way-{name}", **{"aria-labelledby": f"way-{name}-title"})


def _playlist() -> Component:
    return _way(
        "playlist",
        "Spotify playlist",
        sandbox_badge("spotify"),
        html.P(SPOTIFY_ALONE),
        html.Div(id="spotify-state", **{"aria-live": "polite"}),
    )


def _list() -> Component:
    text = dcc.Textarea(
        id="tracks-text",
        placeholder="The Invented - Harbour Lights\nArtist - Title, one song a line; or CSV with a header",
        maxLength=dataset.MAX_LIST_CHARS,
        spellCheck="false",
        rows=6,
    )
    searched = [
        html.Span([name, *sandbox_badge(key)], className="searched")
        for key, name in (("genius", "Genius"), ("lrclib", "LRCLIB"))
        if key != "genius" or settings().genius_key
    ]
    return _way(
        "list",
        "Paste a track list",
        [],
        html.P(["Lyrics are looked for in what you brought yourself, then at ", *_joined(searched), "."]),
        field("Tracks", text),
        button("import-list", "Look for lyrics", "primary"),
        html.Div(id="list-refusal"),
    )


def _joined(parts: list[Component]) -> list[Component | str]:
    joined: list[Component | str] = []
    for number, part in enumerate(parts):
        joined += [", then at ", part] if number else [part]
    return joined


def _files(dataset_id: UUID | None) -> Component:
    zone = html.Div(
        [html.P("Drop files here, or"), button("upload-choose", "Choose files", "primary")],
        id="upload-zone",
        className="upload-zone",
        **{"data-dataset": str(dataset_id or "")},
    )
    return _way(
        "files",
        "Upload files",
        [],
        html.P(
            "Text, .docx, .lrc, .csv, .jsonl, or a .zip of text files. A book of songs as Project Gutenberg has them "
            "is split into its songs. Up to 64 MB a file, .jsonl up to 256 MB."
        ),
        zone,
        html.Ul(id="uploads", className="uploads"),
    )


def _paste() -> Component:
    words = dcc.Textarea(id="paste-text", rows=6, maxLength=200_000, spellCheck="false")
    return _way(
        "paste",
        "Paste lyrics",
        [],
        html.Div(
            [
                field("Artist", dcc.Input(id="paste-artist", type="text", maxLength=300, autoComplete="off")),
                field("Title", dcc.Input(id="paste-title", type="text", maxLength=300, autoComplete="off")),
            ],
            className="pair",
        ),
        field("Lyrics", words),
        button("import-paste", "Add this song", "primary"),
        html.Div(id="paste-refusal"),
    )


def _bring_in(name: str | None, fallback: str, dataset_id: str | None, ask: Ask) -> Answer:
    """Into the dataset, or a new one that is made in the transaction of its first import; then to its page."""
    try:
        user_id = builder().id
        with unit_of_work() as session:
            into = UUID(dataset_id) if dataset_id else dataset.create(session, user_id, _named(name, fallback)).id
            imported = ask(session, user_id, into)
    except AppError as error:
        return _refused(error)
    problems = [{"where": problem.where, "message": problem.message} for problem in imported.problems]
    unread = {"dataset": str(into), "problems": problems} if problems else None
    return [], no_update if dataset_id else address_of(into), unread, datetime.now(UTC).timestamp()


def _named(name: str | None, fallback: str) -> str:
    return ((name or "").strip() or fallback)[:MAX_NAME]


def _refused(error: AppError) -> Answer:
    return refusal(error.message, error.field or ""), no_update, no_update, no_update


def spotify_state(dataset_id: str | None) -> Component:
    """Whether an account is linked, and what can be imported from it."""
    with unit_of_work() as session:
        link = spotify.link_of(session, settings(), builder().id)
    if not link.is_available:
        return nothing(
            "This server is not set up for Spotify. Paste the track list instead: in Spotify, mark the songs of a "
            "playlist, copy them, and type artist and title a line."
        )
    who = [html.P(["Linked as ", html.B(link.name)]), button("spotify-unlink", "Unlink", "small quiet")]
    back = address_of(dataset_id) if dataset_id else NEW_PATH
    there = f"/spotify/link?{urlencode({'next': back}, safe='/')}"
    # a plain link: the browser must leave the page for Spotify's
    door = html.A("Link Spotify", href=there, id="spotify-link", className="button primary")
    address = dcc.Input(
        id="playlist-link", type="text", placeholder="https://open.spotify.com/playlist/\u2026", autoComplete="off"
    )
    own = html.Div(html.P("Reading your playlists\u2026", className="hint"), id="playlists") if link.linked else None
    return html.Div(
        [
            html.Div(who if link.linked else [door], className="linked"),
            *([own] if own else []),
            field("Link to a playlist", address, "One that you made, or work on with others."),
            button("import-playlist", "Import the playlist", "primary" if link.linked else ""),
            html.Div(id="playlist-refusal"),
        ],
        className="stack",
    )


def list_playlists(_id: str) -> Component:
    """The menu of the playlists that the person has, or why there is none."""
    try:
        found = spotify.playlists(settings(), builder().id)
    except AppError as error:
        return refusal(error.message)
    able = {
        playlist.id: f"{playlist.name} ({plural(playlist.num_tracks, 'song')})"
        for playlist in found
        if playlist.is_readable
    }
    others = len(found) - len(able)
    hint = f"{plural(others, 'playlist')} of other people or of Spotify left out." if others else ""
    if not able:
        return nothing("You have no playlist of your own at Spotify.", hint)
    choices = [{"value": key, "label": words} for key, words in able.items()]
    menu = dbc.Select(id="playlist-chosen", options=choices, placeholder="Choose one\u2026")
    return field("Your playlists", menu, hint)


def take_chosen(chosen: str | None) -> str:
    """A playlist of the menu stands in the field, as its link would."""
    if not chosen:
        raise PreventUpdate
    return f"https://open.spotify.com/playlist/{chosen}"


def unlink(clicks: int | None, dataset_id: str | None) -> Component:
    """Forget the Spotify account."""
    if not clicks:
        raise PreventUpdate
    with unit_of_work() as session:
        spotify.unlink(session, builder().id)
    return spotify_state(dataset_id)


def import_playlist(clicks: int | None, link: str | None, dataset_id: str | None, name: str | None) -> Answer:
    """Bring in a playlist."""
    if not clicks:
        raise PreventUpdate
    try:
        playlist = spotify.own_playlist(settings(), builder().id, link or "")
    except AppError as error:
        return _refused(error)
    ask = partial(dataset.import_playlist, playlist_id=playlist.id, name=playlist.name)
    return _bring_in(name, playlist.name or "Playlist", dataset_id, ask)


def import_list(clicks: int | None, text: str | None, dataset_id: str | None, name: str | None) -> Answer:
    """Look for the songs of a pasted list."""
    if not clicks:
        raise PreventUpdate
    return _bring_in(name, "Track list", dataset_id, partial(dataset.import_tracks, text=text or ""))


def import_paste(
    clicks: int | None,
    artist: str | None,
    title: str | None,
    text: str | None,
    dataset_id: str | None,
    name: str | None,
) -> Answer:
    """Bring in one song with its words."""
    if not clicks:
        raise PreventUpdate
    ask = partial(dataset.import_paste, artist=artist or "", title=title or "", text=text or "")
    return _bring_in(name, (title or "").strip() or "Pasted songs", dataset_id, ask)


def judge_link(link: str | None) -> tuple[Any, bool]:
    """Say at once of a link that no playlist can come from it; nobody is asked for that."""
    if not (link or "").strip():
        return [], False
    try:
        spotify.read_link(link or "")
    except AppError as error:
        return refusal(error.message, "link"), True
    return [], False


def register(dash_app: Dash) -> None:
    """Wire the four ways."""
    late: dict[str, Any] = {"prevent_initial_call": True}
    callback = dash_app.callback
    state = Output("spotify-state", "children")
    callback(state, Input("ways-dataset", "data"))(spotify_state)
    unlinked = Output("spotify-state", "children", allow_duplicate=True)
    callback(unlinked, Input("spotify-unlink", "n_clicks"), State("ways-dataset", "data"), **late)(unlink)
    callback(Output("playlists", "children"), Input("playlists", "id"))(list_playlists)
    callback(Output("playlist-link", "value"), Input("playlist-chosen", "value"), **late)(take_chosen)
    judged = Output("playlist-refusal", "children"), Output("import-playlist", "disabled")
    callback(*judged, Input("playlist-link", "value"), **late)(judge_link)
    into = State("ways-dataset", "data"), State("dataset-name", "value")
    for way, verb, fields in (
        ("playlist", import_playlist, ["playlist-link"]),
        ("list", import_list, ["tracks-text"]),
        ("paste", import_paste, ["paste-artist", "paste-title", "paste-text"]),
    ):
        answered = [
            Output(f"{way}-refusal", "children", allow_duplicate=True),
            Output("url", "pathname", allow_duplicate=True),
            Output("problems", "data", allow_duplicate=True),
            Output("touched", "data", allow_duplicate=True),
        ]
        given = [State(name, "value") for name in fields]
        callback(*answered, Input(f"import-{way}", "n_clicks"), *given, *into, **late)(verb)
