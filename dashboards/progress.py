"""How far things are: the bar of a dataset's songs by state, and the strip of the job that works on them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from dash import html
from dash.development.base_component import Component

from app.job import JobView
from dashboards.builder import STATES, button, plural

ENDED = {"done": ": done", "failed": " did not come through", "cancelled": " was cancelled"}
LOG_SHOWN = 50
SOON_S = 90


def shares(counts: Mapping[str, int]) -> list[tuple[str, int, float]]:
    """The states that songs are in, how many each, and what share of all in percent.

    >>> shares({"found": 3, "check": 1, "blocked": 0})
    [('found', 3, 75.0), ('check', 1, 25.0)]
    """
    present = [(state, counts.get(state, 0)) for state in STATES if counts.get(state, 0)]
    total = sum(number for _, number in present)
    return [(state, number, 100 * number / total) for state, number in present]


def bar(counts: Mapping[str, int]) -> Component:
    """One bar, a length for each state."""
    parts = [
        html.Div(className=f"part state-{state}", style={"width": f"{share:.2f}%"}, title=f"{number:,} {STATES[state]}")
        for state, number, share in shares(counts)
    ]
    words = ", ".join(f"{number:,} {STATES[state].lower()}" for state, number, _ in shares(counts)) or "no songs yet"
    return html.Div(parts, className="states", role="img", **{"aria-label": words})


def legend(counts: Mapping[str, int]) -> Component:
    """The same in figures."""
    entries = [
        html.Li([html.I(className=f"dot state-{state}"), html.B(f"{number:,}"), f" {STATES[state].lower()}"])
        for state, number, _ in shares(counts)
    ]
    return html.Ul(entries, className="legend", id="legend")


def in_words(job: JobView) -> str:
    """What a job is doing, in one line."""
    if job.state == "queued":
        return f"{job.words} waits for its turn"
    if job.state == "waiting":
        return f"{job.words} goes on {_in(job.run_after)}: the source asked us to go slower{_so_far(job)}"
    if job.is_over:
        return f"{job.words}{ENDED.get(job.state, job.state)}"
    return f"{job.words}{f': {job.stage}' if job.stage else ''}{_so_far(job)}"


def _so_far(job: JobView) -> str:
    return f", {job.num_done:,} of {job.num_total:,}" if job.num_total else ""


def _in(moment: datetime | None) -> str:
    """When a job that waits goes on."""
    seconds = (moment - datetime.now(UTC)).total_seconds() if moment else 0
    if seconds < 1:
        return "in a moment"
    return (
        f"in {plural(round(seconds), 'second')}" if seconds < SOON_S else f"in {plural(round(seconds / 60), 'minute')}"
    )


def strip(job: JobView) -> Component:
    """A job: its bar, its words, what went wrong, and what can be done about it."""
    progress: dict[str, Any] = {} if job.num_total is None else {"value": str(job.num_done), "max": str(job.num_total)}
    meter = [] if job.is_over else [html.Progress(**progress, className="job-bar", **{"aria-label": in_words(job)})]
    words = "Stopping\u2026" if job.cancel_asked and not job.is_over else in_words(job)
    trouble = [html.P(job.error, className="refusal", role="alert")] if job.error else []
    return html.Div(
        [html.P(words, className="job-words"), *meter, *trouble, *deeds(job), *_log(job)],
        className="job",
        **{"data-state": job.state},
    )


def deeds(job: JobView) -> list[Component]:
    """Cancel what runs, try again what failed."""
    if job.state in ("failed", "cancelled"):
        again = button({"type": "retry-job", "id": str(job.id)}, "Try again", "small")
        return [html.Div(again, className="actions")]
    if job.is_over or job.cancel_asked:
        return []
    cancel = button({"type": "cancel-job", "id": str(job.id)}, "Cancel", "small", title="What is done stays done.")
    return [html.Div(cancel, className="actions")]


def _log(job: JobView) -> list[Component]:
    if not job.log:
        return []
    lines = [html.Li(str(line.get("words", ""))) for line in job.log[-LOG_SHOWN:]]
    summary = html.Summary(plural(len(job.log), "note"), id={"type": "job-log", "id": str(job.id)})
    return [html.Details([summary, html.Ul(lines)], className="job-log")]
