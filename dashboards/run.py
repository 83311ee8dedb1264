"""The page of one training: where it stands, its curves and samples as they come, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import dash
from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app import run
from app.auth import Writer
from app.db import unit_of_work
from app.run import EventView, RunView
from contracts.training import Quote, TrainConfig
from dashboards import board, plots
from dashboards.builder import RUNS_PATH, VOICES_PATH, Place, address_of, builder, button, heading, plural
from dashboards.words import duration, money, when

POLL_MS = 1_500
Shown = list[Component]


def page(writer: Writer, place: Place) -> tuple[Shown, str]:
    """The page and its title.

    Raises:
        NotFound: there is no such run, or it is somebody else's.
    """
    with unit_of_work() as session:
        view = run.get(session, writer.id, place.thing)
        events = run.events(session, writer.id, place.thing)
    title = f"{view.title} v{view.number}"
    loss, loss_words = board.loss(events)
    bits, bits_words = board.bits(events)
    curves = [
        plots.plot("run-loss", "Loss", loss, loss_words),
        plots.plot("run-bits", "Held-out songs", bits, bits_words),
    ]
    return [
        dcc.Store(id="run-id", data=str(view.id)),
        dcc.Store(id="run-seen", data=_seen(view, events)),
        dcc.Interval(id="run-poll", interval=POLL_MS, disabled=view.is_over),
        heading(title, crumbs=[("Voices", VOICES_PATH), ("Training", RUNS_PATH)]),
        html.Div(status(view), id="run-status", className="run-status"),
        html.Div(deeds(view), id="run-deeds", className="actions run-deeds"),
        html.Div(curves, className="plots"),
        html.Div(
            [
                _part("samples", "Samples", board.samples(events)),
                html.Div(
                    [
                        _part("meters", "Machine", board.meters(events)),
                        _part("facts", "This run", [facts(view)]),
                        _part("log", "Log", board.log(events)),
                    ],
                    className="run-side",
                ),
            ],
            className="run-room",
        ),
    ], title


def _part(name: str, title: str, body: Shown) -> Component:
    return html.Section(
        [html.H2(title, id=f"run-{name}-title"), html.Div(body, id=f"run-{name}")],
        className=f"run-part run-part-{name}",
        **{"aria-labelledby": f"run-{name}-title"},
    )


def status(view: RunView) -> Shown:
    """The stages, how far it is, and what went wrong."""
    words = board.in_words(view)
    bar: dict[str, Any] = {"value": str(view.num_done), "max": str(view.num_total)} if view.num_total else {}
    meter = [] if view.is_over else [html.Progress(**bar, id="run-bar", **{"aria-label": words})]
    trouble = [html.P(view.error, className="refusal", role="alert", id="run-error")] if view.error else []
    made = []
    if view.adapter_id:
        link = dcc.Link(
            "Look at the voice", href=f"{VOICES_PATH}/{view.adapter_id}", id="run-voice", className="button primary"
        )
        made = [html.Div(link, className="actions")]
    return [board.stages(view), html.P(words, id="run-words", role="status"), *meter, *trouble, *made]


def deeds(view: RunView) -> Shown:
    """What can be done about a run as it is."""
    shown = []
    if not view.is_over:
        if _can_stop(view):
            words = "The best state so far becomes the voice; what is left of the time is not charged."
            shown.append(button("run-stop", "Stop early, keep the best", title=words))
        words = "No voice comes of it; the steps so far are charged, and it can go on later."
        shown.append(button("run-cancel", "Cancel", disabled=view.cancel_asked, title=words))
    if view.state in ("failed", "cancelled"):
        shown.append(button("run-resume", "Go on from the last state", "primary"))
    shown.append(
        dcc.Link("Clone with changes", href=f"{RUNS_PATH}/{view.id}/again", id="run-again", className="button")
    )
    sure = [
        html.P("Its curves, samples and log go with it, and the voice that it made. This cannot be undone."),
        button("run-delete", "Delete this run", "small danger"),
    ]
    summary = html.Summary("Delete", id="run-delete-open", className="button quiet")
    shown.append(html.Details([summary, html.Div(sure, className="menu")], className="popover"))
    return shown


def _can_stop(view: RunView) -> bool:
    return view.state == "running" and view.stage in ("train", "evaluate") and not view.stop_asked


def facts(view: RunView) -> Component:
    """What is trained on what, by which numbers, and what it costs."""
    config, quote = TrainConfig.model_validate(view.config), Quote.model_validate(view.quote)
    entries: list[tuple[str, str, Any]] = []
    if view.dataset:
        songs = f"{view.dataset.name}, version {view.dataset.number}"
        entries.append(
            ("dataset", "Songs", dcc.Link(songs, href=address_of(view.dataset.id, "versions"), id="run-dataset"))
        )
    entries += [
        ("base", "Checkpoint", config.checkpoint),
        ("effort", "Effort", f"{config.effort.value}, {config.epochs:g} epochs, {plural(quote.num_steps, 'update')}"),
        ("sound", "Phoneme tasks", f"{config.phonemes:.0%} of the training" if config.phonemes else "off"),
        ("lora", "Adapter", f"rank {config.lora_rank}, alpha {config.lora_alpha:g}, dropout {config.lora_dropout:g}"),
        ("rate", "Learning rate", f"{config.learning_rate:g}"),
        ("seed", "Seed", str(config.seed)),
        ("price", "Price", _price(view)),
        ("time", "Time", _time(view)),
    ]
    return html.Dl(
        [html.Div([html.Dt(label), html.Dd(value, id=f"run-fact-{name}")]) for name, label, value in entries],
        className="match",
    )


def _price(view: RunView) -> str:
    quote = Quote.model_validate(view.quote)
    if view.minutes_charged is None:
        return f"{money(quote.price_cents)} expected, never more than {money(quote.max_price_cents)}"
    share = view.minutes_charged / max(1, quote.max_minutes)
    return f"{money(round(share * quote.max_price_cents))}, {plural(view.minutes_charged, 'minute')} charged"


def _time(view: RunView) -> str:
    if view.started_at is None:
        return f"asked for {when(view.created_at, datetime.now(UTC))}"
    until = view.finished_at or datetime.now(UTC)
    return duration((until - view.started_at).total_seconds())


def _seen(view: RunView, events: list[EventView]) -> dict[str, Any]:
    """What the page shows, so that only what is new is drawn again."""
    return {
        "deeds": [view.state, _can_stop(view), view.cancel_asked],
        "step": sum(event.kind == "step" for event in events),
        "validation": sum(event.kind == "validation" for event in events),
        "sample": sum(event.kind == "sample" for event in events),
    }


def poll(_ticks: int | None, _touched: object, run_id: str, seen: dict[str, Any]) -> tuple[Any, ...]:
    """The page as it is now. What has not changed is not drawn again: a menu stays open, a selection stays."""
    with unit_of_work() as session:
        user_id = builder().id
        view, events = run.get(session, user_id, UUID(run_id)), run.events(session, user_id, UUID(run_id))
    now, same = _seen(view, events), dash.no_update
    has_curves, has_looks = now["step"] != seen.get("step"), now["validation"] != seen.get("validation")
    return (
        status(view),
        same if now["deeds"] == seen.get("deeds") else deeds(view),
        *(board.loss(events) if has_curves or has_looks else (same, same)),
        *(board.bits(events) if has_looks else (same, same)),
        same if now["sample"] == seen.get("sample") else board.samples(events),
        board.meters(events),
        [facts(view)],
        board.log(events),
        now,
        view.is_over,
    )


def _act(verb: Callable[..., Any]) -> Callable[[int | None, str], float]:
    """A button's callback: do it, and look again."""

    def act(clicks: int | None, run_id: str) -> float:
        if not clicks:
            raise PreventUpdate  # the button only appeared
        with unit_of_work() as session:
            verb(session, builder().id, UUID(run_id))
        return datetime.now(UTC).timestamp()

    return act


