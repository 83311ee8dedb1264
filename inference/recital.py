"""Keeps a free text from words in a row that stand in the songs its adapter was trained on.

When the last words of the text are the beginning of a known run, the tokens that would complete it are left out of the
draw. A token that ends such a word is left out even where the word might have gone on: that happens seldom, and a word
too many is refused then. What the writer typed is theirs: only what is written is held.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lyrics.clean import normalised_words
from lyrics.originality import OriginalityIndex

KEPT_CHARS = 240
"""Of the text so far: more than a run of words, whatever stands between them."""
_APOSTROPHES = "'\u2018\u2019\u02bc\u0060\u00b4\u2032"
_LAST_WORD = re.compile(rf"[^\W_](?:[^\W_]|[{_APOSTROPHES}])*\Z")
_FIRST_WORD = re.compile(rf"((?:(?![{_APOSTROPHES}])[\W_])*)((?:[^\W_]|[{_APOSTROPHES}])+)")


class TokenWords:
    """Which tokens end the first word in them, by that word; apart for tokens that begin within a word."""

    def __init__(self, bytes_of: Sequence[bytes], vocab_size: int) -> None:
        self.num_bytes = -(-vocab_size // 8)
        self.inside: dict[str, list[int]] = {}
        self.after_mark: dict[str, list[int]] = {}
        for token, spelled in enumerate(bytes_of[:vocab_size]):
            found = _FIRST_WORD.match(spelled.decode(errors="replace"))
            words = normalised_words(found[2]) if found else ()
            if found and len(words) == 1:
                (self.after_mark if found[1] else self.inside).setdefault(words[0], []).append(token)


class Restraint:
    """One take, kept from runs of `num_words` of an index."""

    def __init__(self, index: OriginalityIndex, num_words: int, tokens: TokenWords, prompt: str) -> None:
        self._index, self._num_words, self._tokens = index, num_words, tokens
        self._text = prompt[-KEPT_CHARS:].encode()

    def advance(self, spelled: bytes) -> None:
        """Take in what was written."""
        self._text = (self._text + spelled)[-4 * KEPT_CHARS :]

    def mask(self) -> npt.NDArray[np.uint8] | None:
        """The tokens that may come next, as `inference.sampling.hold` reads them; None when all may."""
        text = self._text.decode(errors="replace")[-KEPT_CHARS:]
        begun = _LAST_WORD.search(text)
        fragment = "".join(normalised_words(begun[0])) if begun else ""
        words = normalised_words(text)
        barred: list[int] = []
        for word in self._completions(words[:-1] if fragment else words):
            if word.startswith(fragment):
                barred += self._tokens.inside.get(word[len(fragment) :], [])
        for word in self._completions(words):
            barred += self._tokens.after_mark.get(word, [])
        if not barred:
            return None
        mask = np.full(self._tokens.num_bytes, 255, np.uint8)
        places = np.array(barred)
        np.bitwise_and.at(mask, places // 8, ~np.left_shift(1, places % 8).astype(np.uint8))
        return mask

    def _completions(self, words: Sequence[str]) -> tuple[str, ...]:
        return self._index.completions(words, self._num_words) if len(words) >= self._num_words - 1 else ()
