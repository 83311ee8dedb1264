"""The studio: the sheet, the takes beside it, and the control strip that asks for them.

The sheet and the takes are drawn by the bundle (frontend/src); this page draws the controls and opens lyrics.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app import adapter, form, generation, lyric
from app.auth import Writer, current_writer, ensure_writer
from app.db import unit_of_work
from app.errors import AppError, NotFound
from contracts.wire import VoiceCard
from dashboards import analysis
from dashboards.builder import place_in
from dashboards.words import lyric_id_in, size

POLL_MS = 2_000
NO_VOICE = "Voices are waking\u2026"
STATE_WORDS = {
    "resident": "Awake",
    "loading": "Waking up",
    "cold": "Asleep: wakes at the first take, in some seconds",
    "refused": "Cannot serve",
}


def layout() -> Component:
    """The room: sheet, desk and strip."""
    return html.Main(
        id="room",
        className="room",
        children=[
            html.Section(id="sheet", className="sheet", tabIndex=-1, **{"aria-label": "Your lyric"}),
            html.Aside(
                [_empty_desk(), html.Div(id="refusal"), html.Div(id="shelf")],
                className="desk",
                **{"aria-label": "Takes"},
            ),
            _strip(),
        ],
    )


def _empty_desk() -> Component:
    return html.Div(
        className="desk-empty",
        children=[
            html.Div(className="ghost-light", **{"aria-hidden": "true"}),
            html.P("The light is on.", className="desk-empty-title"),
            html.P("Write asks a voice to go on from your line. What comes stands here; keep what you like."),
            html.P(
                [html.Kbd("Ctrl"), " ", html.Kbd("Enter"), " writes, ", html.Kbd("Esc"), " stops."], className="keys"
            ),
            html.P("Choose a form, and every line keeps its rhyme, its syllables and its metre.", className="keys"),
        ],
    )


def _strip() -> Component:
    return html.Section(
        className="strip",
        **{"aria-label": "Controls"},
        children=[
            html.Div(
                className="seed",
                children=[
                    html.Label("First line", htmlFor="seed"),
                    dcc.Input(
                        id="seed",
                        type="text",
                        placeholder="Midnight on the corner and the neon's running low",
                        autoComplete="off",
                        inputMode="text",
                        maxLength=2_000,
                    ),
                ],
            ),
            html.Div(
                className="controls",
                children=[
                    html.Div(
                        className="chips",
                        children=[
                            _form_menu(),
                            _voice_menu(),
                            _dial("length", "Length", 16, 256, 8, 64),
                            _dial("spice", "Spice", 0, 1.6, 0.05, 0.8),
                            _more(),
                        ],
                    ),
                    _buttons(),
                ],
            ),
            html.P(
                "Ctrl-Enter writes, Ctrl-Shift-Enter retries, Esc stops, Ctrl-Z takes back. "
                "End a line with a space and the voice goes on in it. "
                "With a form, Ctrl-Enter writes the next line, Alt-Enter rewrites this one, "
                "Alt-Shift-Enter fills in a line below it and Ctrl-Alt-Enter writes a whole verse.",
                id="editor-keys",
                className="unseen",
            ),
        ],
    )


def _form_menu() -> Component:
    """The chip that says the rule. The bundle fills the panel, with the presets that it finds there."""
    return html.Details(
        id="form-menu",
        className="popover form-menu",
        children=[
            html.Summary([html.Span("Form", className="caption"), html.Span(id="form-words", className="value")]),
            html.Div(id="form-panel", className="menu", **{"data-presets": json.dumps(form.presets())}),
        ],
    )


def _deed(name: str, label: str, rest: str, keys: str, look: str = "") -> Component:
    shown = [label, html.Span(rest, className="long"), html.Kbd(keys, **{"aria-hidden": "true"})]
    return html.Button(shown, id=name, type="button", className=f"button {look}".strip(), **{"data-keys": keys})


def _voice_menu() -> Component:
    return html.Details(
        id="voice-menu",
        className="popover voice-menu",
        children=[
            html.Summary(
                [html.Span("Voice", className="caption"), html.Span(NO_VOICE, id="voice-title", className="value")]
            ),
            html.Div(
                className="menu",
                children=[
                    html.P(NO_VOICE, id="voices-state", className="menu-note"),
                    dcc.RadioItems(id="voice", className="voices", persistence=True, persistence_type="local"),
                    dcc.Interval(id="voices-poll", interval=POLL_MS),
                ],
            ),
        ],
    )


def _dial(name: str, label: str, low: float, high: float, step: float, value: float) -> Component:
    return html.Div(
        className=f"dial dial-{name}",
        children=[
            html.Label(
                [html.Span(label, className="caption"), html.Span(id=f"{name}-words", className="value")], htmlFor=name
            ),
            dcc.Input(
                id=name,
                type="range",
                min=low,
                max=high,
                step=step,
                value=value,
                persistence=True,
                persistence_type="local",
            ),
        ],
    )


def _more() -> Component:
    return html.Details(
        id="more",
        className="popover more",
        children=[
            html.Summary(
                [html.Span(className="icon icon-more", **{"aria-hidden": "true"}), html.Span("More", className="label")]
            ),
            html.Div(
                className="menu",
                children=[
                    _dial("takes", "Takes side by side", 1, 4, 1, 2),
                    _number("top-p", "Top-p", 0.05, 1, 0.05, 0.95, "keeps the likeliest words up to this share"),
                    _number("top-k", "Top-k", 0, 1000, 1, 0, "0: no limit"),
                    _number("repetition-penalty", "Repetition penalty", 0.5, 2, 0.05, 1.1, "1: none"),
                    _number("sampling-seed", "Seed", 0, 2**53 - 1, 1, None, "empty: a new one each time"),
                ],
            ),
        ],
    )


def _number(name: str, label: str, low: float, high: float, step: float, value: float | None, hint: str) -> Component:
    return html.Div(
        className="number",
        children=[
            html.Label([label, html.Small(hint)], htmlFor=name),
            dcc.Input(
                id=name,
                type="number",
                inputMode="decimal",
                min=low,
                max=high,
                step=step,
                value=value,
                persistence=True,
                persistence_type="local",
            ),
        ],
    )


def _buttons() -> Component:
    return html.Div(
        className="deeds",
        children=[
            html.Div(
                className="line-deeds",
                children=[
                    _deed("rewrite", "Rewrite", " this line", "Alt Enter"),
                    _deed("fill", "Fill", " the middle", "Alt Shift Enter"),
                    _deed("verse", "Whole verse", "", "Ctrl Alt Enter"),
                ],
            ),
            html.Button("Retry", id="retry", type="button", className="button"),
            html.Button("Stop", id="stop", type="button", className="button"),
            html.Button("Write", id="write", type="button", className="button primary"),
            _deed("next-line", "Next line", "", "Ctrl Enter", "primary"),
        ],
    )


def opened(pathname: str | None) -> dict[str, Any]:
    """What the editor is to show at this address: a lyric, or a fresh sheet, and why it is not what was asked.

    At the address of another page it keeps what it shows.
    """
    if pathname == analysis.PATH or place_in(pathname):
        raise PreventUpdate
    lyric_id = lyric_id_in(pathname)
    sheet: dict[str, Any] = {"writer": None, "lyric": None}
    try:
        writer = current_writer()
        sheet["writer"] = _known(writer)
        return sheet if lyric_id is None else sheet | {"lyric": _lyric(writer, lyric_id)}
    except AppError as error:
        return sheet | {"error": error.message, "is_away": error.status >= HTTPStatus.INTERNAL_SERVER_ERROR}


def _lyric(writer: Writer | None, lyric_id: UUID) -> dict[str, Any]:
    if writer is None:
        raise NotFound("This lyric is not in your library. Log in if it is yours.")
    with unit_of_work() as session:
        return as_words(lyric.get(session, writer.id, lyric_id))


def as_words(view: lyric.LyricView) -> dict[str, Any]:
    """A lyric as the editor takes it."""
    return {"id": str(view.id), "title": view.title, "text": view.text, "revision": view.revision}


def _known(writer: Writer | None) -> dict[str, Any] | None:
    return {"id": str(writer.id), "is_guest": writer.is_guest} if writer else None


def arrive(_since: float) -> dict[str, Any] | None:
    """Make the visitor a writer, since there are words worth keeping now."""
    with unit_of_work() as session:
        return _known(ensure_writer(session))


def list_voices(
    _ticks: int | None, _clicks: int | None, search: str | None, chosen: str | None
) -> tuple[list[dict[str, Any]], str | None, str, bool]:
    """The menu's options, the voice to choose, a word on the list as a whole, and whether it stands still.

    The address may name a voice (`?voice=`), also one of the writer's own that is not published.
    """
    asked = voice_in(search)
    try:
        writer = current_writer()
        with unit_of_work() as session:
            cards = generation.voices(session, writer.id if writer else None)
            tried = [_tried(session, writer, name, cards) for name in {asked, chosen} if name]
    except AppError as error:
        return [], chosen, f"{NO_VOICE} {error.message} Looking again by itself.", False
    options = [_voice_option(card) for card in cards] + [option for option in tried if option]
    able = [card.id for card in sorted(cards, key=lambda card: card.state != "resident") if card.state != "refused"]
    able += [option["value"] for option in tried if option]
    note = "" if able else "No voice is here yet. An operator adds one with `ghost checkpoints add`."
    is_named = ctx.triggered_id in (None, "url") or chosen is None  # else the writer has chosen since
    wanted = asked if is_named and asked in able else chosen
    value = wanted if wanted in able else next(iter(able), None)
    is_still = bool(able) and all(card.state != "loading" for card in cards)
    return options, value, note, is_still


def voice_in(search: str | None) -> str:
    """The voice that an address names.

    >>> voice_in("?voice=cowboy"), voice_in("")
    ('cowboy', '')
    """
    return parse_qs((search or "").removeprefix("?")).get("voice", [""])[0]


def _tried(session: Any, writer: Writer | None, name: str, cards: list[VoiceCard]) -> dict[str, Any] | None:
    """A voice of the writer's that is not in the menu, as an option all the same."""
    if writer is None or any(card.id == name for card in cards):
        return None
    try:
        view = adapter.get(session, writer.id, name)
    except AppError:
        return None
    card = VoiceCard(id=view.id, kind="adapter", title=view.title, number=view.number, licence=view.licence)
    return _voice_option(card, "Not published: only you can write with it")


