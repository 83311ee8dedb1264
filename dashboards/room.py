"""The builder's room: datasets, training and voices. Which of its pages an address shows, and to whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from app.auth import Writer
from app.errors import AppError, NeedsAccount
from dashboards import cards, comparison, dataset, datasets, jobs, run, runs, train, voice, voices, ways_in
from dashboards.builder import PATH, RUNS_PATH, VOICES_PATH, Place, builder, heading, nothing, place_in
from dashboards.shell import door

Shown = list[Component]
PAGES: dict[str, Callable[[Writer, Place], tuple[Shown, str]]] = {
    "list": lambda writer, _: datasets.page(writer),
    "new": lambda writer, _: datasets.new(writer),
    "dataset": dataset.page,
    "jobs": lambda writer, _: jobs.page(writer),
    "train": train.page,
    "runs": lambda writer, _: runs.page(writer),
    "run": lambda writer, place: (train.again if place.part else run.page)(writer, place),
    "voices": lambda writer, _: voices.page(writer),
    "voice": lambda writer, place: VOICE[place.part](writer, place),
    "comparisons": comparison.start_page,
    "comparison": comparison.page,
}
"""What draws a page. Raises an `AppError` where this person has nothing to see."""
VOICE: dict[str, Callable[[Writer, Place], tuple[Shown, str]]] = {
    "": voice.page,
    "again": train.better,
    "cards": cards.page,
}
"""The parts of a voice's page."""
ROOTS = {
    "datasets": ("Datasets", PATH),
    "jobs": ("Datasets", PATH),
    "runs": ("Training", RUNS_PATH),
    "train": ("Training", RUNS_PATH),
    "voices": ("Voices", VOICES_PATH),
    "compare": ("Voices", VOICES_PATH),
}
"""Where an address belongs, for who may not see it."""


def layout() -> Component:
    """The room, empty and hidden until one of its addresses is called."""
    return html.Main(
        id="builder",
        className="builder",
        hidden=True,
        tabIndex=-1,
        children=[
            *(dcc.Store(id=name) for name in ("builder-title", "touched", "problems")),
            dcc.Store(id="builder-path", data=""),
            html.Div(id="builder-page"),
        ],
    )


def show(path: str) -> tuple[Shown, str]:
    """The page at an address of the builder, and its title; no page anywhere else, so that nothing goes on asking."""
    place = place_in(path)
    if place is None:
        return [], ""
    try:
        return PAGES[place.page](builder(), place)
    except NeedsAccount as error:
        return _door_page(error.message, path)
    except AppError as error:
        return [heading("Nothing here", crumbs=[_root(path)]), nothing(error.message)], "Nothing here"


def _root(path: str) -> tuple[str, str]:
    return ROOTS[path.split("/")[1]]


def _door_page(words: str, path: str) -> tuple[Shown, str]:
    doors = [
        html.A("Sign up", href=door("/signup", path), id="builder-signup", className="button primary"),
        html.A("Log in", href=door("/login", path), id="builder-login", className="button"),
    ]
    title, _ = _root(path)
    return [heading(title), nothing(words), html.Div(doors, className="actions")], title


def register(dash_app: Dash) -> None:
    """Wire the room and its pages."""
    late: dict[str, Any] = {"prevent_initial_call": True}
    callback, on_page = dash_app.callback, dash_app.clientside_callback
    at = Input("url", "pathname")
    on_page(ClientsideFunction("ghost", "builder"), Output("builder", "hidden"), Output("builder-path", "data"), at)
    shown = Output("builder-page", "children"), Output("builder-title", "data")
    callback(*shown, Input("builder-path", "data"), **late)(show)
    on_page(ClientsideFunction("ghost", "named"), Input("builder-title", "data"))
    for page in (ways_in, datasets, dataset, jobs, train, runs, run, voice, cards, comparison):
        page.register(dash_app)
