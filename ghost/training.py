"""`ghost train`, `ghost runs` and `ghost adapters`: from a frozen dataset to a voice. Speaks to the HTTP API."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ghost.datasets import Name, dataset_id
from ghost.server import OVER, Server, ServerUrl, Token, refused, said, server

runs = typer.Typer(help="Trainings on a server: list, watch, stop, resume.", no_args_is_help=True)
adapters = typer.Typer(help="Voices that were trained: their cards, publish, download.", no_args_is_help=True)
POLL_S = 0.7
GOES_ON = "The training goes on. `ghost runs logs -f {}` shows it again."

RunName = Annotated[str, typer.Argument(metavar="RUN", help='Its id or the beginning of it, or "TITLE v2".')]
VoiceName = Annotated[str, typer.Argument(metavar="ADAPTER", help='Its id or the beginning of it, or "TITLE v2".')]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
_address: dict[str, str | None] = {}


@runs.callback()
@adapters.callback()
def root(server_url: ServerUrl = "", token: Token = None) -> None:
    """Which server, and by whose token."""
    _address.update(url=server_url, token=token)


def train(
    dataset: Name,
    checkpoint: Annotated[str, typer.Option(help="The voice to begin with; `ghost checkpoints ls` lists them.")],
    effort: Annotated[str, typer.Option(help="quick, standard or thorough.")] = "standard",
    number: Annotated[int | None, typer.Option("--version", min=1, help="Of the dataset; the newest.")] = None,
    phonemes: Annotated[float, typer.Option(min=0, max=0.5, help="The share of phoneme tasks; 0 is none.")] = 0.0,
    title: Annotated[str, typer.Option(help="What the voice is called; as the dataset.")] = "",
    before: Annotated[
        str, typer.Option(help="The voice that it is to be better than; the live one of its title.")
    ] = "",
    advanced: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A number of the training: epochs=2, seed=7")
    ] = None,
    quote_only: Annotated[bool, typer.Option("--quote", help="Show what it would take, and end.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Watch it to its end.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
    server_url: ServerUrl = "",
    token: Token = None,
) -> None:
    """Train a voice on a frozen dataset: shows what it will take, asks, and prints the id of the run."""
    root(server_url, token)
    with _server() as there:
        of_dataset = dataset_id(there, dataset)
        number = number or _newest(there, of_dataset)
        title = title or str(there.get(f"/datasets/{of_dataset}")["name"])[:80]
        request = {"checkpoint": checkpoint, "effort": effort, "phonemes": phonemes, "advanced": _set(advanced)}
        asked = {"dataset_id": of_dataset, "number": number, "request": request}
        quoted = _quoted(there, asked)
        if as_json and quote_only:
            typer.echo(json.dumps(quoted))
        else:
            _print_quote(quoted, title, number)
        if quoted["refusals"]:
            raise refused(" ".join(quoted["refusals"]))
        if quote_only:
            return
        if not yes:
            typer.confirm("Train it?", abort=True, err=True)
        body = asked | {"title": title, "max_minutes": quoted["quote"]["max_minutes"]}
        run = there.post("/runs", body | ({"before_id": _adapter(there, before)["id"]} if before else {}))
        typer.echo(json.dumps(run) if as_json else run["id"])
        if follow:
            _follow(there, run)


@runs.command("ls")
def list_runs(as_json: AsJson = False) -> None:
    """List your trainings, the newest first."""
    with _server() as there:
        for run in there.get("/runs")["runs"]:
            typer.echo(json.dumps(run) if as_json else f"{run['id']}  {run['state']:9}  {_far(run):>9}  {_titled(run)}")


@runs.command()
def show(run: RunName, as_json: AsJson = False) -> None:
    """Show how far a training is, what it was asked, what it costs."""
    with _server() as there:
        found = _run(there, run)
    if as_json:
        typer.echo(json.dumps(found))
        return
    typer.echo(f"{_titled(found)}  {found['id']}")
    for name, value in _facts(found):
        typer.echo(f"  {name:11} {said(value)}")


@runs.command()
def logs(
    run: RunName,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it is over.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print what a training said: its stages, steps, validations, samples and log; 1 when it did not come through."""
    with _server() as there:
        found = _run(there, run)
        with _left(found):
            for event in _events(there, found, follow):
                typer.echo(json.dumps(event) if as_json else _words(event))
        if follow:
            _ended(there.get(f"/runs/{found['id']}"))


