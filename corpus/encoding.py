"""Bytes to text: by the mark at their beginning, as UTF-8, or by a guess that is never wilder than it must be."""

from __future__ import annotations

import codecs
import io
import re
from typing import BinaryIO

import charset_normalizer
import ftfy.bad_codecs  # registers `_WESTERN`

SAMPLE_BYTES = 64_000
_CHUNK = 1 << 20
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
          (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
_WESTERN = "sloppy-windows-1252"
"""Latin-1 with the quotation marks and dashes that Windows writes; it reads any byte."""
_GUESSES = [
    "cp1252",
    "latin_1",
    "cp1250",
    "cp1251",
    "koi8_r",
    "cp1253",
    "shift_jis",
    "euc_jp",
    "gb18030",
    "big5",
    "euc_kr",
]
_NOT_TEXT = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f]")

ftfy.bad_codecs.ok()


def encoding_of(source: BinaryIO) -> str | None:
    """The encoding of a whole file, read from where it stands and put back there; None if it is no text.

    >>> import io
    >>> [encoding_of(io.BytesIO("café".encode(name))) for name in ("utf-8", "utf-16", "latin-1")]
    ['utf-8', 'utf-16', 'sloppy-windows-1252']
    >>> encoding_of(io.BytesIO(bytes(range(256)))) is None
    True
    """
    start = source.tell()
    sample = source.read(SAMPLE_BYTES)
    marked = next((name for mark, name in _MARKS if sample.startswith(mark)), None) or _utf16_without_mark(sample)
    if marked:
        source.seek(start)
        return marked
    if len(_NOT_TEXT.findall(sample)) * 200 > len(sample) or b"\x00" in sample:
        source.seek(start)
        return None
    decoder = codecs.getincrementaldecoder("utf-8")()
    foreign, has_letters = b"", False  # letters beyond ASCII that were good UTF-8
    source.seek(start)
    while chunk := source.read(_CHUNK):
        try:
            has_letters |= not decoder.decode(chunk).isascii()
        except UnicodeDecodeError as error:
            foreign = chunk[max(0, error.start - SAMPLE_BYTES // 2) : error.start + SAMPLE_BYTES // 2]
            break
    source.seek(start)
    # A letter that is open at the end of a file that was good so far is one that was cut off
    is_open = bool(decoder.getstate()[0]) and not has_letters
    return _guess(foreign or sample[-1000:]) if foreign or is_open else "utf-8"


def decode(data: bytes) -> str | None:
    """Text of a few bytes; None if they are none.

    >>> decode(b"It\\x92s caf\\xe9"), decode("été".encode("utf-16-le")), decode(b"\\x00\\x01\\x02PNG") is None
    ('It’s café', 'été', True)
    """
    name = encoding_of(io.BytesIO(data))
    return None if name is None else data.decode(name, errors="replace").removesuffix("\ufffd")


def _utf16_without_mark(sample: bytes) -> str | None:
    """Latin letters in UTF-16 have a zero in every other byte."""
    if len(sample) < 4:
        return None
    evens, odds = sample[::2], sample[1::2]
    if odds.count(0) > 0.6 * len(odds) and evens.count(0) <= 0.05 * len(evens):
        return "utf-16-le"
    if evens.count(0) > 0.6 * len(evens) and odds.count(0) <= 0.05 * len(odds):
        return "utf-16-be"
    return None


def _guess(sample: bytes) -> str:
    best = charset_normalizer.from_bytes(sample, cp_isolation=_GUESSES).best()
    name = best.encoding if best else "cp1252"
    # Central European and Western letters share most bytes; the Western reading is far the likelier one of few letters
    return _WESTERN if name in ("cp1252", "latin_1", "cp1250", "ascii", "utf_8") else name
