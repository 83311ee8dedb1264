"""A training from its songs to its adapter, from the top in the order of time.

Load, tokenise, phonemise, train, evaluate, publish. What is said on the way is all that anybody learns of it; what
lies in `FOLDER/adapter` at the end is the adapter. Knows where things come from and go to; how a step is done is
`Trainer`'s.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from pydantic import ValidationError
from transformers import AutoTokenizer

from contracts.bucket import Bucket, NoSuchKey
from contracts.manifest import (
    AdapterManifest,
    CheckpointManifest,
    adapter_key,
    adapter_manifest_key,
    weights_sha256,
)
from contracts.settings import Settings, load_settings
from contracts.training import Table, TrainConfig, TrainEvent, TrainTask, num_steps
from inference import checkpoints
from inference.device import keep_freed_memory, num_cores, pick_device, pick_dtype
from inference.tokenizer import Tokenizer
from training import card as cards
from training import lora, phonemes, state
from training.events import Refused, Say, silent, tell_log, tell_stage
from training.judging import Judge, write_originality
from training.memory import Gauge
from training.networks import Base, load_base
from training.packing import Piece, Plan, Spelling
from training.probe import probe
from training.schedule import evaluation_steps
from training.songs import TrainSong, part, read_songs
from training.team import Team, own_device
from training.trainer import NOT_A_NUMBER, Trainer
from training.wishes import HandedBack, Wishes

ADAPTER = "adapter"
"""The folder, in that of the task, for what is to be published."""
NUM_LINES = 240
"""Written freely by each of the three that are compared."""
NUM_SAMPLES = 2
GAUGE_EVERY_S = 2.0
"""Once in so long what is used of the machine is said."""


class Stock(NamedTuple):
    """What a checkpoint is and where it lies on this machine."""

    manifest: CheckpointManifest
    directory: Path

    @property
    def sha256(self) -> str:
        """What names its weights."""
        return weights_sha256(self.manifest)


@dataclass(frozen=True)
class Reading:
    """All that is read in a training: the songs as they came, and as tokens."""

    songs: list[TrainSong]
    train: list[Piece]
    held_out: list[Piece]
    tasks: list[Piece]

    @property
    def num_tokens(self) -> int:
        """Of an epoch of songs, kept lines as often as they are read."""
        return sum(piece.num_tokens for piece in self.train)


def main(task: TrainTask, folder: Path, say: Say, wishes: Wishes | None = None) -> None:
    """Train what `task` says; `folder` is its own on this machine.

    Raises:
        Refused: it cannot be done, or not go on. What was good until then is saved.
        HandedBack: it was told to stop; its state is saved.
    """
    wishes = wishes or Wishes()
    settings, config = load_settings(), task.config
    bucket = checkpoints.bucket_of(settings)
    torch.set_num_threads(num_cores())
    keep_freed_memory()
    device = own_device(pick_device(settings.training_device))
    team = Team.join(device)
    say = whole(say, wishes) if team.leads else silent

    tell_stage(say, "load")
    began = time.monotonic()
    stock = fetch(bucket, config.checkpoint, settings)
    dtype = usable_dtype(config, device, say)
    base = load_base(stock.directory, dtype=dtype, device=device, eight_bit=config.eight_bit)
    network = lora.attach(base, config)

    tell_stage(say, "tokenise")
    songs = read_songs(folder / task.songs)
    spelling = spelling_of(stock.directory, base, config)
    reading = read(songs, spelling, config)
    if config.phonemes > 0:
        tell_stage(say, "phonemise")
        reading = with_tasks(reading, spelling, config)
    judging = Judging(stock, songs, device, dtype, config.seed, settings.home / "cache" / "words")
    if task.kind == "probe":
        measured = probe(
            base,
            network,
            config,
            reading.train,
            reading.tasks,
            reading.held_out,
            judging.judge(),
            load_s=time.monotonic() - began,
            num_samples=NUM_SAMPLES,
            num_lines=NUM_LINES,
            scratch=folder / "judged",
        )
        say(TrainEvent(kind="done", payload=measured.model_dump()))
        return

    plan = Plan.dealt(
        reading.train,
        reading.tasks,
        num_steps=num_steps(config, reading.num_tokens),
        num_tokens=config.epochs * reading.num_tokens,
        task_share=config.phonemes,
        seed=config.seed,
    )
    trainer = Trainer(
        base,
        network,
        config,
        plan,
        reading.held_out,
        identity={
            "songs": hashlib.sha256((folder / task.songs).read_bytes()).hexdigest(),
            "config": config.model_dump_json(),
            "checkpoint": stock.sha256,
        },
        team=team,
        say=say,
        wishes=wishes,
    )
    if task.resume_key:
        found = state.get(bucket, task.resume_key, folder / f"found-{team.rank}")
        trainer.go_on_from(found, task.resume_key)
    keep = Keeping(trainer, bucket, task.save_key, folder / "state", task.save_every_s)
    meter = cards.EnergyMeter()
    try:
        tell_stage(say, "train", trainer.facts.step)
        steps(trainer, keep, lambda: write_samples(trainer, judging, folder / "judged", say), team, say, wishes)
        trainer.use_best()
        energy_joules = None if task.resume_key else meter.joules()  # another attempt's was not measured here
        if team.leads:
            finish(task, folder, trainer, judging, reading, stock, bucket, say, energy_joules)
    except HandedBack:
        keep.now()
        raise
    except Refused as refused:
        if refused.code == NOT_A_NUMBER:
            keep.now()
        raise
    finally:
        judging.close()
        team.leave()


def whole(say: Say, wishes: Wishes) -> Say:
    """The same, never left in the middle of a line."""

    def shielded(event: TrainEvent) -> None:
        with wishes.shield():
            say(event)

    return shielded


def fetch(bucket: Bucket, name: str, settings: Settings) -> Stock:
    """The checkpoint called `name`, its bytes checked.

    Raises:
        Refused: it is not in the bucket, or not whole.
    """
    listing = checkpoints.list_checkpoints(bucket).get(name)
    if listing is None:
        raise Refused("no_checkpoint", f"The checkpoint {name!r} is not in the bucket any more. Choose another.")
    try:
        directory = checkpoints.fetch(bucket, listing, settings.home / "cache")
    except checkpoints.CheckpointError as error:
        raise Refused("bad_checkpoint", f"The checkpoint cannot be trained on: {error}") from error
    if listing.manifest is None:
        raise Refused("bad_checkpoint", f"The checkpoint cannot be trained on: {listing.reason}")
    return Stock(listing.manifest, directory)


def usable_dtype(config: TrainConfig, device: torch.device, say: Say = silent) -> Literal["float32", "bfloat16"]:
    """What the base is held in: as configured, except that no machine is asked to emulate bfloat16."""
    if config.dtype == "bfloat16" and pick_dtype("auto", device) is torch.float32:
        tell_log(say, "This machine has no bfloat16 of its own: the checkpoint is held in float32.")
        return "float32"
    return config.dtype


def spelling_of(directory: Path, base: Base, config: TrainConfig) -> Spelling:
    """How songs become tokens of this checkpoint."""
    end_id = AutoTokenizer.from_pretrained(str(directory), local_files_only=True).eos_token_id
    if end_id is not None and end_id >= len(base.head):
        end_id = None  # some tokenizers name a mark that their network has no row for
    max_len = min(config.max_len, config.micro_batch_tokens, base.max_positions)
    return Spelling(Tokenizer.load(directory, []), end_id, max_len)


def read(songs: Sequence[TrainSong], spelling: Spelling, config: TrainConfig) -> Reading:
    """The songs as tokens, without tasks.

    Raises:
        Refused: there is too little to train on, or to be judged by.
    """
    parts = part(songs)
    train: list[Piece] = []
    for song in parts.train:
        train += spelling.song(song) * (config.kept_weight if song.is_kept else 1)
    held_out = [piece for song in parts.held_out for piece in spelling.song(song)]
    if not train or not any(piece.num_bytes for piece in held_out):
        raise Refused("no_songs", "The songs hold too few words to train on. Bring more into the dataset.")
    return Reading(list(songs), train, held_out, [])


def with_tasks(reading: Reading, spelling: Spelling, config: TrainConfig) -> Reading:
    """The same with the phoneme tasks of the songs that are trained on; there may be none in them."""
    found = phonemes.tasks([song for song in part(reading.songs).train if not song.is_kept], config.seed)
    tasks = [piece for task in found for piece in spelling.answer(task.prompt, task.answer)]
    return Reading(reading.songs, reading.train, reading.held_out, tasks)


class Keeping:
    """When a training's state goes into the bucket: now and then, and when it is told to."""

    def __init__(self, trainer: Trainer, bucket: Bucket, key: str, scratch: Path, every_s: float) -> None:
        self._trainer, self._bucket, self._key, self._scratch, self._every_s = trainer, bucket, key, scratch, every_s
        self._saved_at = time.monotonic()

    def if_due(self) -> None:
        """Save when the last time is long enough ago."""
        if time.monotonic() - self._saved_at >= self._every_s:
            self.now()

    def now(self, *, is_best: bool = False) -> None:
        """Save; before the first step there is nothing to."""
        if self._key and self._trainer.facts.step > 0:
            self._trainer.save(self._bucket, self._key, self._scratch, is_best=is_best)
        self._saved_at = time.monotonic()


