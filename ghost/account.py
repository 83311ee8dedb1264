"""`ghost account`: what an operator does for a user."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ghost.database import database

app = typer.Typer(help="Users.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Users."""


@app.command()
def password(email: Annotated[str, typer.Option(help="Whose.")]) -> None:
    """Set a user's password: typed twice, or the first line of a pipe."""
    from app.sign_in import set_password

    new = typer.prompt("New password", hide_input=True, confirmation_prompt=True) if sys.stdin.isatty() else ""
    new = new or sys.stdin.readline().rstrip("\n")
    with database() as session:
        set_password(session, email=email, password=new)
    typer.echo(f"{email} can log in with it now.")
