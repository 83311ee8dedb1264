"""Asking a server over its API with a token; what it refuses is one line and exit code 1."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import httpx

POLL_S = 0.5
ANSWER_S = 60.0
OVER = ("done", "failed", "cancelled")
WITHOUT = "GHOST_TOKEN is not set: `ghost token create --email you@example.org` makes a token."

ServerUrl = Annotated[
    str, typer.Option("--server", envvar="GHOST_SERVER", help="Its address; that of `make run`, unless given.")
]
Token = Annotated[str | None, typer.Option(envvar="GHOST_TOKEN", help="As `ghost token create` made it.")]


class Server:
    """One server and one token. Paths are those under `/api/v1`."""

    def __init__(self, url: str, token: str) -> None:
        import httpx

        self._client = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=ANSWER_S
        )
        self._url = url

    def get(self, path: str, **query: Any) -> Any:
        """The answer's JSON."""
        return self._answer("GET", path, params=query).json()

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The answer's JSON."""
        return self._answer("POST", path, json=body or {}).json()

    def delete(self, path: str) -> None:
        """Delete it."""
        self._answer("DELETE", path)

    def send(self, path: str, name: str, file: IO[bytes]) -> Any:
        """Send a file as it is read; the answer's JSON."""
        return self._answer("POST", path, files={"file": (name, file)}, timeout=None).json()

    def save(self, path: str, target: Path, **query: Any) -> int:
        """Write an answer into a file, which is there whole or not at all; returns its size in bytes."""
        import httpx

        part = target.with_name(f".{target.name}.part")
        try:
            with self._client.stream("GET", path, params=query, timeout=None) as answer, part.open("wb") as file:
                if answer.is_error:
                    answer.read()
                    self._check(answer)
                for piece in answer.iter_bytes():
                    file.write(piece)
            part.replace(target)
        except httpx.HTTPError as error:
            raise self._away(error) from None
        finally:
            part.unlink(missing_ok=True)
        return target.stat().st_size

    def follow(self, job: dict[str, Any]) -> dict[str, Any]:
        """Watch a job to its end, with a bar; ends the command with 1 when it fails."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as progress:
            bar = progress.add_task(said(job["words"]), total=None)
            while job["state"] not in OVER:
                stage = job["stage"] or job["state"]
                description = said(f"{job['words']}: {stage}")
                progress.update(bar, description=description, completed=job["num_done"], total=job["num_total"])
                time.sleep(POLL_S)
                job = self.get(f"/jobs/{job['id']}")
            ended = said(f"{job['words']}: {job['state']}")
            progress.update(
                bar, description=ended, completed=job["num_done"], total=job["num_total"] or job["num_done"]
            )
        for line in job["log"]:
            typer.echo(said(line["words"]), err=True)
        if job["state"] != "done":
            raise refused(job["error"] or f"{job['words']} was {job['state']}.")
        return job

    def _answer(self, method: str, path: str, **options: Any) -> httpx.Response:
        import httpx

        try:
            answer = self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise self._away(error) from None
        self._check(answer)
        return answer

    def _check(self, answer: httpx.Response) -> None:
        if not answer.is_error:
            return
        try:
            message = str(answer.json()["error"]["message"])
        except (ValueError, KeyError, TypeError):
            message = f"{self._url} answered {answer.status_code}: is it a Ghost Rhymes server?"
        raise refused(message)

    def _away(self, error: Exception) -> typer.Exit:
        return refused(f"{self._url} does not answer ({type(error).__name__}). Start it, or give another --server.")


@contextmanager
def server(url: str, token: str) -> Iterator[Server]:
    """The server at `url`, or, when it is empty, the one of this machine's settings."""
    from contracts.settings import load_settings

    if not token:
        typer.echo(WITHOUT, err=True)
        raise typer.Exit(2)
    settings = load_settings()
    yield Server(url or settings.public_url or f"http://127.0.0.1:{settings.port}", token)


def refused(message: str) -> typer.Exit:
    """Say what is wrong in one line; raise what this returns."""
    typer.echo(f"ghost: {said(message)}", err=True)
    return typer.Exit(1)


def said(text: str) -> str:
    """Words from elsewhere, on one line and without what a terminal would obey."""
    return "".join(sign if sign.isprintable() else " " for sign in text)
