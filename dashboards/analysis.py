"""The analysis: what can be heard in any pasted text, in figures and as a heat map. Open to everybody."""

from __future__ import annotations

from collections import Counter
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from app import ear
from app.auth import current_writer
from app.db import unit_of_work

PATH = "/analyse"
HOTTEST = 4
"""Vowels in a row that rhyme, from which on a word is shown as hot as can be."""
STRONG, WEAK = "\u25cf", "\u25cb"
NUM_COLOURS = 8


def layout() -> Component:
    """The page, hidden until its address is called."""
    return html.Main(
        id="analysis",
        className="analysis",
        hidden=True,
        children=[
            html.Section(
                className="analysis-ask",
                children=[
                    html.H1("What rhymes here?"),
                    html.Label("Paste a lyric. Stanzas are parted by blank lines.", htmlFor="analyse-text"),
                    dcc.Textarea(id="analyse-text", className="analysis-text", spellCheck="false", maxLength=20_000),
                    html.Button("Analyse", id="analyse", type="button", className="button primary"),
                ],
            ),
            html.Section(id="analyse-result", className="analysis-result", **{"aria-live": "polite"}),
        ],
    )


def show(_clicks: int | None, text: str | None) -> list[Component]:
    """The figures and the heat map of a text, as this writer says its words."""
    if not (text or "").strip():
        return [html.P("Paste some lines first.", className="nothing")]
    writer = current_writer()
    with unit_of_work() as session:
        lexicon = ear.lexicon_of(session, writer.id if writer else None)
    found: dict[str, Any] = ear.analysis(text or "", lexicon)
    return [_figures(found), _heat_map(found["stanzas"]), _legend()]


def _figures(found: dict[str, Any]) -> Component:
    figures = [
        ("Scheme", found["scheme"] or "none", "a letter a line, a word a stanza; lines of one letter rhyme"),
        (
            "Rhyme factor",
            f"{found['rhyme_factor']:.2f}",
            "vowels in a row that a word shares with one just before",
        ),
        ("Rhyme density", f"{found['rhyme_density']:.2f}", "rhymed syllables of all; .25 to .30 is usual in rap"),
        ("Words", f"{found['num_words']:,}", ""),
        ("Different words", f"{found['distinct_1']:.0%}", "distinct-1: of all words"),
        ("Different pairs", f"{found['distinct_2']:.0%}", "distinct-2: of all two words in a row"),
        ("Repeated lines", f"{found['repetition']:.0%}", ""),
        ("Clich\u00e9s", _listed(found["cliches"]), "phrases and pairs of rhymes that everybody has sung"),
        ("Explicit words", _listed(found["explicit"]), ""),
    ]
    rows = [
        html.Div([html.Dt([name, html.Small(hint)]), html.Dd(value, id=f"figure-{name.lower().replace(' ', '-')}")])
        for name, value, hint in figures
    ]
    return html.Dl(rows, className="figures")


def _listed(words: list[str]) -> str:
    return ", ".join(dict.fromkeys(words)) or "none"


def _heat_map(stanzas: list[list[dict[str, Any]]]) -> Component:
    return html.Div([_stanza(stanza) for stanza in stanzas])


def _stanza(lines: list[dict[str, Any]]) -> Component:
    shared = Counter(line["letter"] for line in lines)
    return html.Div([_line(line, rhymes=shared[line["letter"]] > 1) for line in lines], className="heat-stanza")


def _line(line: dict[str, Any], *, rhymes: bool) -> Component:
    """A line with its words as warm as they rhyme, its letter, its beats, syllables and metre."""
    letter = line["letter"]
    colour = f"rhyme-perfect group-{(ord(letter[0]) - ord('A')) % NUM_COLOURS + 1}" if rhymes else ""
    stresses = "".join(STRONG if stress else WEAK for stress in line["stresses"])
    caption = f"{line['num_syllables']} \u00b7 {line['metre']}" if line["metre"] else str(line["num_syllables"])
    return html.Div(
        className="heat-line",
        children=[
            html.B(letter, className=f"letter {colour}", title="" if rhymes else "rhymes with no other line"),
            html.Div([html.P(_words(line, colour)), html.P(stresses, className="beats", **{"aria-hidden": "true"})]),
            html.Span(caption, className="heat-caption"),
        ],
    )


def _words(line: dict[str, Any], colour: str) -> list[Component | str]:
    """The line as it was written: what rhymes is marked, the end in its group's colour."""
    text: str = line["text"]
    plain = text.lower().replace("\u2019", "'")
    parts: list[Component | str] = []
    done = sought = 0
    for number, (word, length) in enumerate(line["heat"], start=1):
        at = plain.find(word, sought)
        if at < 0:  # a number is heard as words that do not stand there
            continue
        sought = at + len(word)
        end = f"rhyme {colour}" if colour and number == len(line["heat"]) else ""
        if length or end:
            warmth = f"heat heat-{min(length, HOTTEST)}" if length else ""
            shown = [text[at:sought], *([html.Sup(str(length))] if length else [])]
            parts += [text[done:at], html.Span(shown, className=f"{warmth} {end}".strip())]
            done = sought
    return [*parts, text[done:]]


def _legend() -> Component:
    return html.P(
        [
            "The small number says over how many vowels a word rhymes with one just before it, and the line under it "
            "grows with it. The letter before a line is its rhyme group. ",
            f"{STRONG} is a strong beat, {WEAK} a weak one, as the line is most likely said; where the metre asks for "
            "another number of syllables, it says so.",
        ],
        className="nothing",
    )


def register(dash_app: Dash) -> None:
    """Wire the page, and which of the two rooms is shown."""
    text = State("analyse-text", "value")
    dash_app.callback(
        Output("analyse-result", "children"), Input("analyse", "n_clicks"), text, prevent_initial_call=True
    )(show)
    rooms = [Output("room", "hidden"), Output("analysis", "hidden"), Output("analyse-text", "value")]
    dash_app.clientside_callback(ClientsideFunction("ghost", "rooms"), *rooms, Input("url", "pathname"), text)
