"""The `ghost` command. It starts quickly because nothing heavy is imported before a command asks for it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from ghost import account, checkpoints, datasets, lyrics, rhymes, token, training

app = typer.Typer(
    help="Ghost Rhymes: a studio for writing song lyrics with language models.",
    epilog="Settings come from the environment, else from $GHOST_HOME/stack.env, which `make run` writes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(account.app, name="account")
app.add_typer(training.adapters, name="adapters")
app.add_typer(checkpoints.app, name="checkpoints")
app.add_typer(datasets.app, name="datasets")
app.add_typer(lyrics.app, name="lyrics")
app.add_typer(rhymes.app, name="rhymes")
app.add_typer(training.runs, name="runs")
app.add_typer(token.app, name="token")
app.command("train")(training.train)


def _show_version(wanted: bool) -> None:
    if wanted:
        try:
            print(f"ghost {version('ghost-rhymes')}")
        except PackageNotFoundError:
            print("ghost (from a checkout that is not installed)")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Only the options of `ghost` itself."""


def main() -> None:
    """Run the command; the process ends with its exit code."""
    app(prog_name="ghost")