class Judging:
    """A `Judge` that is made when it is first asked: it holds a second copy of the checkpoint, in the engine."""

    def __init__(
        self, stock: Stock, songs: Sequence[TrainSong], device: torch.device, dtype: str, seed: int, words: Path
    ) -> None:
        def make() -> Judge:
            return Judge(stock.directory, songs, device=str(device), dtype=dtype, seed=seed, words=words)

        self._make: Callable[[], Judge] = make
        self._made: Judge | None = None

    def judge(self) -> Judge:
        """The judge."""
        self._made = self._made or self._make()
        return self._made

    def close(self) -> None:
        """Give its memory back; may be called again."""
        if self._made:
            self._made.close()
        self._made = None


def steps(trainer: Trainer, keep: Keeping, sample: Callable[[], None], team: Team, say: Say, wishes: Wishes) -> None:
    """All updates and evaluations that are left; `sample` is called after each evaluation."""
    due = evaluation_steps(trainer.plan.num_steps, trainer.config.num_evaluations)
    gauge, gauged_at = Gauge(trainer.base.device), time.monotonic()
    if trainer.facts.evaluated_step < 0:
        trainer.evaluate_bare()
    while True:
        facts = trainer.facts
        is_over = facts.is_over or facts.step >= trainer.plan.num_steps
        if facts.step > 0 and (is_over or facts.step in due):
            if facts.evaluated_step != facts.step:
                trainer.evaluate()
            if team.leads and facts.sampled_step != facts.step:
                sample()
                trainer.facts.sampled_step = facts.step
            keep.now(is_best=facts.best_step == facts.step)
        if not is_over and facts.without_gain >= trainer.config.patience:
            is_over = True
            tell_log(
                say, f"{facts.without_gain} evaluations brought nothing: step {facts.best_step} is kept.", facts.step
            )
        if is_over:
            return
        keep.if_due()
        trainer.step()
        if time.monotonic() - gauged_at > GAUGE_EVERY_S:
            say(TrainEvent(kind="machine", step=trainer.facts.step, payload=gauge.read()))
            gauged_at = time.monotonic()
        if team.from_leader([float(wishes.stop_early)], trainer.base.device)[0]:
            trainer.facts.is_over = True
            tell_log(say, "Stopped early, as wished: the best so far is kept.", trainer.facts.step)


