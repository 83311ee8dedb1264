"""A unit of work for commands that speak to the database, and their errors in one line each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@contextmanager
def database() -> Iterator[Session]:
    """A session on the stack's database; ends the command with 2 where there is none, with 1 on a refusal."""
    from app.db import open_session
    from app.errors import AppError
    from contracts.settings import SettingMissing, load_settings, require

    settings = load_settings()
    try:
        require(settings, "database_url", "users and tokens are kept in the database")
    except SettingMissing as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    try:
        with open_session(settings) as session:
            yield session
    except AppError as error:
        typer.echo(f"ghost: {error.message}", err=True)
        raise typer.Exit(1) from None
