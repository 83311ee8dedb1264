"""`ghost token`: API tokens, for scripts that use the studio without a browser."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="API tokens.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """API tokens."""


@app.command()
def create(
    email: Annotated[str, typer.Option(help="Whose token; the user is made if there is none.")],
    name: Annotated[str, typer.Option(help="What it is for, to tell it from others.")] = "ghost token create",
    expires_days: Annotated[int | None, typer.Option(min=1, help="Never, unless given.")] = None,
) -> None:
    """Make an API token and print it, alone, on the last line. It is shown this once."""
    from app.db import open_session
    from app.errors import AppError
    from app.tokens import create_for_email
    from contracts.settings import SettingMissing, load_settings, require

    settings = load_settings()
    try:
        require(settings, "database_url", "tokens are kept in the database")
    except SettingMissing as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    try:
        with open_session(settings) as session:
            secret = create_for_email(session, email, name=name, expires_days=expires_days)
    except AppError as error:
        typer.echo(f"ghost: {error.message}", err=True)
        raise typer.Exit(1) from None
    lasts = f"for {expires_days} days" if expires_days else "until it is revoked"
    typer.echo(f"A token of {email}, good {lasts}. Keep it: it is not shown again.", err=True)
    typer.echo(secret)
