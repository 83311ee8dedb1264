"""A checkpoint's tokenizer at the engine's edge: text to ids, and each id to the bytes it stands for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer as Backend
from transformers import AutoTokenizer

from inference.weights import CheckpointError

_PADDING = re.compile(r"<\|extratoken_\d+\|>")
"""GPT-J's tokenizer names the rows that pad its vocabulary. They were never trained."""


class Tokenizer:
    """Encodes prompts and spells ids as bytes. Safe to call from any thread."""

    def __init__(self, backend: Backend, eos_ids: Iterable[int], directory: Path, *, marks: Iterable[int] = ()) -> None:
        backend.no_truncation()
        backend.no_padding()
        self._framer = backend
        self._writer = Backend.from_str(backend.to_str())
        self._writer.encode_special_tokens = True  # what a user types is text, never a control token
        eos_ids = frozenset(eos_ids)
        self._empty = [min(eos_ids, default=0)]
        self.end_ids = eos_ids.union(marks)
        """A text ends before any of these: a network that writes a mark of its format has begun another text."""
        self.bytes_of = _spell(backend, directory)
        """One entry an id; special tokens are empty."""
        self._prefix = [token for token in backend.encode("").ids if token not in eos_ids]

    @classmethod
    def load(cls, directory: Path, eos_ids: Iterable[int]) -> Tokenizer:
        """The tokenizer of a checkpoint directory; `eos_ids` are those its configs name, its own is added."""
        try:
            loaded = AutoTokenizer.from_pretrained(str(directory), local_files_only=True)
        except (OSError, ValueError) as error:
            raise CheckpointError(directory, f"its tokenizer cannot be read ({error})") from error
        own = {loaded.eos_token_id} - {None}
        marks = {loaded.bos_token_id, loaded.pad_token_id, loaded.unk_token_id} - {None}
        return cls(loaded.backend_tokenizer, own.union(eos_ids), directory, marks=marks)

    @property
    def num_tokens(self) -> int:
        """Ids that mean something; a network's vocabulary may be padded beyond them."""
        return len(self.bytes_of)

    def encode(self, text: str, *, frame: str = "") -> list[int]:
        """`frame` with its special tokens read as such, then `text` with none; never empty.

        The tokenizer's own opening (Llama's BOS) comes first, once.
        """
        framed: list[int] = self._framer.encode(frame, add_special_tokens=False).ids
        written: list[int] = self._writer.encode(text, add_special_tokens=False).ids
        prefix = [] if self._prefix and framed[: len(self._prefix)] == self._prefix else self._prefix
        ids = [*prefix, *framed, *written]
        return ids or self._empty

    def spell(self, texts: list[str]) -> list[list[int]]:
        """The ids of many short texts, as they are written within a text: no opening, no special tokens."""
        return [encoding.ids for encoding in self._writer.encode_batch(texts, add_special_tokens=False)]

    def serialised(self) -> str:
        """All that decides how it writes, as text to compare."""
        text: str = self._writer.to_str()
        return text


def _spell(backend: Backend, directory: Path) -> list[bytes]:
    """The bytes of each id.

    Ids are spelt one by one, so that a decoder's habits at the start of a text (a dropped space) stay out, and bytes
    that end within a character are left for the reader to join.
    """
    decoder = json.dumps(json.loads(backend.to_str())["decoder"])
    added = backend.get_added_tokens_decoder()
    if '"ByteLevel"' in decoder:
        alphabet = _byte_alphabet()

        def spell(piece: str) -> bytes:
            return (
                bytes(alphabet[char] for char in piece) if all(char in alphabet for char in piece) else piece.encode()
            )

    elif '"ByteFallback"' in decoder or '"Metaspace"' in decoder or "\\u2581" in decoder:

        def spell(piece: str) -> bytes:
            byte = re.fullmatch(r"<0x([0-9A-Fa-f]{2})>", piece)
            return bytes([int(byte[1], 16)]) if byte else piece.replace("▁", " ").encode()

    else:
        raise CheckpointError(directory, "its tokenizer is neither byte-level nor of SentencePiece's kind")

    spelt: list[bytes] = []
    for token in range(backend.get_vocab_size(with_added_tokens=True)):
        piece = backend.id_to_token(token)
        if piece is not None and _PADDING.fullmatch(piece):
            break
        if token in added:
            spelt.append(b"" if added[token].special else added[token].content.encode())
        else:
            spelt.append(spell(piece) if piece is not None else b"")
    return spelt


def _byte_alphabet() -> dict[str, int]:
    """The characters by which byte-level BPE writes bytes. Source: Radford et al. 2019, GPT-2's encoder.py."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = (byte for byte in range(256) if byte not in set(printable))
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}
