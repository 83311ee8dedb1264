"""The bench of imports runs as its docstring says, and its figures are those of what it ran."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.corpus import judged
from sandbox.standins.songs import CATALOGUE

ROOT = Path(__file__).parents[1]


def run(file: Path, *dials: str) -> list[dict[str, Any]]:
    """The lines of one run."""
    command = [sys.executable, "-m", "bench.corpus", "--json", str(file), *dials]
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_it_works(tmp_path: Path) -> None:
    ours, sequential, limited = run(
        tmp_path / "figures.jsonl", "--songs", "24", "--latency-ms", "40", "--rate-limit", "20/s"
    )
    assert [line["system"] for line in (ours, sequential, limited)] == ["ours", "sequential", "ours"]
    for line in (ours, sequential, limited):
        assert {"songs_per_s", "settled_share", "reimport_s"} <= line.keys()
        assert line["songs"] == 24
    assert ours["settled_share"] == limited["settled_share"] == 1
    assert ours["right_share"] > 0.9 > 0.5 < sequential["right_share"]
    # Which is how fast, a list as short as this one does not tell.
    assert 0 < limited["share_of_limit"] <= 1.1
    assert min(line["songs_per_s"] for line in (ours, sequential, limited)) > 0
    assert ours["calls"] > 24 > ours["calls_again"]


def test_many_songs_of_one_file_are_frozen_without_their_copies(tmp_path: Path) -> None:
    [line] = run(tmp_path / "memory.jsonl", "--memory", "200")
    assert (line["system"], line["songs"], line["copies"], line["frozen"]) == ("memory", 200, 4, 196)
    assert 20 < line["import_peak_mb"] <= line["peak_mb"] < 512


def test_the_words_of_another_song_are_wrong() -> None:
    one, other = (song for song in CATALOGUE.songs[:2] if song.text)
    assert judged(one, one.text) == "right"
    assert judged(one, other.text) == "wrong"
    assert judged(one, None) == "missed"
    silent = next(song for song in CATALOGUE.songs if song.is_instrumental)
    assert judged(silent, None) == "right"
    assert judged(silent, one.text) == "wrong"


@pytest.mark.parametrize("number", range(13, 200, 50))
def test_a_song_that_no_source_has_is_rightly_not_found(number: int) -> None:
    assert judged(CATALOGUE.songs[number], None) == "right"
