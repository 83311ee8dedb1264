"""`ghost token`: API tokens, for scripts that use the studio without a browser."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer

from ghost.database import database

app = typer.Typer(help="API tokens.", no_args_is_help=True)
Email = Annotated[str, typer.Option(help="Whose token; the user is made if there is none.")]


@app.callback()
def root() -> None:
    """API tokens."""


@app.command()
def create(
    email: Email,
    name: Annotated[str, typer.Option(help="What it is for, to tell it from others.")] = "ghost token create",
    expires_days: Annotated[int | None, typer.Option(min=1, max=3650, help="Never, unless given.")] = None,
) -> None:
    """Make an API token and print it, alone, on the last line. It is shown this once."""
    from app.tokens import create_for_email

    with database() as session:
        secret = create_for_email(session, email, name=name, expires_days=expires_days)
    lasts = f"for {expires_days} days" if expires_days else "until `ghost token revoke`"
    typer.echo(f"A token of {email}, good {lasts}. Keep it: it is not shown again.", err=True)
    typer.echo(secret)


@app.command("ls")
def list_tokens(email: Annotated[str, typer.Option(help="Whose tokens.")]) -> None:
    """List a user's tokens that are good now, the newest first; never their secrets."""
    from app.tokens import find_for_email

    with database() as session:
        tokens = find_for_email(session, email)
    for token in tokens:
        used, expires = _day(token.last_used_at), _day(token.expires_at)
        typer.echo(f"{token.id}  made {_day(token.created_at)}  expires {expires}  used {used}  {token.name}")


@app.command()
def revoke(token_id: Annotated[UUID, typer.Argument(help="As `ghost token ls` shows it.")]) -> None:
    """Make a token good for nothing, at once."""
    from app.tokens import revoke

    with database() as session:
        revoke(session, token_id)
    typer.echo(f"{token_id} is revoked.")


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else "never"
