"""Texts for judging a network by: written by the very engine that will serve it, with an adapter or without one.

A `Writer` has one engine over a base checkpoint; adapters are put into it and dropped as they are judged. The same
wishes with the same seeds go to each of them, so what differs in the texts is the adapter's doing. Knows nothing of
training and measures nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple, Self

import torch

from contracts.wire import CompletionRequest, SamplingParams
from inference.engine import Engine, Formed
from inference.forms import ImpossibleForm, Prepared, prepare
from inference.lora import AdapterWeights
from inference.sequence import Piece
from lyrics.form import Form

NUM_SLOTS = 32
MAX_LEN = 512
MAX_TAKE_TOKENS = 128
"""Of a free text: a dozen sung lines."""
TEMPERATURE, TOP_P = 0.8, 0.95
PATIENCE_S = 900.0
"""Without a single piece of text: longer, and the engine hangs."""


class Wish(NamedTuple):
    """A text that is to be written after `prompt`, which ends with a line break: to a form, or freely and then of at
    most `max_lines` lines."""

    prompt: str
    seed: int
    form: Form | None = None
    max_lines: int = 8


class WriterFailed(RuntimeError):
    """The engine broke, or nothing came of it any more."""


class Writer:
    """One checkpoint and its adapters, writing. Close it when it is done with; used by one thread."""

    def __init__(self, base_dir: Path, *, device: str = "auto", dtype: str = "auto", words: Path | None = None) -> None:
        """`words` is the folder in which the engine keeps how the checkpoint spells words.

        Raises:
            inference.weights.CheckpointError: the directory is not a whole checkpoint of a known architecture.
        """
        with _own_threads():
            self._engine = Engine.load(
                base_dir,
                device=device,
                dtype=dtype,
                num_slots=NUM_SLOTS,
                max_len=MAX_LEN,
                max_waiting=1 << 20,
                words=words,
            )
        self._engine.start()
        self._numbers = count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the engine; may be called twice."""
        self._engine.stop()

    def put(self, name: str, adapter_dir: Path) -> None:
        """Read an adapter's PEFT files under a name; an older one of the same name is replaced."""
        self._engine.put_adapter(name, AdapterWeights.read(adapter_dir, self._engine.runner.network))

    def drop(self, name: str) -> None:
        """Forget an adapter."""
        self._engine.drop_adapter(name)

    def write(self, wishes: Sequence[Wish], adapter: str = "", *, temperature: float = TEMPERATURE) -> list[str]:
        """A text for each wish, in their order; "" where its form cannot be kept after its prompt.

        Raises:
            WriterFailed: the engine broke.
        """
        desk = _Desk(self._engine)
        for number, wish in zip(self._numbers, wishes, strict=False):
            prepared = self._prepare(wish)
            if wish.form is None:
                params = SamplingParams(
                    temperature=temperature, top_p=TOP_P, seed=wish.seed, max_tokens=MAX_TAKE_TOKENS
                )
                desk.ask(f"{number}", wish, wish.prompt, params, adapter, None)
            elif prepared is not None:
                room = min(prepared.max_tokens, MAX_LEN // 2)
                params = SamplingParams(temperature=temperature, top_p=TOP_P, seed=wish.seed, max_tokens=room)
                desk.ask(f"{number}", wish, prepared.prompt, params, adapter, Formed(prepared.begin))
            else:
                desk.pass_over()
        return desk.texts()

    def continue_greedily(self, prompts: Sequence[str], adapter: str = "") -> list[str]:
        """The likeliest line behind each prompt, without its line break.

        Raises:
            WriterFailed: the engine broke.
        """
        desk = _Desk(self._engine)
        for number, prompt in zip(self._numbers, prompts, strict=False):
            params = SamplingParams(temperature=0.0, max_tokens=MAX_TAKE_TOKENS, stop=("\n",))
            desk.ask(f"{number}", Wish(prompt, 0), prompt, params, adapter, None)
        return desk.texts()

    def _prepare(self, wish: Wish) -> Prepared | None:
        if wish.form is None:
            return None
        form = wish.form.model_dump(mode="json", exclude_defaults=True)
        wanted = CompletionRequest(model="judged", prompt=wish.prompt, form=form)
        try:
            return prepare(wanted, self._engine.speller(), Path())
        except ImpossibleForm:
            return None


class _Desk:
    """What was asked of an engine in one go, and what has come of it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._texts: list[str] = []
        self._wishes: dict[str, tuple[int, Wish]] = {}  # what has not ended, guarded by _heard
        self._num_pieces = 0  # the same guard
        self._heard = threading.Condition()

    def ask(
        self, request_id: str, wish: Wish, prompt: str, params: SamplingParams, adapter: str, formed: Formed | None
    ) -> None:
        with self._heard:
            self._wishes[request_id] = (len(self._texts), wish)
            self._texts.append("")
        ids = self._engine.encode(prompt)[-(MAX_LEN - params.max_tokens) :]
        self._engine.add(request_id, ids, params, self._hear, formed=formed, adapter=adapter)

    def pass_over(self) -> None:
        self._texts.append("")

    def texts(self) -> list[str]:
        """All texts, once they have ended."""
        with self._heard:
            while self._wishes:
                before = self._num_pieces
                self._heard.wait(PATIENCE_S)
                if self._wishes and self._num_pieces == before:
                    raise WriterFailed(f"nothing was written for {PATIENCE_S:.0f} s; {len(self._wishes)} texts waited")
        if self._engine.failure is not None:
            raise WriterFailed("the engine failed while it wrote what is to be judged") from self._engine.failure
        return self._texts

    def _hear(self, pieces: list[Piece]) -> None:
        """On the engine's thread."""
        enough: list[str] = []
        with self._heard:
            for piece in pieces:
                place, wish = self._wishes[piece.request_id]
                self._texts[place] += piece.text
                self._num_pieces += 1
                if piece.finish_reason:
                    self._texts[place] = _whole_lines(self._texts[place], wish, is_cut=piece.finish_reason != "stop")
                    del self._wishes[piece.request_id]
                elif wish.form is None and _num_ended(self._texts[place]) >= wish.max_lines:
                    enough.append(piece.request_id)
            self._heard.notify_all()
        for request_id in enough:
            self._engine.abort(request_id)


def _whole_lines(text: str, wish: Wish, *, is_cut: bool) -> str:
    """A free text without the line that was cut off, and without those beyond what was wished."""
    if wish.form is not None:
        return text
    lines = text.strip("\n").split("\n")
    if is_cut and not text.endswith("\n"):
        lines = lines[:-1]
    while sum(1 for line in lines if line.strip()) > wish.max_lines:
        lines.pop()
    return "\n".join(lines)


def _num_ended(text: str) -> int:
    """Lines that are not blank and have ended."""
    return sum(1 for line in text.split("\n")[:-1] if line.strip())


@contextmanager
def _own_threads() -> Iterator[None]:
    """Loading an engine sets how many threads torch computes with; a training that goes on must keep its number."""
    num_threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)
