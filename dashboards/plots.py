"""Plots that turn with the theme: their ink and lines come by the style sheet (frontend/src/css/plots.css)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go
from dash import dcc, html
from dash.development.base_component import Component

NOW, BEFORE = "#d18f0f", "#7d8894"
"""What is looked at, and what it is held against: seen on both themes, and told apart by who sees no colours."""
COLOURS = (NOW, "#3b7dd8", "#2f8a4e", "#b0508f", "#0f8f95", "#9a6a3a")
MARKS = ("circle", "square", "diamond", "triangle-up", "x", "cross")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
CONFIG = {"displayModeBar": False, "responsive": True}
HEIGHT = 260
MAX_POINTS = 800
"""Of one curve on the page; a longer one is thinned, its last point kept."""


class Curve(NamedTuple):
    """A line of a plot. `has_marks` is for points that are few, and each worth a look."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: str
    has_marks: bool = False
    mark: str = "circle"
    dash: str = "solid"
    width: float = 2


def look(*, height: int = HEIGHT, has_legend: bool = False, **more: Any) -> dict[str, Any]:
    """The layout that all plots have in common."""
    axis = {"fixedrange": True}
    return {
        "height": height,
        "margin": {"l": 52, "r": 12, "t": 28, "b": 44},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": has_legend,
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        "font": {"family": "Instrument Sans Variable, system-ui, sans-serif", "size": 12},
        "xaxis": axis,
        "yaxis": axis,
    } | more


def curves(lines: Iterable[Curve], *, x: str, y: str, height: int = HEIGHT) -> go.Figure:
    """Lines over one axis. `x` and `y` are the axes' words."""
    drawn = [line for line in lines if line.points]
    figure = go.Figure(
        layout=look(
            height=height,
            has_legend=len(drawn) > 1,
            xaxis={"fixedrange": True, "title": {"text": x, "standoff": 8}, "rangemode": "tozero"},
            yaxis={"fixedrange": True, "title": {"text": y, "standoff": 8}},
            hovermode="x unified" if len(drawn) <= 2 else "closest",
            uirevision="kept",  # what a visitor switched off in the legend stays off when new points come
        )
    )
    for line in drawn:
        shown = thinned(line.points)
        figure.add_scatter(
            x=[at for at, _ in shown],
            y=[value for _, value in shown],
            name=line.name,
            cliponaxis=False,
            mode="lines+markers" if line.has_marks else "lines",
            line={"color": line.colour, "width": line.width, "dash": line.dash},
            marker={"color": line.colour, "size": 8, "symbol": line.mark},
            hovertemplate="%{y:.3f}" if len(drawn) <= 2 else "%{fullData.name}: %{y:.3f}<extra></extra>",
        )
    return figure


def thinned(points: Sequence[tuple[float, float]], at_most: int = MAX_POINTS) -> list[tuple[float, float]]:
    """Every so-manieth point, and the last.

    >>> thinned([(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)], at_most=3)
    [(1, 1), (3, 3), (5, 5)]
    """
    if len(points) <= at_most:
        return list(points)
    stride = -(-len(points) // at_most)
    kept = list(points[::stride])
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]


def plot(plot_id: str, title: str, figure: go.Figure, words: str) -> Component:
    """A figure under its title, and in words for those who do not see it."""
    height = figure.layout.height or HEIGHT
    graph = dcc.Graph(id=plot_id, figure=figure, config=CONFIG, style={"height": height})
    heading = html.H2(title, id=f"{plot_id}-title")
    return html.Figure([heading, graph, html.Figcaption(words, id=f"{plot_id}-words", className="hint")])