@runs.command()
def stop(run: RunName) -> None:
    """End a training early: its best state so far becomes the voice."""
    _act(run, "stop", "{} ends early, with its best state.")


@runs.command()
def cancel(run: RunName) -> None:
    """End a training without a voice; its steps so far are charged, and it can go on later."""
    _act(run, "cancel", "{} is cancelled.")


@runs.command()
def resume(run: RunName) -> None:
    """Have a training that failed or was cancelled go on from its last state."""
    _act(run, "resume", "{} goes on.")


@runs.command("rm")
def remove_run(run: RunName, yes: Yes = False) -> None:
    """Delete a training for good, with the voice that it made."""
    with _server() as there:
        found = _run(there, run)
        if not yes:
            typer.confirm(f"Delete {_titled(found)} for good, with the voice that it made?", abort=True, err=True)
        there.delete(f"/runs/{found['id']}")


@adapters.command("ls")
def list_adapters(as_json: AsJson = False) -> None:
    """List your voices, the newest first, then those that are everybody's."""
    with _server() as there:
        for one in there.get("/adapters")["adapters"]:
            if as_json:
                typer.echo(json.dumps(one))
                continue
            bits = f"{one['bits_per_byte']:.3f} bits" if one["bits_per_byte"] is not None else ""
            typer.echo(f"{one['id']:36}  {_standing(one):11}  {bits:10}  {_titled(one)} on {said(one['base'])}")


@adapters.command()
def card(adapter: VoiceName, as_json: AsJson = False) -> None:
    """Print the card of a voice: what it was made of, how, and what came of it."""
    from training.card import as_markdown

    with _server() as there:
        found = there.get(f"/adapters/{_adapter(there, adapter)['id']}")
    typer.echo(json.dumps(found["card"]) if as_json else _lines(as_markdown(found["card"])))
    if not as_json:
        for words in found["worse"]:
            typer.echo(f"Worse: {said(words)}", err=True)


@adapters.command()
def publish(
    adapter: VoiceName,
    reason: Annotated[str, typer.Option(help="Why, where it is worse than what it replaces.")] = "",
) -> None:
    """Put a voice into the voice menu, as the live one of its title."""
    with _server() as there:
        done = there.post(f"/adapters/{_adapter(there, adapter)['id']}/publish", {"reason": reason})
        typer.echo(f"{_titled(done)} is in the voice menu.")


@adapters.command()
def retire(adapter: VoiceName) -> None:
    """Take a voice out of the menu; the version before is live again."""
    with _server() as there:
        done = there.post(f"/adapters/{_adapter(there, adapter)['id']}/retire")
        typer.echo(f"{_titled(done)} is out of the voice menu.")


@adapters.command()
def download(
    adapter: VoiceName,
    out: Annotated[Path | None, typer.Option(help="The file to write.")] = None,
) -> None:
    """Write a voice into a zip: PEFT's files and the card."""
    with _server() as there:
        found = _adapter(there, adapter)
        target = out or Path(f"adapter-{found['id'][:8]}-v{found['number']}.zip")
        size = there.save(f"/adapters/{found['id']}/download", target)
    typer.echo(f"{target}: {size / 1e6:.1f} MB")


@adapters.command("rm")
def remove_adapter(adapter: VoiceName, yes: Yes = False) -> None:
    """Delete a voice for good."""
    with _server() as there:
        found = _adapter(there, adapter)
        if not yes:
            typer.confirm(f"Delete {_titled(found)} for good?", abort=True, err=True)
        there.delete(f"/adapters/{found['id']}")


@contextmanager
def _server() -> Iterator[Server]:
    with server(_address.get("url") or "", _address.get("token") or "") as there:
        yield there


