"""The card of an adapter: what it was made of, how, what came of it, and what it cost, as plain JSON.

`card` is told by the process that trained; who ran it adds with `completed` what only they know: the dataset's name,
the price. A card says nothing that was not measured. Knows no torch, so that the web and the workers may read it too.
"""

from __future__ import annotations

import platform
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from contracts.manifest import CheckpointManifest, weights_sha256
from contracts.training import Measures, Table, TrainConfig, what_is_worse
from lyrics.clean import normalised_words
from training.songs import TrainSong, part

VERSION = 1
MAX_POINTS = 200
"""Of a curve in a card: more cannot be told apart in a plot."""
PACKAGES = ("torch", "transformers", "peft")
POWERCAP = Path("/sys/class/powercap")
NOT_MEASURED = "not measured"

_ROWS: tuple[tuple[str, str, str], ...] = (
    ("bits_per_byte", "bits a byte, held-out songs", ".3f"),
    ("rhyme_rate", "lines that rhyme, without a form", ".1%"),
    ("metre_rate", "lines on a regular metre, without a form", ".1%"),
    ("copied_share", "lines that stand in the training songs", ".2%"),
    ("longest_copy", "most words in a row from them", "d"),
    ("distinct_2", "different pairs of words", ".3f"),
    ("explicit_share", "lines with an explicit word", ".2%"),
    ("num_lines", "lines measured", "d"),
)


class Curve(NamedTuple):
    """How a figure went: steps and what it was then."""

    steps: Sequence[int]
    values: Sequence[float]


class Spent(NamedTuple):
    """What a training took: tokens that were trained on, updates, the update whose weights were kept, and seconds of
    training alone. `energy_joules` is None where nothing measures it, or not all of it."""

    tokens: int
    steps: int
    best_step: int
    seconds: float
    energy_joules: float | None = None


