"""`ghost checkpoints`: put base weights into the bucket, list them, check them."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Base weights in the bucket: add, list, verify.", no_args_is_help=True)
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
GIB = 1 << 30


@contextmanager
def _one_line() -> Iterator[None]:
    """What goes wrong as expected is one line on stderr and exit code 1."""
    from contracts.bucket import BucketAway
    from contracts.manifest import BadName
    from ghost.hub import HubAway
    from inference.checkpoints import CheckpointError

    try:
        yield
    except (BadName, BucketAway, CheckpointError, HubAway, ValueError) as error:
        typer.echo(f"ghost: {error}", err=True)
        raise typer.Exit(1) from None


@app.command()
def add(
    source: Annotated[str, typer.Argument(metavar="DIR-OR-HUB-NAME", help="A directory, or a name like owner/name.")],
    name: Annotated[str, typer.Option(help="What requests will call it: a-z, 0-9, '.', '_' and '-'.")],
    licence: Annotated[str, typer.Option(help="The licence of the weights, shown beside the voice.")],
    title: Annotated[str, typer.Option(help="What the voice menu shows; the name, unless given.")] = "",
    frame: Annotated[str, typer.Option(help="Text put before each framed prompt, such as a chat template.")] = "",
) -> None:
    """Put a Hugging Face checkpoint (GPT-Neo, GPT-J or Llama) into the bucket; its manifest last.

    Safetensors are taken as they are; old .bin files are converted, and refused if they hold more than tensors.
    """
    with _one_line(), tempfile.TemporaryDirectory(prefix="ghost-add-") as scratch:
        if not licence.strip():
            raise ValueError("--licence is empty: say under which licence the weights may be used")
        _add(source, Path(scratch), name=name, licence=licence, title=title, frame=frame)


def _add(source: str, scratch: Path, *, name: str, licence: str, title: str, frame: str) -> None:
    from contracts.manifest import CheckpointManifest, checked_name
    from contracts.settings import load_settings
    from ghost.hub import download
    from inference.checkpoints import bucket_of, publish
    from inference.progress import progress_bar

    checked_name(name)
    bucket = bucket_of(load_settings())
    with progress_bar(name) as progress:
        directory = Path(source).expanduser()
        if not directory.is_dir():
            if not HUB_NAME.fullmatch(source):
                raise ValueError(f"{source!r} is neither a directory nor a name on the Hugging Face hub")
            directory = download(source, progress)
        from inference.huggingface import prepare  # torch and transformers: only when there is something to read

        prepared = prepare(directory, scratch, progress)
        manifest = CheckpointManifest(
            name=name,
            title=title,
            architecture=prepared.architecture,
            num_parameters=prepared.num_parameters,
            dtype=prepared.dtype,
            licence=licence.strip(),
            source=source if directory != Path(source).expanduser() else directory.resolve().name,
            frame=frame,
            files=(),
        )
        publish(bucket, manifest, prepared.files, progress)
    typer.echo(f"{name}: {prepared.architecture}, {prepared.num_parameters:,} parameters, {prepared.dtype}")


@app.command("ls")
def list_all(as_json: Annotated[bool, typer.Option("--json", help="One JSON array, for programs.")] = False) -> None:
    """List the checkpoints in the bucket."""
    from contracts.settings import load_settings
    from inference.checkpoints import bucket_of, list_checkpoints

    with _one_line():
        listings = sorted(list_checkpoints(bucket_of(load_settings())).items())
    if as_json:
        rows = [
            {"name": name, "reason": found.reason} | (found.manifest.model_dump(mode="json") if found.manifest else {})
            for name, found in listings
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    if not listings:
        typer.echo("the bucket holds no checkpoint; add one with `ghost checkpoints add`", err=True)
    for name, found in listings:
        if found.manifest is None:
            typer.echo(f"{name}  unusable: {found.reason}")
            continue
        manifest = found.manifest
        size = sum(entry.size_bytes for entry in manifest.files) / GIB
        millions = manifest.num_parameters / 1e6
        typer.echo(
            f"{name}  {manifest.architecture}  {millions:,.0f} M  {manifest.dtype}  {size:.2f} GiB  {manifest.licence}"
        )


@app.command()
def verify(
    name: Annotated[str | None, typer.Argument(help="One checkpoint; all of them, unless given.")] = None,
) -> None:
    """Read every byte again and compare it with the manifests. Exit code 1 when something differs."""
    from contracts.settings import load_settings
    from inference.checkpoints import CheckpointCorrupt, bucket_of, list_checkpoints, verify
    from inference.progress import progress_bar

    settings = load_settings()
    num_bad = 0
    with _one_line():
        bucket = bucket_of(settings)
        listings = list_checkpoints(bucket)
        if name is not None and name not in listings:
            raise ValueError(f"there is no checkpoint {name!r} in the bucket {bucket.url}")
        for each in [name] if name is not None else sorted(listings):
            try:
                with progress_bar(each) as progress:
                    verify(bucket, listings[each], settings.home / "cache", progress)
                typer.echo(f"{each}  whole")
            except CheckpointCorrupt as error:
                num_bad += 1
                typer.echo(f"ghost: {error}", err=True)
    if num_bad:
        raise typer.Exit(1)
