"""Stanzas that a bench has written: an engine over a checkpoint, prompts of our own, and the ways to write."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.checkpoints import GPT2_BPE, SHAPES, random_checkpoint
from contracts.wire import CompletionRequest, SamplingParams
from inference.constrained import FormState
from inference.convert import SMOLLM2_FRAME
from inference.crafted import Studio, craft
from inference.delivery import Inbox, Postman
from inference.engine import Engine, Formed
from inference.forms import ImpossibleForm, Prepared, prepare
from lyrics.form import Form

PROMPTS = (
    "Midnight on the corner and the neon's running low",
    "I kept your letter folded in the pocket of my coat",
    "The river took the summer and it never gave it back",
    "Mama hung the washing where the freight trains used to run",
    "We were only seventeen and nobody was wrong",
    "There's a light on in the kitchen of the house where I was born",
    "Count the money, count the miles, count the ones who stayed",
    "Winter on the harbour and the boats are all asleep",
    "I heard you on the radio between the news and rain",
    "Tell the city I am coming with a suitcase and a song",
    "Every road I ever loved was leading out of town",
    "She dances in the doorway with the shadows for a crowd",
    "The moon is just a streetlamp that they forgot to fix",
    "I was raised on broken windows and on Sunday afternoons",
    "Put your hand upon the engine, you can feel it start to turn",
    "Nobody told the flowers that the war was almost done",
    "Copper in the evening sky and copper in my hand",
    "My brother drives a taxi and he knows where sorrow sleeps",
    "We painted all the fences but we never fixed the gate",
    "If I could write it simply I would write it on the wall",
    "The last train out of somewhere is the first one home for me",
    "Snow upon the speakers and a whisper in the crowd",
    "You left your coat in April and your shadow in the hall",
    "The baker and the sailor and the girl who sold the rain",
    "Somebody's singing slowly in the room above my own",
)  # our own lines
TEMPERATURE, TOP_P = 0.8, 0.95
SIBLINGS = 8
SLOTS = 32
MAX_LEN = 512
PATIENCE_S = 600.0


@dataclass
class Stanza:
    """One stanza that is to be written, and what came of it."""

    form: Form
    prompt: str
    seed: int
    scheme: str
    text: str = ""
    seconds: float = 0.0
    refusal: str = ""
    is_dead: bool = False

    def as_json(self) -> dict[str, Any]:
        """The line of the file."""
        syllables = self.form.syllables
        counts = [syllables] * self.form.num_lines if isinstance(syllables, int) else list(syllables or ())
        return {
            "scheme": self.form.scheme,
            "syllables": counts,
            "metre": self.form.metre,
            "mode": self.form.mode,
            "seed": self.seed,
            "prompt": self.prompt,
            "lines": self.text.split("\n") if self.text else [],
        }


@dataclass
class Bench:
    """An engine over a checkpoint, and the clock of what forms cost the host."""

    engine: Engine
    frame: str
    form_s: float = 0.0
    num_row_steps: int = 0

    @classmethod
    def over(cls, checkpoint: str, words: Path) -> Bench:
        """The checkpoint of a directory, or one of the random shapes."""
        directory = Path(checkpoint)
        if checkpoint in SHAPES or checkpoint == GPT2_BPE:
            directory = random_checkpoint(checkpoint, Path(tempfile.gettempdir()) / "ghost-bench-checkpoints")
        started = time.perf_counter()
        engine = Engine.load(directory, num_slots=SLOTS, max_len=MAX_LEN, max_waiting=10_000, words=words)
        loaded = time.perf_counter()
        speller = engine.speller()
        learnt = time.perf_counter()
        print(
            f"{directory.name}: loaded in {loaded - started:.1f} s, words learnt in {learnt - loaded:.1f} s, "
            f"trie {speller.trie.size_bytes / 1e6:.1f} MB, {len(speller.trie.vocabulary.words):,} words"
        )
        engine.start()
        return cls(engine, SMOLLM2_FRAME if "smollm2" in directory.name else "")

    def watch(self) -> None:
        """Count the time that masks and their bookkeeping take, row by row."""
        for name in ("mask", "advance"):
            setattr(FormState, name, self._timed(getattr(FormState, name), counts=name == "mask"))

    def _timed(self, work: Callable[..., Any], *, counts: bool) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            started = time.perf_counter()
            try:
                return work(*arguments)
            finally:
                self.form_s += time.perf_counter() - started
                self.num_row_steps += counts

        return timed

    def prepare(self, stanza: Stanza, indexes: Path = Path()) -> Prepared:
        """The stanza's form, ready."""
        wanted = CompletionRequest(
            model="bench", prompt=stanza.prompt + "\n", form=stanza.form.model_dump(exclude_defaults=True)
        )
        return prepare(wanted, self.engine.speller(), indexes)

    def encode(self, text: str) -> list[int]:
        """Ids of a text in the checkpoint's frame."""
        return self.engine.encode(text, frame=self.frame)


