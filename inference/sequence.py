"""One take on its way through the engine. Does not know the cache, the network or other takes."""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Sequence as Items
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from contracts.wire import FinishReason, SamplingParams
from inference.constrained import FormState
from inference.detokenize import TextStream
from inference.lora import AdapterWeights
from inference.recital import Restraint
from inference.sampling import POISONED, Draw
from inference.tokenizer import Tokenizer

MIN_P, MIN_P_OF_PARTICLES = 0.04, 0.025
"""Under a form: what a mask leaves is often a long flat tail, most of it noise. Particles are chosen from later."""


@dataclass(frozen=True)
class Piece:
    """What the engine delivers: a take's next text, and the number of tokens that it stands for.

    `text` is empty on a take's last piece alone; `finish_reason` and, for a take under a form, `outcome` stand on that
    one alone.
    """

    request_id: str
    index: int
    text: str
    num_tokens: int
    finish_reason: FinishReason | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a take under a form. `bits` is the mean of log2 p over its `num_tokens`, at temperature 1 and
    without the mask: negative, the higher the better; 0 outside an island.
    """

    form: FormState
    bits: float
    num_tokens: int


Deliver = Callable[[list[Piece]], None]


@dataclass(eq=False)
class Sequence:
    """A take's tokens and text so far. `index` counts the takes of one request."""

    request_id: str
    index: int
    prompt_ids: Items[int]
    params: SamplingParams
    seed: int
    max_tokens: int
    tokenizer: Tokenizer
    deliver: Deliver
    adapter: AdapterWeights | None = None
    begin_form: Callable[[int], FormState] | None = None
    """Makes the state of its form from its seed, on the engine's thread."""
    island: int | None = None
    """Particles of one island are weighed against each other, and the light ones go on as copies of the heavy."""
    num_typed_bytes: int = 0
    """Of its first bytes, how many the writer has typed already; they are not delivered."""
    restraint: Restraint | None = None
    """Keeps a free text from reciting."""
    form: FormState | None = field(init=False, default=None)
    log_weight: float = field(init=False, default=0.0)
    """Natural logarithm of its weight within its island."""
    log_prob: float = field(init=False, default=0.0)
    """Natural logarithm of its text's probability, of a particle alone."""
    token_ids: list[int] = field(init=False)
    num_cached_tokens: int = 0
    finish_reason: FinishReason | None = None
    _num_unsent: int = 0

    def __post_init__(self) -> None:
        self.token_ids = list(self.prompt_ids)
        self._text = TextStream(self.params.stop)

    @property
    def num_written(self) -> int:
        """Tokens written so far."""
        return len(self.token_ids) - len(self.prompt_ids)

    @property
    def is_read(self) -> bool:
        """Whether the whole prompt has been through the network."""
        return self.num_cached_tokens >= len(self.prompt_ids)

    def draw(self) -> Draw:
        """How its next token is drawn."""
        min_p = 0.0 if self.form is None else MIN_P if self.island is None else MIN_P_OF_PARTICLES
        return Draw(self.params, self.seed, self.num_written, self.token_ids, min_p)

    def mask(self) -> npt.NDArray[np.uint8] | None:
        """The tokens that may come next; None when all may."""
        if self.form is not None:
            return self.form.mask()
        return self.restraint.mask() if self.restraint is not None else None

    def accept(self, token: int) -> Piece | None:
        """Takes the token just drawn; what there is to show for it, if anything."""
        if token == POISONED:
            return self.finish("error")
        self.token_ids.append(token)
        self._num_unsent += 1
        if self.form is not None:
            self.form.advance(token)
            if self.form.is_done:
                return self.finish("error" if self.form.is_lost else "stop")
        elif token in self.tokenizer.end_ids:
            return self.finish("stop")
        elif self.restraint is not None:
            self.restraint.advance(self.tokenizer.bytes_of[token])
        text = self._text.feed(self._new_bytes(token))
        if self._text.stopped:
            return self.finish("stop", text)
        if self.num_written >= self.max_tokens:
            return self.finish("length", text)
        return self._piece(text) if text and self.island is None else None

    def become(self, other: Sequence) -> None:
        """Go on as a copy of another particle, which reads the same prompt."""
        self.token_ids = list(other.token_ids)
        self.num_cached_tokens = other.num_cached_tokens
        self.form = other.form.copy() if other.form else None
        self.log_prob = other.log_prob
        self._num_unsent = other._num_unsent
        self._text = other._text.copy()

    def finish(self, reason: FinishReason, text: str = "") -> Piece:
        """Ends the take: its last piece, with all text still held back."""
        self.finish_reason = reason
        return self._piece((self._text.so_far if self.island is not None else text) + self._text.finish())

    def _new_bytes(self, token: int) -> bytes:
        new = self.tokenizer.bytes_of[token]
        typed, self.num_typed_bytes = self.num_typed_bytes, max(0, self.num_typed_bytes - len(new))
        return new[typed:]

    def _outcome(self) -> Outcome | None:
        if self.form is None or self.finish_reason is None:
            return None
        num_tokens = max(1, self.num_written)
        return Outcome(self.form, self.log_prob / num_tokens / math.log(2), num_tokens)

    def _piece(self, text: str) -> Piece:
        num_tokens, self._num_unsent = self._num_unsent, 0
        return Piece(self.request_id, self.index, text, num_tokens, self.finish_reason, self._outcome())
