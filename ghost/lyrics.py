"""`ghost lyrics`: what can be said of any text, and the index that keeps new lines unlike old ones. Works offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lyrics.analysis import Analysis, LineAnalysis

app = typer.Typer(help="Measure a text; index one for originality.", no_args_is_help=True)

_SHADES = ("", "on grey19", "on grey30", "on dark_green", "on dark_orange3")


@app.callback()
def root() -> None:
    """Measure a text; index one for originality."""


@app.command()
def analyse(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, allow_dash=True, help="A text; - is stdin.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
) -> None:
    """Scheme, metre, syllables and rhymes of every line, with the meters of the whole; brighter words rhyme longer."""
    from lyrics.analysis import analyse as analyse_text
    from lyrics.phones import Lexicon

    text = typer.get_text_stream("stdin").read() if str(file) == "-" else _read(file)
    analysis = analyse_text(text, Lexicon())
    if as_json:
        typer.echo(json.dumps(analysis.as_json(), ensure_ascii=False))
    else:
        _print(analysis)


@app.command()
def index(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The text that new lines must not repeat.")],
    out: Annotated[Path, typer.Option(help="The directory to write.")],
    name: Annotated[str | None, typer.Option(help="What receipts call the text; else the name of the file.")] = None,
) -> None:
    """Index all runs of 4 to 8 words of a text, and its lines, for the originality rule."""
    from lyrics.originality import OriginalityIndex

    built = OriginalityIndex.build(_read(file).splitlines(), name or file.stem)
    built.save(out)
    size = sum(part.stat().st_size for part in out.iterdir())
    typer.echo(f"{out}: {built.num_lines} lines, {built.num_words} words, {size / 1e6:.1f} MB")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return file.read_text(encoding="latin-1")


def _print(analysis: Analysis) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("", "syll.", "metre", "line"):
        table.add_column(heading, no_wrap=heading != "line")
    for stanza in analysis.stanzas:
        for line in stanza:
            table.add_row(line.letter, str(line.num_syllables), line.metre, _shaded(line))
        table.add_row()
    console = Console(highlight=False)
    console.print(table)
    for name, value in analysis.meters().items():
        console.print(f"{name:22} {value:.3f}" if isinstance(value, float) else f"{name:22} {value}")


def _shaded(line: LineAnalysis) -> str:
    from rich.markup import escape

    words = [(escape(word), _SHADES[min(length, len(_SHADES) - 1)]) for word, length in line.heat]
    return " ".join(f"[{shade}]{word}[/]" if shade else word for word, shade in words)
