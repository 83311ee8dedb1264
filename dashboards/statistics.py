"""The tab Statistics: what the songs of the last version are like, beside the version before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
from dash import html
from dash.development.base_component import Component

from app import dataset, dataset_version
from app.db import unit_of_work
from dashboards import plots
from dashboards.builder import builder, nothing

MAX_SHAPES = 10
FIGURES: dict[str, tuple[str, str, Callable[[float], str]]] = {
    "songs": ("Songs", "", "{:,.0f}".format),
    "lines": ("Lines", "sung lines, without names of sections", "{:,.0f}".format),
    "words": ("Words", "", "{:,.0f}".format),
    "vocabulary": ("Vocabulary", "different words", "{:,.0f}".format),
    "couplets": ("Couplets", "neighbouring lines that rhyme", "{:,.0f}".format),
    "abab_pairs": ("ABAB", "four lines that rhyme crosswise", "{:,.0f}".format),
    "rhyme_factor": ("Rhyme factor", "vowels in a row that a word shares with one before", "{:.2f}".format),
    "explicit_share": ("Explicit", "songs with an explicit word", "{:.0%}".format),
}
Figures = dict[str, Any]


def layout(view: dataset.DatasetView) -> list[Component]:
    """Figures and plots of the last two versions."""
    with unit_of_work() as session:
        found = dataset_version.find(session, builder().id, view.id)
    if not found:
        return [nothing("Statistics come with a version. Freeze one, and see here what its songs are like.")]
    now, before = found[0], found[1] if len(found) > 1 else None
    if not now.statistics:
        return [nothing(f"Version {now.number} was frozen without statistics.")]
    past = before.statistics if before else None
    against = f"Version {now.number} against version {before.number}" if before else f"Version {now.number}"
    names = f"Version {now.number}", f"Version {before.number}" if before else ""
    return [
        html.P(f"{against}.", className="hint", id="statistics-of"),
        _figures(now.statistics, past),
        html.Div(
            [
                _plot("syllables", "Syllables a line", _shares_of_lines, now.statistics, past, names),
                _plot("metre", "Metre", _in_order("metre"), now.statistics, past, names),
                _plot("shapes", "Shapes of sections", _commonest_shapes, now.statistics, past, names),
                _plot("languages", "Languages", _in_order("languages"), now.statistics, past, names),
            ],
            className="plots",
        ),
    ]


def _figures(now: Figures, past: Figures | None) -> Component:
    entries = []
    for key, (title, hint, shown) in FIGURES.items():
        value = float(now.get(key, 0))
        was = f"was {shown(float(past.get(key, 0)))}" if past else ""
        entries.append(
            html.Div(
                [html.Dt([title, html.Small(hint)]), html.Dd([shown(value), html.Small(was)], id=f"statistic-{key}")]
            )
        )
    return html.Dl(entries, className="figures")


Series = Callable[[Figures], dict[str, float]]


def _shares_of_lines(figures: Figures) -> dict[str, float]:
    counts = {int(key): int(value) for key, value in figures.get("syllables", {}).items()}
    total = sum(counts.values()) or 1
    return {str(key): counts[key] / total for key in sorted(counts)}


def _commonest_shapes(figures: Figures) -> dict[str, float]:
    counts: dict[str, int] = figures.get("section_shapes", {})
    total = sum(counts.values()) or 1
    best = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_SHAPES]
    return {key: value / total for key, value in best}


def _in_order(name: str) -> Series:
    return lambda figures: dict(sorted(figures.get(name, {}).items(), key=lambda pair: -pair[1]))


def _plot(name: str, title: str, of: Series, now: Figures, past: Figures | None, names: tuple[str, str]) -> Component:
    """A bar for each value, and beside it that of the version before. In words too, for those who do not see it."""
    series, was = of(now), of(past) if past else {}
    keys = list(dict.fromkeys([*series, *was]))
    if name == "syllables":
        keys.sort(key=int)
    bars: dict[str, Any] = {"barmode": "group", "bargap": 0.25, "xaxis": {"type": "category", "fixedrange": True}}
    shares = {"tickformat": ".0%", "fixedrange": True, "rangemode": "tozero"}
    figure = go.Figure(layout=plots.look(has_legend=bool(was), yaxis=shares, **bars))
    if was:
        figure.add_bar(x=keys, y=[was.get(key, 0) for key in keys], name=names[1], marker_color=plots.BEFORE)
    figure.add_bar(x=keys, y=[series.get(key, 0) for key in keys], name=names[0], marker_color=plots.NOW)
    words = ", ".join(f"{key}: {series.get(key, 0):.0%}" for key in sorted(series, key=lambda key: -series[key])[:5])
    return plots.plot(f"plot-{name}", title, figure, words or "Nothing was counted.")