def card(
    *,
    config: TrainConfig,
    songs: Sequence[TrainSong],
    base: CheckpointManifest,
    table: Table,
    train: Curve,
    validation: Curve,
    samples: Sequence[Mapping[str, Any]],
    spent: Spent,
    device: str,
    num_threads: int,
    ablation: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """What a training process knows of the adapter that it made. `train` is nats a token, `validation` bits a byte;
    `songs` are all that it was given, those held out too.

    | field | what |
    |---|---|
    | title, number, dataset.name, .number, .content_sha256, .dataset_id, cost.price_cents, .minutes | see `completed` |
    | dataset | `songs` by `train`, `held_out` and `kept_lines`, `words`, songs by `rights` and by `sources` |
    | base | `name`, `title`, `architecture`, `num_parameters`, `licence`, `source`, `weights_sha256` |
    | seed, config | a `TrainConfig` |
    | curves | `train` and `validation`, each `[[step, value], ...]` of at most `MAX_POINTS` points |
    | table, worse | a `Table`, and what `what_is_worse` says of it, in words |
    | samples | payloads of sample events |
    | ablation | rows of `bench.phonemes`, phoneme tasks on and off; None where it was not run |
    | environment | versions, the CPU, threads and the device |
    | cost | `tokens`, `steps`, `best_step`, `seconds`, `energy_joules` or None |
    """
    parts = part(songs)
    whole = [song for song in songs if not song.is_kept]
    return {
        "version": VERSION,
        "title": "",
        "number": 0,
        "dataset": {
            "name": "",
            "number": 0,
            "dataset_id": "",
            "content_sha256": "",
            "songs": {
                "train": sum(not song.is_kept for song in parts.train),
                "held_out": len(parts.held_out),
                "kept_lines": len(songs) - len(whole),
            },
            "words": sum(len(normalised_words(song.text)) for song in whole),
            "rights": dict(Counter(song.rights for song in songs).most_common()),
            "sources": dict(Counter(song.source or "unknown" for song in songs).most_common()),
        },
        "base": {
            "name": base.name,
            "title": base.title or base.name,
            "architecture": base.architecture,
            "num_parameters": base.num_parameters,
            "licence": base.licence,
            "source": base.source,
            "weights_sha256": weights_sha256(base),
        },
        "seed": config.seed,
        "config": config.model_dump(mode="json"),
        "curves": {"train": thinned(train), "validation": thinned(validation)},
        "table": table.model_dump(mode="json"),
        "worse": [worse.words for worse in what_is_worse(table)],
        "samples": [dict(sample) for sample in samples],
        "ablation": [dict(row) for row in ablation] if ablation else None,
        "environment": environment(device, num_threads),
        "cost": {**spent._asdict(), "seconds": round(spent.seconds, 1), "price_cents": None, "minutes": None},
    }


def completed(
    made: Mapping[str, Any],
    *,
    title: str,
    number: int,
    dataset: Mapping[str, Any],
    price_cents: int | None = None,
    minutes: int | None = None,
) -> dict[str, Any]:
    """A card with what the training process could not know. `dataset` has `name`, `number`, `dataset_id` and
    `content_sha256` of the version; price and minutes are those charged."""
    cost = {**made["cost"], "price_cents": price_cents, "minutes": minutes}
    return {**made, "title": title, "number": number, "dataset": {**made["dataset"], **dataset}, "cost": cost}


def thinned(curve: Curve, most: int = MAX_POINTS) -> list[list[float]]:
    """At most `most` points of a curve, evenly chosen, the first and the last among them.

    >>> thinned(Curve([1, 2, 3, 4, 5], [5.0, 4.0, 3.5, 3.2, 3.1]), most=3)
    [[1, 5.0], [3, 3.5], [5, 3.1]]
    """
    points = [[step, round(value, 4)] for step, value in zip(curve.steps, curve.values, strict=True)]
    if len(points) <= most:
        return points
    return [points[round(place * (len(points) - 1) / (most - 1))] for place in range(most)]


def environment(device: str, num_threads: int) -> dict[str, Any]:
    """What it was trained with."""
    return {
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "threads": num_threads,
        "device": device,
    }


class EnergyMeter:
    """What the processors of this machine have drawn since the meter was made, by their own counters (RAPL), whoever
    drew it. Most machines let only root read them, virtual ones have none. Source: the kernel's powercap.rst."""

    def __init__(self, counters: Path = POWERCAP) -> None:
        self._began = {zone: _microjoules(zone / "energy_uj") for zone in sorted(counters.glob("intel-rapl:?"))}

    def joules(self) -> float | None:
        """Since the meter was made; None where nothing can be read."""
        total = 0
        for zone, before in self._began.items():
            now, most = _microjoules(zone / "energy_uj"), _microjoules(zone / "max_energy_range_uj")
            if before is None or now is None:
                return None
            total += now - before if now >= before else now - before + (most or 0)
        return total / 1e6 if self._began else None


def as_markdown(made: Mapping[str, Any]) -> str:
    """A card for people."""
    return "\n".join(_paragraphs(made)) + "\n"


def _paragraphs(made: Mapping[str, Any]) -> Iterator[str]:
    dataset, base, cost, config = made["dataset"], made["base"], made["cost"], made["config"]
    songs = dataset["songs"]
    yield f"# {made['title'] or 'An adapter'}{_after(' v', made['number'])}"
    yield ""
    yield (
        f"A LoRA adapter of rank {config['lora_rank']} on {base['title']} ({base['num_parameters']:,} parameters, "
        f"{base['licence']}; weights `{base['weights_sha256'][:16]}`)."
    )
    yield ""
    name = f"{dataset['name']}{_after(' v', dataset['number'])}" if dataset["name"] else "A dataset"
    rights = ", ".join(f"{num} {right.replace('_', ' ')}" for right, num in dataset["rights"].items())
    yield (
        f"{name}: {songs['train']} songs to learn from and {songs['held_out']} to be judged by, "
        f"{dataset['words']:,} words{_after('; kept lines: ', songs['kept_lines'])}. Rights: {rights}."
        + (f" Content hash `{dataset['content_sha256'][:16]}`." if dataset["content_sha256"] else "")
    )
    yield ""
    yield from _table(made["table"])
    yield ""
    yield from [f"- {words}" for words in made["worse"]] or ["It is worse at none of the agreed measures."]
    yield ""
    yield (
        f"Trained on {cost['tokens']:,} tokens in {cost['steps']} updates, {_duration(cost['seconds'])}; the weights "
        f"of update {cost['best_step']} were kept. Seed {made['seed']}, effort {config['effort']}, phoneme tasks "
        f"{config['phonemes']:.0%}, learning rate {config['learning_rate']:g}, {config['dtype']}."
    )
    price = NOT_MEASURED if cost["price_cents"] is None else f"{cost['price_cents'] / 100:.2f}"
    joules = cost["energy_joules"]
    energy = NOT_MEASURED if joules is None else f"{joules / 3600:.1f} Wh"
    yield f"Price: {price}. Energy: {energy}."
    yield ""
    yield "With " + ", ".join(f"{name} {value}" for name, value in made["environment"].items()) + "."
    if made["ablation"]:
        yield ""
        yield "## Phoneme tasks on and off"
        yield ""
        yield from _rows(made["ablation"])
    for sample in made["samples"]:
        yield ""
        yield f"## {sample['form'] or 'Free'}"
        yield ""
        yield f"> *{sample['prompt']}*  "
        yield from (f"> {line}  " if line.strip() else ">" for line in sample["text"].splitlines())


def _table(table: Mapping[str, Any]) -> Iterator[str]:
    columns = [name for name in ("bare", "before", "adapter") if table.get(name)]
    titles = {"bare": "bare checkpoint", "before": "version before", "adapter": "this adapter"}
    yield "| |" + "|".join(f" {titles[name]} " for name in columns) + "|"
    yield "|---|" + "---|" * len(columns)
    found = {name: Measures.model_validate(table[name]) for name in columns}
    for field, words, how in _ROWS:
        yield f"| {words} | " + " | ".join(format(getattr(found[name], field), how) for name in columns) + " |"


def _rows(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    yield "| " + " | ".join(name.replace("_", " ") for name in columns) + " |"
    yield "|" + "---|" * len(columns)
    for row in rows:
        yield "| " + " | ".join(_shown(row.get(name, "")) for name in columns) + " |"


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _after(words: str, value: int) -> str:
    return f"{words}{value}" if value else ""


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _cpu() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or "unknown"


def _microjoules(counter: Path) -> int | None:
    try:
        return int(counter.read_text())
    except (OSError, ValueError):
        return None