def _voice_option(card: VoiceCard, state: str = "") -> dict[str, Any]:
    """A voice in the menu: its name, how it stands, its licence, a line each.

    Plain words: Dash loses its way when a list of options whose labels are components grows (dash 4.4).
    """
    title = (card.title or card.id) + (f" v{card.number}" if card.number else "")
    name = f"{title}  {size(card.num_parameters)}".rstrip()
    stands = state or card.reason or STATE_WORDS[card.state]
    return {
        "value": card.id,
        "title": title,
        "disabled": card.state == "refused",
        "label": f"{name}\n{stands}\nLicence: {card.licence}",
    }


def register(dash_app: Dash) -> None:
    """Wire the page."""
    controls = [
        State(name, "value")
        for name in ("voice", "length", "spice", "takes", "top-p", "top-k", "repetition-penalty", "sampling-seed")
    ]

    dash_app.callback(Output("opened", "data"), Input("url", "pathname"))(opened)
    dash_app.callback(Output("arrived", "data"), Input("arriving", "data"), prevent_initial_call=True)(arrive)
    dash_app.callback(
        Output("voice", "options"),
        Output("voice", "value"),
        Output("voices-state", "children"),
        Output("voices-poll", "disabled"),
        Input("voices-poll", "n_intervals"),
        Input("voice-menu", "n_clicks"),
        Input("url", "search"),
        State("voice", "value"),
    )(list_voices)

    on_page = dash_app.clientside_callback
    on_page(ClientsideFunction("ghost", "open"), Input("opened", "data"))
    on_page(ClientsideFunction("ghost", "arrived"), Input("arrived", "data"))
    on_page(
        ClientsideFunction("ghost", "voiceTitle"),
        Output("voice-title", "children"),
        Input("voice", "value"),
        Input("voice", "options"),
    )
    on_page(
        ClientsideFunction("ghost", "dials"),
        Output("length-words", "children"),
        Output("spice-words", "children"),
        Output("takes-words", "children"),
        Input("length", "value"),
        Input("spice", "value"),
        Input("takes", "value"),
    )
    on_page(
        ClientsideFunction("ghost", "write"),
        Input("write", "n_clicks"),
        Input("seed", "n_submit"),
        State("seed", "value"),
        *controls,
        prevent_initial_call=True,
    )
    on_page(
        ClientsideFunction("ghost", "deed"),
        *(Input(name, "n_clicks") for name in ("next-line", "fill", "rewrite", "verse")),
        State("seed", "value"),
        *controls,
        prevent_initial_call=True,
    )
    on_page(ClientsideFunction("ghost", "retry"), Input("retry", "n_clicks"), *controls, prevent_initial_call=True)
    on_page(ClientsideFunction("ghost", "stop"), Input("stop", "n_clicks"), prevent_initial_call=True)
