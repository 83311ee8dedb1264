"""One take on its way through the engine. Does not know the cache, the network or other takes."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Items
from dataclasses import dataclass, field

from contracts.wire import FinishReason, SamplingParams
from inference.detokenize import TextStream
from inference.sampling import POISONED, Draw
from inference.tokenizer import Tokenizer


@dataclass(frozen=True)
class Piece:
    """What the engine delivers: a take's next text, and the number of tokens that it stands for.

    `text` is empty on a take's last piece alone; `finish_reason` stands on that one alone.
    """

    request_id: str
    index: int
    text: str
    num_tokens: int
    finish_reason: FinishReason | None = None


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
        return Draw(self.params, self.seed, self.num_written, self.token_ids)

    def accept(self, token: int) -> Piece | None:
        """Takes the token just drawn; what there is to show for it, if anything."""
        if token == POISONED:
            return self.finish("error")
        self.token_ids.append(token)
        self._num_unsent += 1
        if token in self.tokenizer.end_ids:
            return self.finish("stop")
        text = self._text.feed(self.tokenizer.bytes_of[token])
        if self._text.stopped:
            return self.finish("stop", text)
        if self.num_written >= self.max_tokens:
            return self.finish("length", text)
        return self._piece(text) if text else None

    def finish(self, reason: FinishReason, text: str = "") -> Piece:
        """Ends the take: its last piece, with all text still held back."""
        self.finish_reason = reason
        return self._piece(text + self._text.finish())

    def _piece(self, text: str) -> Piece:
        num_tokens, self._num_unsent = self._num_unsent, 0
        return Piece(self.request_id, self.index, text, num_tokens, self.finish_reason)