def _set(pairs: list[str] | None) -> dict[str, Any]:
    """The numbers of `--set`, by name."""
    from pydantic import ValidationError

    from contracts.training import Advanced

    parted = [pair.partition("=") for pair in pairs or ()]
    try:
        return Advanced.model_validate({name: value for name, _, value in parted}).model_dump(exclude_none=True)
    except ValidationError as error:
        first = error.errors()[0]
        names = ", ".join(Advanced.model_fields)
        raise refused(f"--set {'.'.join(map(str, first['loc']))}: {first['msg']}. There are: {names}.") from None


def _newest(there: Server, dataset: str) -> int:
    versions = there.get(f"/datasets/{dataset}/versions")["versions"]
    if not versions:
        raise refused("This dataset has no frozen version yet: `ghost datasets freeze` makes one.")
    return int(versions[0]["number"])


def _quoted(there: Server, asked: dict[str, Any]) -> dict[str, Any]:
    """What it will take, once that was measured."""
    while True:
        quoted: dict[str, Any] = there.post("/runs/quote", asked)
        if quoted["quote"] or quoted["refusals"] or not quoted["job"]:
            return quoted
        there.follow(quoted["job"])


def _print_quote(quoted: dict[str, Any], title: str, number: int) -> None:
    config, quote, left = quoted["config"], quoted["quote"], quoted["balance"]["minutes_left"]
    lines = [
        f"{title}: {quoted['num_train_songs']} songs of version {number} to train on, {config['effort']}, "
        f"{config['epochs']:g} epochs on {config['checkpoint']}"
    ]
    if quote:
        lines += [
            f"  about {quote['minutes']:g} minutes, never more than {quote['max_minutes']} charged ({left:,} left)",
            f"  price {quote['price_cents'] / 100:.2f}, never more than {quote['max_price_cents'] / 100:.2f}",
            f"  {quote['num_steps']:,} steps over {quote['num_tokens']:,} tokens",
        ]
        if quote["bits_per_byte"]:
            low, high = quote["bits_per_byte"]
            lines.append(f"  {quote['num_similar']} similar runs reached {low:.3f} to {high:.3f} bits a byte")
    lines += [f"  {words}" for words in quoted["cautions"]]
    for line in lines:
        typer.echo(said(line), err=True)


def _act(name: str, verb: str, words: str) -> None:
    with _server() as there:
        run = there.post(f"/runs/{_run(there, name)['id']}/{verb}")
        typer.echo(words.format(_titled(run)))


def _run(there: Server, name: str) -> dict[str, Any]:
    found = _named(there.get("/runs")["runs"], name, "training", "`ghost runs ls`")
    run: dict[str, Any] = there.get(f"/runs/{found['id']}")
    return run


def _adapter(there: Server, name: str) -> dict[str, Any]:
    return _named(there.get("/adapters")["adapters"], name, "voice", "`ghost adapters ls`")


def _named(rows: list[dict[str, Any]], name: str, what: str, where: str) -> dict[str, Any]:
    """The one that is meant: by its whole id or name first, else by the beginning of the id."""
    found = [row for row in rows if name in (row["id"], f"{row['title']} v{row['number']}")]
    found = found or [row for row in rows if name and row["id"].startswith(name)]
    if not found:
        raise refused(f"You have no {what} {name!r}. {where} lists them.")
    if len(found) > 1:
        raise refused(f"{len(found)} are meant by {name!r}: give more of the id, as {where} shows it.")
    return found[0]


def _follow(there: Server, run: dict[str, Any]) -> None:
    """Watch a training to its end, with a bar; what matters is printed above it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with _left(run), Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(_titled(run), total=None)

        def shown(now: dict[str, Any]) -> None:
            progress.update(bar, description=_doing(now), completed=now["num_done"], total=now["num_total"])

        for event in _events(there, run, follow=True, seen_run=shown):
            if event["kind"] != "step":
                progress.console.print(_words(event), markup=False, highlight=False, soft_wrap=True)
    _ended(there.get(f"/runs/{run['id']}"))


def _events(
    there: Server, run: dict[str, Any], follow: bool, seen_run: Callable[[dict[str, Any]], None] | None = None
) -> Iterator[dict[str, Any]]:
    """What a training says, each once. At its end all is asked for, so that nothing is missed that came late."""
    told: set[tuple[str, int, int]] = set()
    last = 0
    while True:
        run = there.get(f"/runs/{run['id']}")
        is_last = run["state"] in OVER or not follow
        query = {} if is_last or last == 0 else {"after_step": last - 1}
        for event in there.get(f"/runs/{run['id']}/events", **query)["events"]:
            name = event["kind"], event["step"], event["nth"]
            if name not in told and event["kind"] != "machine":
                told.add(name)
                last = max(last, event["step"])
                yield event
        if seen_run:
            seen_run(run)
        if is_last:
            return
        time.sleep(POLL_S)


@contextmanager
def _left(run: dict[str, Any]) -> Iterator[None]:
    """Who stops watching stops nothing else."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(GOES_ON.format(run["id"][:8]), err=True)
        raise typer.Exit(130) from None