def delete(clicks: int | None, run_id: str) -> str:
    """Delete the run; back to the list."""
    if not clicks:
        raise PreventUpdate
    with unit_of_work() as session:
        run.delete(session, builder().id, UUID(run_id))
    return RUNS_PATH


def register(dash_app: Dash) -> None:
    """Wire the page."""
    late: dict[str, Any] = {"prevent_initial_call": True}
    callback = dash_app.callback
    of_run, touched = State("run-id", "data"), Output("touched", "data", allow_duplicate=True)
    shown = [Output(name, "children") for name in ("run-status", "run-deeds")]
    for name in ("run-loss", "run-bits"):
        shown += [Output(name, "figure"), Output(f"{name}-words", "children")]
    shown += [Output(f"run-{name}", "children") for name in ("samples", "meters", "facts", "log")]
    shown += [Output("run-seen", "data"), Output("run-poll", "disabled")]
    asked = Input("run-poll", "n_intervals"), Input("touched", "data")
    callback(*shown, *asked, of_run, State("run-seen", "data"), **late)(poll)
    for name, verb in (("stop", run.stop), ("cancel", run.cancel), ("resume", run.resume)):
        callback(touched, Input(f"run-{name}", "n_clicks"), of_run, **late)(_act(verb))
    gone = Output("url", "pathname", allow_duplicate=True)
    callback(gone, Input("run-delete", "n_clicks"), of_run, **late)(delete)
