"""The colours of both themes can be read: WCAG 2.1 AA, computed from the design tokens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOKENS = Path(__file__).parents[2] / "frontend" / "src" / "css" / "tokens.css"
TEXT = 4.5
"""Source: WCAG 2.1, success criterion 1.4.3."""
PART = 3.0
"""Borders of controls and other parts that mean something. Source: WCAG 2.1, success criterion 1.4.11."""
THEMES = {"light": ":root {", "dark": ':root[data-theme="dark"] {'}
PAIRS = [
    *((ink, paper, TEXT) for ink in ("ink", "ink-soft", "ink-faint") for paper in ("ground", "paper", "raised")),
    *(("lamp-text", paper, TEXT) for paper in ("paper", "raised", "lamp-wash")),
    ("on-lamp", "lamp", TEXT),
    ("ink", "lamp-wash", TEXT),
    ("ink-soft", "lamp-wash", TEXT),
    ("ink", "trouble-wash", TEXT),
    ("trouble", "paper", TEXT),
    *(("ink", f"rhyme-{number}", TEXT) for number in range(1, 9)),
    ("line-strong", "paper", PART),
    ("line-strong", "raised", PART),
]


def tokens(theme: str) -> dict[str, str]:
    """The hexadecimal colours of one theme; dark falls back to light as the cascade does."""
    css = TOKENS.read_text()
    found: dict[str, str] = {}
    for name in ("light", theme):
        block = css[css.index(THEMES[name]) :]
        found |= dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", block[: block.index("}")]))
    return found


def luminance(colour: str) -> float:
    """Source: WCAG 2.1, relative luminance."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Source: WCAG 2.1, contrast ratio."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_it_works() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("ink", "paper", "least"), PAIRS)
def test_words_and_parts_stand_out(theme: str, ink: str, paper: str, least: float) -> None:
    colours = tokens(theme)
    assert contrast(colours[ink], colours[paper]) >= least


def test_the_systems_dark_theme_is_the_chosen_one() -> None:
    css = TOKENS.read_text()
    chosen = css[css.index(THEMES["dark"]) :].partition("}")[0]
    systems = css[css.index("@media (prefers-color-scheme: dark)") :].partition("}")[0]
    assert re.findall(r"--[^;]+;", chosen) == re.findall(r"--[^;]+;", systems)
