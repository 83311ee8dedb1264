"""Phoneme tasks on and off: the same songs, the same number of tokens, the same seed, and what becomes of it.

    python -m bench.phonemes --songs BOOK.txt --json bench/out/phonemes.jsonl [--share 0.3] [--epochs 3] [--seeds 0,1]

FILE is a book of songs, or anything else that a dataset takes; what is trained on must be free to be. For the bare
checkpoint, the adapter without tasks and the one with: bits a byte of the held-out songs, rhyme and metre rate and
different pairs of words of lines written freely, and the share of words of held-out lines whose phones come out right
when they are asked for. The checkpoint must lie in the bucket of `$GHOST_HOME`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from contracts.settings import load_settings, share_cores
from contracts.training import Advanced, TrainEvent, TrainRequest, TrainTask, resolve
from corpus.cleaning import clean
from corpus.near import duplicates
from corpus.song import Draft
from corpus.uploads import read_upload
from corpus.version import split_of
from lyrics.clean import stanzas_of
from lyrics.phones import Lexicon
from training.phonemes import g2p_prompt, said, spelled_phones
from training.songs import TrainSong, part

COLUMNS = (
    ("tasks", "phoneme tasks", "s"),
    ("seed", "seed", "d"),
    ("tokens", "tokens", ",d"),
    ("bits_per_byte", "bits a byte", ".4f"),
    ("rhyme_rate", "rhyme rate", ".1%"),
    ("metre_rate", "metre rate", ".1%"),
    ("distinct_2", "distinct-2", ".3f"),
    ("g2p", "words said right", ".1%"),
    ("seconds", "seconds of training", ".0f"),
)


@dataclass(frozen=True)
class Row:
    """What one network does. `share` is that of the tokens which are tasks, `g2p` the words said right."""

    tasks: str
    share: float
    seed: int
    tokens: int
    bits_per_byte: float
    rhyme_rate: float
    metre_rate: float
    distinct_2: float
    copied_share: float
    g2p: float
    num_lines: int
    seconds: float


class Trained:
    """What a training tells."""

    def __init__(self) -> None:
        self.table: dict[str, Any] = {}
        self.tokens, self.seconds = 0, 0.0

    def __call__(self, event: TrainEvent) -> None:
        """Hear an event."""
        if event.kind == "table":
            self.table = event.payload
        elif event.kind == "done":
            self.tokens, self.seconds = event.payload["tokens"], event.payload["seconds"]
        elif event.kind in ("stage", "validation"):
            print(f"  {event.step:5} {event.payload}", flush=True)


def songs_of(path: Path) -> list[TrainSong]:
    """The songs of a file, cleaned, without copies."""
    drafts = [found for found in read_upload(path.name, path) if isinstance(found, Draft)]
    texts = [clean(draft.text).text for draft in drafts]
    copies = duplicates((str(place), text) for place, text in enumerate(texts))
    return [
        TrainSong(
            key := f"{draft.title} {place}", draft.artist, draft.title, text, "public_domain", split_of(key), "book"
        )
        for place, (draft, text) in enumerate(zip(drafts, texts, strict=True))
        if str(place) not in copies
    ]


def rows_of(songs: Sequence[TrainSong], given: argparse.Namespace) -> Iterator[Row]:
    """Train and measure."""
    from inference.checkpoints import bucket_of
    from training import train
    from training.judging import Judge

    settings = load_settings()
    stock = train.fetch(bucket_of(settings), given.checkpoint, settings)
    asked = lines_to_say(songs, given.words)
    words = settings.home / "cache" / "words"
    with Judge(stock.directory, songs, device=settings.training_device, seed=0, words=words) as judge:

        def row(tasks: str, seed: int, told: Trained, adapter: Path | None) -> Row:
            bits = told.table["adapter" if adapter else "bare"]["bits_per_byte"]
            measures = judge.measure(adapter, bits, given.lines)
            kept = measures.model_dump(include=set(Row.__dataclass_fields__))
            spoken = said_right(judge, adapter, asked)
            tokens, seconds = (told.tokens, told.seconds) if adapter else (0, 0.0)
            share = given.share if tasks == "on" else 0.0
            return Row(tasks=tasks, share=share, seed=seed, tokens=tokens, seconds=seconds, g2p=spoken, **kept)

        for number, seed in enumerate(map(int, given.seeds.split(","))):
            for tasks, share in (("off", 0.0), ("on", given.share)):
                with tempfile.TemporaryDirectory(prefix="ghost-phonemes-") as scratch:
                    folder, told = Path(scratch), Trained()
                    print(f"phoneme tasks {tasks}, seed {seed}", flush=True)
                    advanced = Advanced(
                        epochs=given.epochs, seed=seed, learning_rate=1e-3, batch_tokens=1_024, num_evaluations=2
                    )
                    request = TrainRequest(checkpoint=given.checkpoint, phonemes=share, advanced=advanced)
                    task = TrainTask(run_id=uuid4(), config=resolve(request, num_tokens=50_000))
                    lines = "".join(json.dumps(asdict(song)) + "\n" for song in songs)
                    (folder / task.songs).write_text(lines, encoding="utf-8")
                    train.main(task, folder, told)
                    if number == 0 and tasks == "off":
                        yield row("bare", seed, told, None)
                    yield row(tasks, seed, told, folder / train.ADAPTER)


def lines_to_say(songs: Sequence[TrainSong], num_words: int) -> list[tuple[str, list[str]]]:
    """Held-out lines of which every word is in a dictionary, and the phones of each word as tasks write them."""
    lexicon, found, held = Lexicon(), list[tuple[str, list[str]]](), 0
    for song in part(songs).held_out:
        for line in (line for stanza in stanzas_of(song.text) for line in stanza):
            phones = said(line, lexicon)
            if phones and held < num_words:
                found.append((line, spelled_phones(phones).split(" | ")))
                held += len(phones)
    return found


def said_right(judge: Any, adapter: Path | None, asked: Sequence[tuple[str, list[str]]]) -> float:
    """The share of the words whose phones the network tells exactly, in their places."""
    name = "tried" if adapter else ""
    if adapter:
        judge.writer.put(name, adapter)
    answers = judge.writer.continue_greedily([g2p_prompt(line) for line, _ in asked], name)
    right = total = 0
    for answer, (_, phones) in zip(answers, asked, strict=True):
        given = [word.strip() for word in answer.split("|")]
        right += sum(one == other for one, other in zip(given, phones, strict=False))
        total += len(phones)
    return right / max(1, total)


def main() -> None:
    """Read the dials, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=Path, required=True)
    parser.add_argument("--json", type=Path, help="where a line of JSON a row goes")
    parser.add_argument("--checkpoint", default="smollm2-135m-instruct")
    parser.add_argument("--share", type=float, default=0.3, help="of the training tokens that are tasks")
    parser.add_argument("--epochs", type=float, default=3.0)
    parser.add_argument("--lines", type=int, default=1_000, help="written freely by each network")
    parser.add_argument("--words", type=int, default=1_000, help="of held-out lines whose phones are asked for")
    parser.add_argument("--seeds", default="0", help="comma-separated")
    given = parser.parse_args()
    share_cores()
    songs = songs_of(given.songs)
    print(f"{len(songs)} songs")
    rows = []
    for row in rows_of(songs, given):
        rows.append(row)
        if given.json:
            given.json.parent.mkdir(parents=True, exist_ok=True)
            given.json.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows), encoding="utf-8")
    print(" | ".join(f"{words:>16}" for _, words, _ in COLUMNS))
    for row in rows:
        print(" | ".join(f"{format(getattr(row, field), how):>16}" for field, _, how in COLUMNS))


if __name__ == "__main__":
    main()