def write_samples(trainer: Trainer, judging: Judging, folder: Path, say: Say) -> None:
    """What the adapter writes as it stands; also for the card, when it is the best so far."""
    lora.save(trainer.network, folder)
    samples = judging.judge().samples(folder, NUM_SAMPLES)
    for sample in samples:
        say(TrainEvent(kind="sample", step=trainer.facts.step, payload=sample))
    if trainer.facts.best_step == trainer.facts.step:
        trainer.facts.samples = samples


def finish(
    task: TrainTask,
    folder: Path,
    trainer: Trainer,
    judging: Judging,
    reading: Reading,
    stock: Stock,
    bucket: Bucket,
    say: Say,
    energy_joules: float | None,
) -> None:
    """Compare what came of it, and lay out what is to be published."""
    facts = trainer.facts
    tell_stage(say, "evaluate", facts.step)
    made = folder / ADAPTER
    lora.save(trainer.network, made)
    before = fetch_before(task.before, stock, bucket, folder / "before", say)
    before_bits = trainer.bits_per_byte_of(before) if before else 0.0
    judge = judging.judge()
    table = Table(
        bare=judge.measure(None, facts.bare_bits_per_byte, NUM_LINES),
        adapter=judge.measure(made, facts.best_bits_per_byte, NUM_LINES),
        before=judge.measure(before, before_bits, NUM_LINES) if before else None,
    )
    say(TrainEvent(kind="table", step=facts.step, payload=table.model_dump()))

    tell_stage(say, "publish", facts.step)
    write_originality(reading.songs, made)
    card = cards.card(
        config=trainer.config,
        songs=reading.songs,
        base=stock.manifest,
        table=table,
        train=cards.Curve(range(1, facts.step + 1), facts.losses),
        validation=cards.Curve(
            [int(point["step"]) for point in facts.curve], [point["bits_per_byte"] for point in facts.curve]
        ),
        samples=facts.samples,
        spent=cards.Spent(facts.tokens, facts.step, facts.best_step, facts.seconds, energy_joules),
        device=trainer.base.device.type,
        num_threads=facts.num_threads,
    )
    (folder / "card.json").write_text(json.dumps(card, indent=1))
    payload = {
        "folder": ADAPTER,
        "best_step": facts.best_step,
        "card": card,
        "tokens": facts.tokens,
        "seconds": round(facts.seconds, 3),
    }
    say(TrainEvent(kind="done", step=facts.step, payload=payload))


def fetch_before(adapter_id: str, stock: Stock, bucket: Bucket, folder: Path, say: Say) -> Path | None:
    """The version before on this machine; None where there is none to compare with, which is said."""
    if not adapter_id:
        return None
    try:
        manifest = AdapterManifest.model_validate_json(bucket.read(adapter_manifest_key(adapter_id)))
    except (NoSuchKey, ValidationError) as error:
        tell_log(say, f"The version before cannot be read ({type(error).__name__}): compared with the checkpoint only.")
        return None
    if manifest.base_sha256 != stock.sha256:
        tell_log(say, "The version before is of another checkpoint: compared with this checkpoint only.")
        return None
    for entry in manifest.files:
        place = folder / Path(entry.path).name
        if place.name not in (lora.CONFIG_FILE, lora.WEIGHTS_FILE):
            continue
        folder.mkdir(parents=True, exist_ok=True)
        bucket.download(adapter_key(adapter_id, entry.path), place)
        if hashlib.sha256(place.read_bytes()).hexdigest() != entry.sha256:
            raise Refused("bad_adapter", f"The version before is not what its manifest says: {entry.path} differs.")
    return folder