def _ended(run: dict[str, Any]) -> None:
    """Say how it ended; the command ends with 1 when there is no voice."""
    if run["state"] != "done":
        raise refused(run["error"] or f"{_titled(run)} was {run['state']}.")
    charged = "" if run["minutes_charged"] is None else f" {run['minutes_charged']} minutes were charged."
    typer.echo(f"{_titled(run)} is trained.{charged} `ghost adapters publish` puts it into the menu.", err=True)


def _words(event: dict[str, Any]) -> str:
    """What was said, in a line; a sample in several."""
    at, payload = f"{event['step']:>6}  ", event["payload"]
    match event["kind"]:
        case "step":
            speed = payload["tokens"] / max(1e-9, payload["seconds"])
            words = f"loss {payload['loss']:.4f}  rate {payload['learning_rate']:.2e}  {speed:,.0f} tokens/s"
        case "validation":
            words = f"validation: {payload['bits_per_byte']:.4f} bits a byte"
        case "sample":
            lines = [payload.get("prompt", ""), *str(payload["text"]).splitlines()]
            return "\n".join([f"{at}sample", *(f"{'':8}| {said(line)}" for line in lines if line.strip())])
        case "table":
            rows = ((name, payload.get(name)) for name in ("bare", "before", "adapter"))
            words = "bits a byte: " + ", ".join(f"{name} {row['bits_per_byte']:.4f}" for name, row in rows if row)
        case "stage":
            words = f"stage: {payload['stage']}"
        case "log" | "refused":
            words = str(payload.get("words", ""))
        case other:
            words = str(other)
    return at + said(words)


def _facts(run: dict[str, Any]) -> Iterator[tuple[str, str]]:
    config, quote, dataset = run["config"], run["quote"], run["dataset"]
    yield "state", _doing(run).partition(": ")[2]
    if run["error"]:
        yield "error", run["error"]
    if run["eta_s"] is not None:
        yield "ends in", f"about {run['eta_s'] / 60:.1f} minutes"
    if dataset:
        yield "dataset", f"{dataset['name']} v{dataset['number']}"
    phonemes = f", {config['phonemes']:.0%} phoneme tasks" if config["phonemes"] else ""
    yield "request", f"{config['effort']} on {config['checkpoint']}, {config['epochs']:g} epochs{phonemes}"
    charged = "" if run["minutes_charged"] is None else f"; {run['minutes_charged']} were charged"
    yield "minutes", f"about {quote['minutes']:g}, never more than {quote['max_minutes']} charged{charged}"
    if run["adapter_id"]:
        yield "adapter", run["adapter_id"]


def _doing(run: dict[str, Any]) -> str:
    what = run["stage"] if run["state"] == "running" and run["stage"] else run["state"]
    place = f", {run['position']} in the queue" if run["position"] else ""
    return said(f"{_titled(run)}: {what}{place}")


def _far(run: dict[str, Any]) -> str:
    return f"{run['num_done']}/{run['num_total'] or run['quote']['num_steps']}"


def _standing(adapter: dict[str, Any]) -> str:
    if adapter["is_shared"]:
        return "everybody's"
    return "live" if adapter["is_live"] else "published" if adapter["published_at"] else "unpublished"


def _titled(row: dict[str, Any]) -> str:
    return said(f"{row['title']} v{row['number']}")


def _lines(text: str) -> str:
    return "\n".join(map(said, text.splitlines()))
