"""The `ghost` command: quick to start, one clear line when something is wrong, and tokens that work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from models import ApiToken, User
from models.token import hash_of


def ghost(*arguments: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "ghost", *arguments],
        env=os.environ | environment,
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_it_works() -> None:
    shown = ghost("--version")
    assert shown.returncode == 0
    assert shown.stdout.startswith("ghost ")


@pytest.mark.parametrize("arguments", [["--help"], ["checkpoints", "--help"], ["token", "create", "--help"]])
def test_help_reads_well(arguments: list[str]) -> None:
    shown = ghost(*arguments)
    assert shown.returncode == 0
    assert "Usage:" in shown.stdout


def test_it_starts_without_what_its_commands_need() -> None:
    code = "import sys, ghost.cli; print({'torch', 'transformers', 'sqlalchemy', 'google'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("arguments", [["nonsense"], ["token", "create"], ["checkpoints", "add", "x"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    assert ghost(*arguments).returncode == 2


def test_a_token_is_made_for_a_new_user_and_stands_alone_on_the_last_line(database_url: str, session: Session) -> None:
    made = ghost("token", "create", "--email", "Alice@Example.com", "--name", "laptop", DATABASE_URL=database_url)
    assert made.returncode == 0, made.stderr
    secret = made.stdout.strip().splitlines()[-1]
    row = session.scalars(select(ApiToken).where(ApiToken.token_hash == hash_of(secret))).one()
    assert (row.name, row.expires_at) == ("laptop", None)
    assert session.get_one(User, row.user_id).email == "alice@example.com"
    assert secret not in made.stderr


def test_a_token_may_expire(database_url: str, session: Session) -> None:
    made = ghost("token", "create", "--email", "a@example.com", "--expires-days", "7", DATABASE_URL=database_url)
    secret = made.stdout.strip().splitlines()[-1]
    row = session.scalars(select(ApiToken).where(ApiToken.token_hash == hash_of(secret))).one()
    assert row.expires_at is not None
    assert (row.expires_at - row.created_at).days in (6, 7)
    assert ghost("token", "create", "--email", "a@example.com", "--expires-days", "0").returncode == 2


def test_what_is_wrong_is_one_line(tmp_path: Path, database_url: str) -> None:
    without = ghost("token", "create", "--email", "a@example.com", GHOST_HOME=str(tmp_path), DATABASE_URL="")
    assert without.returncode == 2
    assert without.stderr.startswith("DATABASE_URL is not set: ")
    bad = ghost("token", "create", "--email", "no address", DATABASE_URL=database_url)
    away = ghost("checkpoints", "ls", BUCKET_URL=f"file://{tmp_path}/gone")
    nobody = ghost("checkpoints", "verify", "nobody", GHOST_HOME=str(tmp_path))
    for done in (bad, away, nobody):
        assert done.returncode == 1
        assert done.stderr.startswith("ghost: ")
        assert len(done.stderr.strip().splitlines()) == 1
    assert not bad.stdout
    assert "out of reach" in away.stderr


def test_a_token_can_be_listed_and_revoked(database_url: str) -> None:
    secret = ghost("token", "create", "--email", "a@example.com", DATABASE_URL=database_url).stdout.splitlines()[-1]
    listed = ghost("token", "ls", "--email", "a@example.com", DATABASE_URL=database_url).stdout
    assert secret not in listed
    token_id = listed.split()[0]
    assert ghost("token", "revoke", token_id, DATABASE_URL=database_url).returncode == 0
    assert ghost("token", "ls", "--email", "a@example.com", DATABASE_URL=database_url).stdout == ""
    again = ghost("token", "revoke", token_id, DATABASE_URL=database_url)
    assert again.returncode == 1
    assert "ghost token ls" in again.stderr


def test_an_operator_sets_a_password(database_url: str, session: Session) -> None:
    ghost("token", "create", "--email", "a@example.com", DATABASE_URL=database_url)
    weak = ghost("account", "password", "--email", "a@example.com", DATABASE_URL=database_url, typed="short\n")
    assert (weak.returncode, "at least 10" in weak.stderr) == (1, True)
    good = ghost(
        "account", "password", "--email", "a@example.com", DATABASE_URL=database_url, typed="a long walk home\n"
    )
    assert good.returncode == 0, good.stderr
    stored = session.scalars(select(User.password_hash)).one()
    assert stored is not None
    assert stored.startswith("$argon2id$")
    nobody = ghost(
        "account", "password", "--email", "b@example.com", DATABASE_URL=database_url, typed="a long walk home\n"
    )
    assert nobody.returncode == 1
