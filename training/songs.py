"""The songs that a training is told to read, and which of them it is judged by. Knows no tokens."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

from contracts.training import MIN_SONGS
from training.events import Refused

Split = Literal["train", "validation", "test"]
TRAINABLE = frozenset({"mine", "licensed", "public_domain"})
FEEDBACK = "feedback"
MAX_HELD_OUT = 0.1
"""The share of the songs that is held out where the splits hold out none."""


@dataclass(frozen=True, slots=True)
class TrainSong:
    """A song, or a line that its writer kept: then `source` is "feedback" and `prompt` what stood before it."""

    key: str
    artist: str
    title: str
    text: str
    rights: str
    split: Split
    source: str = ""
    prompt: str = ""

    @property
    def is_kept(self) -> bool:
        """Whether only the text after the prompt is learned."""
        return self.source == FEEDBACK


class Parts(NamedTuple):
    """What is trained on, and what a network is judged by: never the same song."""

    train: list[TrainSong]
    held_out: list[TrainSong]


def read_songs(path: Path) -> list[TrainSong]:
    """The songs of a file of JSON lines, in its order.

    Raises:
        Refused: the file cannot be read, or a song in it may not be trained on.
    """
    songs = []
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            song = TrainSong(
                key=str(record["key"]),
                artist=str(record.get("artist", "")),
                title=str(record.get("title", "")),
                text=str(record["text"]),
                rights=str(record["rights"]),
                split=record["split"],
                source=str(record.get("source", "")),
                prompt=str(record.get("prompt", "")),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise Refused("bad_songs", f"Line {number} of the songs cannot be read ({error!r}).") from None
        if song.rights not in TRAINABLE:
            raise Refused(
                "not_trainable",
                f"“{song.title}” may not be trained on: its rights are {song.rights or 'unknown'!r}. State by what "
                "right you use it, or leave it out.",
            )
        if song.split not in ("train", "validation", "test"):
            raise Refused("bad_songs", f"Line {number} of the songs has the split {song.split!r}.")
        if song.text.strip():
            songs.append(song)
    return songs


def part(songs: Sequence[TrainSong]) -> Parts:
    """What is trained on and what is held out, validation and test together.

    Where the splits leave one of the two empty, songs are moved by the hash of their key, so that at least one is
    held out and at least one is left. Kept lines always train: who keeps a line wants more like it.

    Raises:
        Refused: there are too few songs to train on some and be judged by others.
    """
    if not songs:
        raise Refused("no_songs", "There is no song to train on. Bring songs into the dataset and freeze it again.")
    whole = [song for song in songs if not song.is_kept]
    if len(whole) < MIN_SONGS:
        raise Refused(
            "too_few_songs",
            f"There is only {len(whole)} song: a voice needs at least {MIN_SONGS}, one to learn from and one to be "
            "judged by.",
        )
    held_out = [song for song in whole if song.split != "train"]
    if not held_out or len(held_out) == len(whole):
        by_hash = sorted(whole, key=lambda song: hashlib.sha256(song.key.encode()).digest())
        held_out = by_hash[: max(1, int(len(whole) * MAX_HELD_OUT))]
    keys = {song.key for song in held_out}
    train = [replace(song, split="train") for song in songs if song.key not in keys or song.is_kept]
    return Parts(train, held_out)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused("bad_songs", f"The songs cannot be read ({error}).") from None
