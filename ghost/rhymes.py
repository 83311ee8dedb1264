"""`ghost rhymes`: ask the ear, without a server."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

app = typer.Typer(help="Ask the ear: do these words rhyme, and in which scheme?", no_args_is_help=True)


@app.command()
def judge(
    near: Annotated[bool, typer.Option("--near", help="Family and multisyllabic rhymes are rhymes too.")] = False,
) -> None:
    """Read pairs `word TAB word` from stdin and print 1 where they rhyme, 0 where not, a line each.

    A third and a fourth column may give the lines that the words end, for rhymes that reach over more than one word.
    """
    from lyrics.judge import do_rhyme
    from lyrics.phones import Lexicon

    lexicon = Lexicon()
    for number, line in enumerate(sys.stdin, start=1):
        columns = line.rstrip("\r\n").split("\t")
        if len(columns) not in (2, 4) or not (columns[0].strip() and columns[1].strip()):
            typer.echo(f"ghost: line {number} is not `word TAB word`, with or without two lines of context", err=True)
            raise typer.Exit(1)
        one, other = (_end(*columns[place::2]) for place in (0, 1))
        typer.echo(int(do_rhyme(one, other, lexicon, near=near)))


@app.command()
def scheme() -> None:
    """Read a text from stdin and print the letter of each line's rhyme; blank lines part stanzas, and stay blank.

    Lines that rhyme with no other in their stanza have a letter of their own.
    """
    from lyrics.phones import Lexicon
    from lyrics.scheme import scheme_of

    lines = sys.stdin.read().splitlines()
    letters = iter(scheme_of(lines, Lexicon()).replace(" ", ""))
    for line in lines:
        typer.echo(next(letters) if line.strip() else "")


def _end(word: str, line: str = "") -> str:
    """The line, when the word is its end, else the word alone."""
    from lyrics.syllables import words_of

    words = words_of(word)
    return line if words and words_of(line)[-len(words) :] == words else word
