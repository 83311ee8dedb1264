"""A session of cards: lines of a voice, one at a time, to keep or reject; and what is kept made into its next version.

The cards themselves are drawn by the bundle (frontend/src/cards.ts), which asks the API for them.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import dash
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app import adapter, cards, improve, job
from app.adapter import AdapterView
from app.auth import Writer
from app.db import unit_of_work
from app.errors import AppError
from dashboards.builder import VOICES_PATH, Place, builder, button, heading, plural, refusal
from dashboards.progress import in_words
from dashboards.voices import name_of

Shown = list[Component]
INTRO = (
    f"{cards.USUAL} lines, each after a beginning that the voice was not trained on. Keep what you would sing, reject "
    "the rest: what you keep, as you left it, can train the next version. Every line is charged as any text."
)
ATTEST = "The lines that I kept, as I left them, are mine to train on. My name and the time are kept with them."


def page(writer: Writer, place: Place) -> tuple[Shown, str]:
    """The session of a voice, and its title.

    Raises:
        NotFound: there is no such voice, or it is somebody else's.
    """
    with unit_of_work() as session:
        view = adapter.get(session, writer.id, place.name)
    title = f"Cards: {name_of(view)}"
    return [
        heading(title, crumbs=[("Voices", VOICES_PATH), (name_of(view), f"{VOICES_PATH}/{view.id}")]),
        html.P(INTRO, className="hint"),
        dcc.Store(id="cards-voice", data={"id": view.id, "num": cards.USUAL}),
        html.Div(id="cards", className="cards", **{"aria-live": "polite"}),
        *section(writer, view),
    ], title


def section(writer: Writer, view: AdapterView) -> Shown:
    """What there is to improve a voice with, and the way to its next version; nothing for one that is not one's own."""
    if view.is_shared:
        return []
    return [
        html.Section(
            [
                dcc.Store(id="improve-voice", data=view.id),
                dcc.Store(id="improve-job"),
                dcc.Store(id="improve-counted"),
                dcc.Interval(id="improve-poll", interval=1_000, disabled=True),
                html.H2("The next version", id="improve-title"),
                html.Div(_offer(writer.id, view.id), id="improve-offer"),
                html.Div(id="improve-refusal"),
            ],
            className="statement wide",
            id="improve-room",
            **{"aria-labelledby": "improve-title"},
        )
    ]


def _offer(user_id: UUID, voice_id: str) -> Shown:
    with unit_of_work() as session:
        found = improve.prospect(session, user_id, UUID(voice_id))
    again = dcc.Link(
        "Train with the newest songs", href=f"{VOICES_PATH}/{voice_id}/again", id="improve-again", className="button"
    )
    if found.why_not:
        return [html.P(found.why_not, id="improve-why"), html.Div([again], className="actions")]
    told = (
        f"{plural(found.unused, 'kept line')} not in a dataset yet. Improve puts them into \u201c{found.dataset_name}"
        "\u201d and freezes that anew; then you see what training the next version takes."
    )
    return [
        html.P(told, id="improve-why"),
        dcc.Checklist(id="improve-attest", options=[{"value": "yes", "label": ATTEST}], value=[], className="attest"),
        html.Div([button("improve", "Improve", "primary"), again], className="actions"),
    ]


def recount(_counted: object, voice_id: str) -> Shown:
    """The offer as it is after another card."""
    return _offer(builder().id, voice_id)


def start(clicks: int | None, attested: list[str] | None, voice_id: str) -> tuple[Any, Any, Any, bool]:
    """Put the kept lines into the dataset; or why not."""
    if not clicks:
        raise PreventUpdate
    try:
        with unit_of_work() as session:
            done = improve.improve(session, builder().id, UUID(voice_id), attest=bool(attested))
    except AppError as error:
        return refusal(error.message, error.field or ""), dash.no_update, dash.no_update, True
    return [], html.P(in_words(done.job), role="status", id="improve-why"), str(done.job.id), False


def poll(_ticks: int | None, job_id: str | None, voice_id: str) -> tuple[Any, Any, bool, Any]:
    """How far the freezing is; then to the page that trains on what came of it."""
    if not job_id:
        raise PreventUpdate
    with unit_of_work() as session:
        view = job.get(session, builder().id, UUID(job_id))
    said = html.P(in_words(view), role="status", id="improve-why")
    if not view.is_over:
        return said, dash.no_update, False, dash.no_update
    if view.state != "done":
        return (
            said,
            refusal(view.error or "The freezing was cancelled. Freeze the dataset on its own page."),
            True,
            dash.no_update,
        )
    return said, [], True, f"{VOICES_PATH}/{voice_id}/again"


def register(dash_app: Dash) -> None:
    """Wire the page, and the way to the next version wherever it stands."""
    late: dict[str, Any] = {"prevent_initial_call": True}
    callback, of_voice = dash_app.callback, State("improve-voice", "data")
    # Dash calls what has an output when that comes onto the page, and only then.
    dash_app.clientside_callback(
        ClientsideFunction("ghost", "cards"), Output("cards", "title"), Input("cards-voice", "data")
    )
    offer = Output("improve-offer", "children", allow_duplicate=True)
    why = Output("improve-refusal", "children", allow_duplicate=True)
    still = Output("improve-poll", "disabled", allow_duplicate=True)
    callback(offer, Input("improve-counted", "data"), of_voice, **late)(recount)
    asked = Input("improve", "n_clicks"), State("improve-attest", "value"), of_voice
    callback(why, offer, Output("improve-job", "data"), still, *asked, **late)(start)
    to = Output("url", "pathname", allow_duplicate=True)
    callback(
        offer, why, still, to, Input("improve-poll", "n_intervals"), State("improve-job", "data"), of_voice, **late
    )(poll)