async def write(
    bench: Bench, wanted: Sequence[Stanza], *, temperature: float = TEMPERATURE, indexes: Path = Path()
) -> None:
    """Write all stanzas, as many at once as the engine has room for."""
    postman = Postman(asyncio.get_running_loop())
    in_one_go = 4 if wanted and wanted[0].form.mode == "crafted" else SLOTS
    room = asyncio.Semaphore(in_one_go)
    done = 0

    async def one(stanza: Stanza) -> None:
        nonlocal done
        async with room:
            started = time.perf_counter()
            try:
                prepared = await asyncio.to_thread(bench.prepare, stanza, indexes)
            except ImpossibleForm as error:
                stanza.refusal = str(error)
                return
            writes = _crafted if stanza.form.mode == "crafted" else _fast
            stanza.text = await writes(bench, postman, stanza, prepared, temperature)
            stanza.is_dead = stanza.text.count("\n") + 1 != stanza.form.num_lines
            stanza.seconds = time.perf_counter() - started
            done += 1
            if done % 100 == 0:
                print(f"  {done} stanzas", file=sys.stderr, flush=True)

    await asyncio.gather(*map(one, wanted))


async def _fast(bench: Bench, postman: Postman, stanza: Stanza, prepared: Prepared, temperature: float) -> str:
    params = SamplingParams(
        temperature=temperature, top_p=TOP_P, seed=stanza.seed, max_tokens=min(prepared.max_tokens, MAX_LEN // 2)
    )
    return "".join([text async for text in _texts(bench, postman, stanza, params, Formed(prepared.begin))])


async def _texts(
    bench: Bench, postman: Postman, stanza: Stanza, params: SamplingParams, formed: Formed | None
) -> AsyncIterator[str]:
    inbox = Inbox()
    ids = bench.encode(stanza.prompt + "\n")
    bench.engine.add(f"{stanza.seed}", ids, params, lambda pieces: postman.drop(inbox, pieces), formed=formed)
    while True:
        for piece in await inbox.take(PATIENCE_S):
            yield piece.text
            if piece.finish_reason:
                return


async def _crafted(bench: Bench, postman: Postman, stanza: Stanza, prepared: Prepared, temperature: float) -> str:
    studio = Studio(
        bench.engine,
        postman.drop,
        lambda text: bench.encode(stanza.prompt + "\n" + text),
        str(stanza.seed),
        SamplingParams(temperature=temperature, top_p=TOP_P, max_tokens=min(prepared.max_tokens, MAX_LEN // 2)),
        stanza.seed * 1_000_003,
        PATIENCE_S,
        asyncio.Semaphore(1),
    )
    return "".join([line.text async for line in craft(studio, prepared) if line])


async def write_freely(bench: Bench, like: Sequence[Stanza]) -> list[Stanza]:
    """As many texts without a form, from the same prompts and of as many lines."""
    postman = Postman(asyncio.get_running_loop())
    room = asyncio.Semaphore(SLOTS)

    async def one(stanza: Stanza) -> Stanza:
        free = Stanza(stanza.form, stanza.prompt, stanza.seed, stanza.scheme)
        params = SamplingParams(
            temperature=TEMPERATURE,
            top_p=TOP_P,
            seed=stanza.seed,
            max_tokens=30 * stanza.form.num_lines,
            stop=("\n\n",),
        )
        async with room:
            text = "".join([part async for part in _texts(bench, postman, free, params, None)])
        free.text = "\n".join(text.strip("\n").split("\n")[: stanza.form.num_lines])
        return free

    return [stanza for stanza in await asyncio.gather(*map(one, like)) if stanza.text.strip()]
