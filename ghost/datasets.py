"""`ghost datasets`: collections of songs on a server, from the list to the frozen version. Speaks to the HTTP API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ghost.server import Server, ServerUrl, Token, refused, said, server

app = typer.Typer(help="Datasets on a server: create, import, review, freeze, download.", no_args_is_help=True)
PAGE = 500
KEYS = "accept / replace / drop / next / undo / quit"

Name = Annotated[str, typer.Argument(metavar="DATASET", help="Its name, or its id.")]
Wait = Annotated[bool, typer.Option(help="Watch the job to its end.")]
_address: dict[str, str | None] = {}


@app.callback()
def root(server_url: ServerUrl = "", token: Token = None) -> None:
    """Datasets on a server: create, import, review, freeze, download."""
    _address.update(url=server_url, token=token)


@app.command()
def create(name: Annotated[str, typer.Argument(help="What it is called.")]) -> None:
    """Make an empty dataset and print its id."""
    with _server() as there:
        typer.echo(there.post("/datasets", {"name": name})["id"])


@app.command("ls")
def list_datasets() -> None:
    """List your datasets, the last touched first."""
    with _server() as there:
        for row in there.get("/datasets")["datasets"]:
            counts = row["counts"]
            number = f"{counts['total']} songs, {counts['trainable']} trainable, {row['versions']} versions"
            typer.echo(f"{row['id']}  {number}  {said(row['name'])}")


@app.command("import")
def import_songs(
    dataset: Name,
    files: Annotated[list[Path] | None, typer.Argument(exists=True, dir_okay=False, help="Files with songs.")] = None,
    tracks: Annotated[str, typer.Option(metavar="FILE", help="A list to look for, one song a line; - is stdin.")] = "",
    playlist: Annotated[str, typer.Option(help="A link to a Spotify playlist of yours.")] = "",
    again: Annotated[bool, typer.Option("--again", help="Look once more for songs that were blocked.")] = False,
    wait: Wait = True,
) -> None:
    """Bring songs in: files, a list of tracks, a playlist."""
    with _server() as there:
        path = f"/datasets/{dataset_id(there, dataset)}"
        jobs = []
        for file in files or ():
            with file.open("rb") as reading:
                jobs.append(there.send(f"{path}/uploads", file.name, reading)["job"])
        if tracks:
            jobs.append(_asked(there, path, {"kind": "tracks", "text": _read(tracks)}))
        if playlist:
            jobs.append(_asked(there, path, {"kind": "playlist", "link": playlist}))
        if again:
            jobs.append(_asked(there, path, {"kind": "again"}))
        if not jobs:
            raise refused("There is nothing to import: give files, --tracks, --playlist or --again.")
        for job in jobs:
            if wait:
                there.follow(job)
            else:
                typer.echo(job["id"])
        if wait:
            _print_status(there.get(path))


@app.command()
def status(
    dataset: Name, wait: Annotated[bool, typer.Option("--wait", help="Watch its job to the end.")] = False
) -> None:
    """Show how many songs there are in each state, by which rights, and what the dataset waits for."""
    with _server() as there:
        path = f"/datasets/{dataset_id(there, dataset)}"
        shown = there.get(path)
        while wait and shown["job"]:
            there.follow(shown["job"])
            shown = there.get(path)
        _print_status(shown)


@app.command()
def review(dataset: Name, state: Annotated[str, typer.Option(help="Which songs to go through.")] = "check") -> None:
    """Go through doubtful songs one by one: accept, replace, drop, next, undo."""
    with _server() as there:
        path = f"/datasets/{dataset_id(there, dataset)}"
        shelf = _songs(there, path, state)
        at = 0
        while 0 <= at < len(shelf):
            at += _reviewed(there, path, shelf[at], f"{at + 1} of {len(shelf)}")
        if not shelf:
            typer.echo(f"No song is in the state {said(state)}.", err=True)


@app.command()
def rights(
    dataset: Name,
    rights: Annotated[str, typer.Option(help="mine, licensed, public_domain or unknown.")],
    note: Annotated[str, typer.Option(help="Who licensed the words, or the link to where they are public.")] = "",
    of: Annotated[str, typer.Option(help="Only songs whose rights are these now.")] = "",
    attest: Annotated[bool, typer.Option("--attest", help="It is so; your name and the time are kept.")] = False,
) -> None:
    """State by what right the songs may be used."""
    with _server() as there:
        body = {"songs": {"rights": of} if of else "all", "rights": rights, "note": note, "attest": attest}
        changed = there.post(f"/datasets/{dataset_id(there, dataset)}/rights", body)["changed"]
        typer.echo(f"{changed} songs are {said(rights)} now.")


@app.command()
def freeze(dataset: Name, wait: Wait = True) -> None:
    """Freeze the songs that may train into a new version, and print its number and hash."""
    with _server() as there:
        path = f"/datasets/{dataset_id(there, dataset)}/versions"
        job = there.post(path)["job"]
        if not wait:
            typer.echo(job["id"])
            return
        there.follow(job)
        newest = there.get(path)["versions"][0]
        typer.echo(f"v{newest['number']}  {newest['content_sha256']}  {newest['counts']['songs']} songs")


@app.command()
def diff(
    dataset: Name,
    before: Annotated[int, typer.Argument(min=1, help="A version's number.")],
    after: Annotated[int, typer.Argument(min=1, help="Another's.")],
) -> None:
    """Show which songs came (+), went (-) and changed (~) between two versions."""
    with _server() as there:
        found = there.get(f"/datasets/{dataset_id(there, dataset)}/versions/{before}/diff/{after}")
    for mark, songs in (("+", found["added"]), ("-", found["removed"]), ("~", found["changed"])):
        for song in songs:
            what = f"  ({', '.join(song['fields'])})" if mark == "~" else ""
            typer.echo(f"{mark} {_named(song)}{what}")


@app.command()
def download(
    dataset: Name,
    number: Annotated[int, typer.Argument(min=1, help="A version's number.")],
    kind: Annotated[str, typer.Option("--as", help="zip, jsonl or txt.")] = "zip",
    out: Annotated[Path | None, typer.Option(help="The file to write.")] = None,
) -> None:
    """Write a version into a file, once every byte of it was checked."""
    target = out or Path(f"dataset-v{number}.{kind}")
    with _server() as there:
        path = f"/datasets/{dataset_id(there, dataset)}/versions/{number}/download"
        size = there.save(path, target, **{"as": kind})
    typer.echo(f"{target}: {size / 1e6:.1f} MB")


@contextmanager
def _server() -> Iterator[Server]:
    with server(_address.get("url") or "", _address.get("token") or "") as there:
        yield there


def dataset_id(there: Server, dataset: str) -> str:
    """The id of a dataset by its name or id."""
    rows = there.get("/datasets")["datasets"]
    found = [row["id"] for row in rows if dataset in (row["id"], row["name"])]
    if not found:
        raise refused(f"You have no dataset {dataset!r}. `ghost datasets ls` lists them.")
    if len(found) > 1:
        raise refused(f"{len(found)} datasets are called {dataset!r}: give the id, as `ghost datasets ls` shows it.")
    return str(found[0])


def _asked(there: Server, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = there.post(f"{path}/imports", body)
    for problem in answer["problems"]:
        typer.echo(said(f"{problem['where']}: {problem['message']}"), err=True)
    job: dict[str, Any] = answer["job"]
    return job


def _read(file: str) -> str:
    if file == "-":
        return typer.get_text_stream("stdin").read()
    try:
        raw = Path(file).read_bytes()
    except OSError as error:
        raise refused(f"{file} cannot be read: {error.strerror}.") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _print_status(shown: dict[str, Any]) -> None:
    typer.echo(said(shown["name"]))
    for name, number in shown["counts"].items():
        if number or name in ("total", "trainable"):
            typer.echo(f"  {name:14} {number:>7,}")
    for name, number in shown["rights"].items():
        typer.echo(f"  rights {said(name):14} {number:>7,}")
    if shown["job"]:
        typer.echo(said(f"  {shown['job']['words']}: {shown['job']['stage'] or shown['job']['state']}"))
    if shown["cannot_freeze"]:
        typer.echo(said(f"  {shown['cannot_freeze']}"))


def _songs(there: Server, path: str, state: str) -> list[dict[str, Any]]:
    songs: list[dict[str, Any]] = []
    while True:
        page = there.get(f"{path}/songs", state=state, offset=len(songs), limit=PAGE)
        songs += page["songs"]
        if len(songs) >= page["total"] or not page["songs"]:
            return songs


def _reviewed(there: Server, path: str, song: dict[str, Any], where: str) -> int:
    """Show a song and do what is asked; returns by how many songs to go on."""
    from click import edit

    shown = there.get(f"{path}/songs/{song['id']}")
    typer.echo(f"\n{where}: {_named(shown)}")
    if shown["matched_title"]:
        matched = _named({"artist": shown["matched_artist"], "title": shown["matched_title"]})
        typer.echo(f"found as: {matched}  {said(shown['why'])}")
    for line in shown["text"].splitlines()[:12]:
        typer.echo(f"  {said(line)}")
    choice = typer.prompt(KEYS, default="n", show_default=False).strip().lower()[:1]
    if choice == "q":
        return 1_000_000
    if choice == "u":
        typer.echo(f"Undone: {said(there.post(f'{path}/undo')['undone'])}")
        return -1 if not where.startswith("1 ") else 0
    if choice == "r":
        text = edit("")
        if text and text.strip():
            there.post(f"{path}/songs/{song['id']}", {"act": "replace", "text": text})
            return 1
        return 0
    if choice in ("a", "d"):
        there.post(f"{path}/songs/{song['id']}", {"act": "accept" if choice == "a" else "drop"})
    return 1


def _named(song: dict[str, Any]) -> str:
    return said(" - ".join(part for part in (song["artist"], song["title"]) if part))
