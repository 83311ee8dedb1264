"""What a training told so far, drawn: stages, curves, samples, the machine, the log. Pure: views in, components out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from dash import html
from dash.development.base_component import Component

from app.run import EventView, RunView
from contracts.training import STAGES
from dashboards import plots
from dashboards.builder import plural
from dashboards.words import duration

STAGE_WORDS = {
    "queue": "Queue",
    "load": "Load",
    "tokenise": "Tokenise",
    "phonemise": "Phonemise",
    "train": "Train",
    "evaluate": "Evaluate",
    "publish": "Save",
}
DOING = {
    "load": "Loading the checkpoint",
    "tokenise": "Reading the songs",
    "phonemise": "Making phoneme tasks",
    "train": "Training",
    "evaluate": "Comparing it with what it would replace",
    "publish": "Putting the voice away",
}
"""What is done in a stage."""
STATE_WORDS = {
    "queued": "Waiting",
    "running": "Training",
    "waiting": "Waiting",
    "done": "Done",
    "failed": "Broke off",
    "cancelled": "Cancelled",
}
LOG_SHOWN = 100
SAMPLES_SHOWN = 24
GIB = 2**30
Events = Sequence[EventView]


def stages(view: RunView) -> Component:
    """The way from the queue to the finished adapter, and where the run is on it."""
    known = ["queue", *(stage for stage in STAGES if stage != "phonemise" or view.config["phonemes"])]
    is_waiting = view.state in ("queued", "waiting")
    at = 0 if is_waiting else known.index(view.stage) if view.stage in known else 1
    if view.state == "done":
        at = len(known)
    steps = []
    for index, stage in enumerate(known):
        place = "done" if index < at else "current" if index == at else "ahead"
        said = {"done": ", done", "current": ", now", "ahead": ""}[place]
        name = [STAGE_WORDS[stage], html.Span(said, className="unseen")]
        steps.append(html.Li(name, className=f"stage {place}", id=f"stage-{stage}"))
    return html.Ol(steps, className="stages", **{"data-state": view.state, "aria-label": "Stages"})


def in_words(view: RunView) -> str:
    """Where the run stands, in one line."""
    if view.state in ("queued", "waiting"):
        paused = f"Paused at step {view.num_done:,} of {view.num_total:,}; " if view.num_done and view.num_total else ""
        if not view.position or view.position == 1:
            return f"{paused}{'next' if paused else 'Next'} in the queue."
        return f"{paused}{'number' if paused else 'Number'} {view.position:,} in the queue."
    if view.state == "running" and view.cancel_asked:
        return "Being cancelled."
    if view.state == "running":
        steps = f"Step {view.num_done:,} of {view.num_total:,}" if view.num_total else "Training"
        so_far = steps if view.stage == "train" else DOING.get(view.stage, "Starting")
        left = f", about {duration(view.eta_s)} left" if view.eta_s is not None else ""
        early = " It stops early: the best state so far becomes the voice." if view.stop_asked else ""
        return f"{so_far}{left}.{early}"
    return {"done": "Done.", "failed": "Broke off.", "cancelled": "Cancelled."}.get(view.state, view.state)


def points(events: Events, kind: str, figure: str) -> list[tuple[float, float]]:
    """What one figure of the events of a kind was at each step."""
    return [
        (event.step, float(event.payload[figure]))
        for event in sorted(events, key=lambda event: event.step)
        if event.kind == kind and event.payload.get(figure) is not None
    ]


def loss(events: Events) -> tuple[go.Figure, str]:
    """The loss of each step and on the held-out songs; and the same in words."""
    trained, held_out = points(events, "step", "loss"), points(events, "validation", "loss")
    figure = plots.curves(
        [
            plots.Curve("Training", trained, plots.BEFORE, width=1.5),
            plots.Curve("Held-out songs", held_out, plots.NOW, has_marks=True, width=2.5),
        ],
        x="Step",
        y="Loss, nats a token",
    )
    if not trained:
        return figure, "The first step has not been taken."
    step, now = trained[-1]
    words = f"Step {step:,.0f}: {now:.3f} in training"
    if held_out:
        at, best = min(held_out, key=lambda point: point[1])
        words += f"; {held_out[-1][1]:.3f} on the held-out songs, the best {best:.3f} at step {at:,.0f}"
    return figure, f"{words}."


def bits(events: Events) -> tuple[go.Figure, str]:
    """How well the held-out songs are predicted; and the same in words."""
    found = points(events, "validation", "bits_per_byte")
    figure = plots.curves(
        [plots.Curve("Bits a byte", found, plots.NOW, has_marks=True, width=2.5)], x="Step", y="Bits a byte"
    )
    if not found:
        return figure, "Measured at the first look at the held-out songs."
    first, last = found[0][1], found[-1][1]
    change = (
        f", {abs(1 - last / first):.1%} {'below' if last <= first else 'above'} the start" if len(found) > 1 else ""
    )
    return figure, f"{last:.3f} bits for a byte of songs that it has not read{change}."


def samples(events: Events) -> list[Component]:
    """What the network wrote at its last look, and folded away what it wrote before."""
    found = sorted((event for event in events if event.kind == "sample"), key=lambda e: (-e.step, e.nth))
    if not found:
        return [html.P("Samples come with each look at the held-out songs from the first update on.", className="hint")]
    drawn = [(event.step, sample(event.payload, _when_written(event))) for event in found]
    last = [one for step, one in drawn if step == found[0].step]
    earlier = [one for step, one in drawn if step != found[0].step][:SAMPLES_SHOWN]
    if not earlier:
        return last
    return [*last, html.Details([html.Summary("Earlier", id="run-earlier"), *earlier], className="earlier")]


def _when_written(event: EventView) -> str:
    step = f"Step {event.step:,}" if event.step else "Before"
    return f"{step}, {event.payload.get('form') or 'no form'}"


def sample(payload: dict[str, Any], caption: str = "") -> Component:
    """One text and what was heard in it."""
    head = [html.Span(caption, className="caption")] if caption else []
    prompt = [html.Span(f"{payload['prompt'].rstrip()}\n", className="prompt")] if payload.get("prompt") else []
    return html.Article(
        [
            html.Header([*head, *badges(payload)], className="sample-head"),
            html.Pre([*prompt, str(payload.get("text", ""))], className="sample-text"),
        ],
        className="sample",
    )


def badges(payload: dict[str, Any]) -> list[Component]:
    """Rhyme, metre, originality and memorisation of a sample, each in words.

    Of a text to a form neither rhyme nor metre is told: the form sees to them, whatever the voice has learned.
    """
    shown = []
    freely = (
        ("rhymes", "rhyme", "Lines that rhyme, though no form asked for it"),
        ("metre", "on metre", "Lines on a regular metre, though no form asked for it"),
    )
    for name, words, title in () if payload.get("form") else freely:
        if payload.get(name) is not None:
            shown.append(_badge(name, f"{payload[name]:.0%} {words}", title))
    copied, longest = payload.get("copied"), int(payload.get("longest_copy") or 0)
    if copied is not None:
        title = "Lines that stand in the training songs word for word"
        words = f"{copied:.0%} copied" if copied else "original"
        shown.append(_badge("copied" if copied else "original", words, title))
    if longest:
        shown.append(
            _badge("longest", f"{plural(longest, 'word')} in a row", "The most that stand so in the training songs too")
        )
    return shown


def _badge(name: str, words: str, title: str) -> Component:
    return html.Span(words, className=f"tag badge-{name}", title=title)


def meters(events: Events) -> list[Component]:
    """How busy the machine is."""
    told = [event for event in events if event.kind == "machine"]
    if not told:
        return []
    now = max(told, key=lambda event: (event.step, event.at)).payload
    shown = [
        _meter("cpu", "CPU", now.get("cpu"), "{:.0%}".format),
        _meter("memory", "Memory", now.get("memory_bytes"), lambda size: f"{size / GIB:.1f} GiB", most=None),
        _meter("gpu", "GPU", now.get("gpu"), "{:.0%}".format),
        _meter(
            "gpu-memory", "GPU memory", now.get("gpu_memory_bytes"), lambda size: f"{size / GIB:.1f} GiB", most=None
        ),
    ]
    return [html.Dl([one for one in shown if one], className="meters")]


def _meter(name: str, label: str, value: float | None, shown: Any, most: float | None = 1.0) -> Component | None:
    if value is None:
        return None
    bar = (
        [html.Progress(value=str(min(value, most)), max=str(most), **{"aria-label": f"{label} {shown(value)}"})]
        if most
        else []
    )
    return html.Div([html.Dt(label), html.Dd([shown(value), *bar], id=f"meter-{name}")])


def log(events: Events) -> list[Component]:
    """The last lines of the log."""
    told = [(event, words) for event in events if (words := line_of(event))]
    if not told:
        return [html.P("Nothing yet.", className="hint")]
    told.sort(key=lambda one: (one[0].at, one[0].step, one[0].nth))
    lines = [html.Li([html.Time(f"{event.at:%H:%M:%S}"), html.Span(words)]) for event, words in told[-LOG_SHOWN:]]
    return [html.Ol(lines, className="log", tabIndex=0, **{"aria-label": "Log"})]


def line_of(event: EventView) -> str:
    """What an event says in a log; nothing for those that are drawn.

    >>> from datetime import datetime
    >>> line_of(EventView("validation", 9, 0, {"bits_per_byte": 1.2}, datetime.now()))
    'Step 9: 1.200 bits a byte on the held-out songs'
    """
    said = event.payload
    if event.kind in ("log", "refused"):
        return str(said.get("words", ""))
    if event.kind == "stage":
        return DOING.get(str(said.get("stage")), "")
    if event.kind == "validation" and "bits_per_byte" in said:
        return f"Step {event.step:,}: {said['bits_per_byte']:.3f} bits a byte on the held-out songs"
    return ""
