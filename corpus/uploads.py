"""Files that people bring, read into songs: .txt (a song or a book of them), .lrc, .docx, .csv, .jsonl, .zip of texts.

Reads with bounded memory, song by song, and trusts no size that a file states of itself. What cannot be read is a
`Problem` in its place, with what to do; reading goes on behind it where the format lets it.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from corpus.books import split_book
from corpus.encoding import decode, encoding_of
from corpus.rows import read_rows
from corpus.song import Draft, Problem

MB = 1_000_000
MAX_UPLOAD_BYTES = 64 * MB
MAX_JSONL_BYTES = 256 * MB
MAX_TEXT_BYTES = 16 * MB  # of a text that is read as a whole: a song, or a book
MAX_ZIP_MEMBERS = 20_000
MAX_UNPACKED_BYTES = 200 * MB
MAX_ZIP_RATIO = 200
MAX_SONG_LINES = 2_000
MIN_SONG_LINES = 2
MAX_SONG_CHARS = 400_000
MAX_NAME = 300

_SMALL_MEMBER = 100_000  # a text of spaces is packed well, too, and does no harm below this
_MAX_DIRECTORY_BYTES = MAX_ZIP_MEMBERS * 400
_SONG_ENDINGS = (".txt", ".lrc", ".docx")
ENDINGS = (".txt", ".zip", ".csv", ".jsonl", ".docx", ".lrc")

_LRC_TAG = re.compile(r"^\s*\[(ar|ti):\s*([^\]\n]*?)\s*\]", re.IGNORECASE | re.MULTILINE)
_TEXT = ("text", "lyrics", "lyric", "words", "content", "body")
_TITLE = ("title", "name", "song", "track", "song_title", "track_name", "track name")
_ARTIST = ("artist", "artist_name", "artist name", "performer", "band", "artists", "artist(s)", "artist name(s)")
_URL = ("url", "link", "source_url")

Found = Iterator[Draft | Problem]


def read_upload(name: str, path: Path) -> Found:
    """The songs of a file, in its order, and what could not be read. `name` is what its owner calls it.

    Too large a file is refused before it is opened.
    """
    ending = PurePosixPath(name.lower()).suffix
    read = _READERS.get(ending)
    if read is None:
        yield Problem(name, f"{ending or 'a file without an ending'} cannot be read: bring {', '.join(ENDINGS)}")
        return
    size, most = path.stat().st_size, MAX_JSONL_BYTES if ending == ".jsonl" else MAX_UPLOAD_BYTES
    if size > most:
        words = f"the file has {_megabytes(size)} and a {ending} may have {_megabytes(most)}: split it"
        yield Problem(name, words)
        return
    if size == 0:
        yield Problem(name, "the file is empty")
        return
    with path.open("rb") as source:
        yield from read(name, source)


def _song_file(name: str, source: BinaryIO) -> Found:
    """A text, as a file of its own or a member of an archive."""
    data = source.read(MAX_TEXT_BYTES + 1)
    if len(data) > MAX_TEXT_BYTES:
        yield Problem(name, f"a text may have {_megabytes(MAX_TEXT_BYTES)}: split it")
        return
    text = decode(data)
    if text is None:
        yield Problem(name, "this is no text: save it as plain text, best in UTF-8")
        return
    artist, title = _by_file_name(name)
    if name.lower().endswith(".lrc"):
        tags = {tag.lower(): value for tag, value in _LRC_TAG.findall(text)}
        yield _checked(Draft(tags.get("ar") or artist, tags.get("ti") or title, text, name), name)
        return
    songs = split_book(text)
    if songs is None:
        yield _checked(Draft(artist, title, text, name), name)
    elif not songs:
        yield Problem(name, "no songs were found in this book: bring them as texts, one file each")
    else:
        for song in songs:
            book = f"{song.source} ({name})" if song.source else name
            yield _checked(replace(song, source=book), f"{name}, line {song.line}")


def _docx(name: str, source: BinaryIO) -> Found:
    """One song, or one below each heading where there are two or more."""
    from docx import Document

    refusal = _refusal(name, source)
    if refusal:
        yield refusal
        return
    try:
        paragraphs = [
            (str(paragraph.style.name if paragraph.style else ""), str(paragraph.text))
            for paragraph in Document(source).paragraphs
        ]
    except Exception:  # noqa: BLE001 - a document may be broken in more ways than its readers name
        yield Problem(name, "the document is damaged or was cut off: save it again in Word, or as .txt")
        return
    artist, title = _by_file_name(name)
    starts = [at for at, (style, text) in enumerate(paragraphs) if _is_heading(style) and text.strip()]
    if len(starts) < 2:
        if starts and not any(text.strip() for _, text in paragraphs[: starts[0]]):
            title = paragraphs.pop(starts[0])[1].strip()
        yield _checked(Draft(artist, title, "\n".join(text for _, text in paragraphs), name), name)
        return
    before = [text for _, text in paragraphs[: starts[0]] if text.strip()]
    if before:
        yield Problem(name, f"the words before the first heading belong to no song: {_short(' / '.join(before))}")
    for start, end in zip(starts, [*starts[1:], len(paragraphs)], strict=True):
        title = paragraphs[start][1].strip()
        text = "\n".join(text for _, text in paragraphs[start + 1 : end])
        yield _checked(Draft("", title, text, name), f"{name}, {_short(title)}")


def _is_heading(style: str) -> bool:
    return style == "Title" or style.startswith("Heading")


def _zip(name: str, source: BinaryIO) -> Found:
    refusal = _refusal(name, source)
    if refusal:
        yield refusal
        return
    left = MAX_UNPACKED_BYTES
    with zipfile.ZipFile(source) as archive:
        for member in archive.infolist():
            where = f"{name}/{_short(member.filename)}"
            parts = member.filename.replace("\\", "/").split("/")
            if member.is_dir() or parts[0] == "__MACOSX" or parts[-1].startswith("."):
                continue
            if ".." in parts or parts[0] == "" or parts[0].endswith(":"):
                yield Problem(where, "its name leads out of the archive, so it was left out: pack it again")
            elif member.flag_bits & 0x1:
                yield Problem(where, "it is locked by a password: pack it without one")
            elif PurePosixPath(parts[-1].lower()).suffix not in _SONG_ENDINGS:
                yield Problem(where, f"an archive may hold {', '.join(_SONG_ENDINGS)}: bring this file by itself")
            else:
                data, problem = _member(archive, member, min(left, MAX_TEXT_BYTES), where)
                left -= len(data)
                if problem:
                    yield problem
                else:
                    yield from _READERS[PurePosixPath(parts[-1].lower()).suffix](
                        f"{name}/{member.filename}", io.BytesIO(data)
                    )
                if left <= 0:
                    yield Problem(name, f"it unpacks to more than {_megabytes(MAX_UNPACKED_BYTES)}: split it")
                    return


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int, where: str) -> tuple[bytes, Problem | None]:
    """Its bytes, never more than it was judged by, whatever it really unpacks to; one more than `most` is too many."""
    try:
        with archive.open(member) as source:
            data = source.read(min(most, member.file_size) + 1)
    except Exception:  # noqa: BLE001 - zlib, bz2, lzma and zipfile each have errors of their own
        return b"", Problem(where, "it is damaged in the archive: pack it again")
    if len(data) > most:
        return b"", Problem(where, f"a text may have {_megabytes(MAX_TEXT_BYTES)}: split it")
    return data, None


def _refusal(name: str, source: BinaryIO) -> Problem | None:
    """Why an archive is not opened, judged by its directory; None if it may be."""
    directory_bytes = _directory_bytes(source)
    if directory_bytes is None:
        return Problem(name, "it is damaged, or only a part of it arrived: bring it again")
    if directory_bytes > _MAX_DIRECTORY_BYTES:
        return Problem(name, f"an archive may hold {MAX_ZIP_MEMBERS:,} files: split it")
    try:
        with zipfile.ZipFile(source) as archive:
            members = archive.infolist()
    except Exception:  # noqa: BLE001 - as above
        return Problem(name, "it is damaged, or only a part of it arrived: bring it again")
    finally:
        source.seek(0)
    if len(members) > MAX_ZIP_MEMBERS:
        return Problem(name, f"it holds {len(members):,} files and may hold {MAX_ZIP_MEMBERS:,}: split it")
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_UNPACKED_BYTES:
        most = _megabytes(MAX_UNPACKED_BYTES)
        return Problem(name, f"it unpacks to {_megabytes(unpacked)} and may unpack to {most}: split it")
    for member in members:
        if member.file_size > max(_SMALL_MEMBER, MAX_ZIP_RATIO * member.compress_size):
            words = "unpacks to far more than it holds, as no text does: nothing of the archive was read"
            return Problem(name, f"{_short(member.filename)} {words}")
    return None


def _directory_bytes(source: BinaryIO) -> int | None:
    """Size of a zip's directory by the record at its end, so that a huge one is not read; None without that record."""
    size = source.seek(0, io.SEEK_END)
    source.seek(max(0, size - 65_557))
    tail = source.read()
    source.seek(0)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        return None
    directory_bytes: int = struct.unpack_from("<L", tail, at + 12)[0]
    return directory_bytes


def _csv(name: str, source: BinaryIO) -> Found:
    encoding = encoding_of(source)
    if encoding is None:
        yield Problem(name, "this is no text: save it as CSV, best in UTF-8")
        return
    lines = io.TextIOWrapper(source, encoding=encoding, errors="replace", newline="")
    header = lines.readline(MAX_SONG_CHARS)
    delimiter = max(",;\t|", key=header.count)
    row = next(read_rows([header], delimiter), None)
    columns = [" ".join(column.casefold().split()) for column in (row.fields if row and row.fields else [])]
    if not any(column in _TEXT for column in columns):
        seen = ", ".join(columns) or "none"
        words = "no column holds lyrics: name one of them text or lyrics, or paste the file as a track list"
        yield Problem(f"{name}, line 1", f"{words} (columns: {_short(seen)})")
        return
    broken: list[int] = []
    for row in read_rows(_limited(lines), delimiter, MAX_SONG_LINES + 1):
        if row.fields is None or len(row.fields) != len(columns):
            broken.append(row.line + 1)
            continue
        if broken:
            yield _broken_rows(name, broken, len(columns))
            broken = []
        song = dict(zip(columns, row.fields, strict=True))
        yield _from_fields(song, name, row.line + 1)
    if broken:
        yield _broken_rows(name, broken, len(columns))


def _limited(lines: io.TextIOWrapper) -> Iterator[str]:
    while line := lines.readline(MAX_SONG_CHARS):
        yield line


def _broken_rows(name: str, lines: list[int], num_columns: int) -> Problem:
    where = f"line {lines[0]:,}" if len(lines) == 1 else f"lines {lines[0]:,} to {lines[-1]:,}"
    words = (
        f"a quotation mark has no partner, there are not {num_columns} columns, or a song has more than"
        f" {MAX_SONG_LINES:,} lines: mend them and bring them again"
    )
    return Problem(f"{name}, {where}", words)


def _jsonl(name: str, source: BinaryIO) -> Found:
    encoding = encoding_of(source)
    if encoding is None:
        yield Problem(name, "this is no text: bring JSON Lines, one song a line")
        return
    lines = io.TextIOWrapper(source, encoding=encoding, errors="replace", newline="\n")
    number = 0
    while line := lines.readline(MAX_SONG_CHARS * 2):
        number += 1
        where = f"{name}, line {number:,}"
        if len(line) == MAX_SONG_CHARS * 2 and not line.endswith("\n"):
            while (rest := lines.readline(MAX_SONG_CHARS)) and not rest.endswith("\n"):
                pass
            yield Problem(where, "the line is too long for a song: split it")
        elif line.strip():
            yield _from_json(line, name, number)


def _from_json(line: str, name: str, number: int) -> Draft | Problem:
    where = f"{name}, line {number:,}"
    try:
        song = json.loads(line)
    except (ValueError, RecursionError):
        cut = "" if line.endswith("\n") else "; the file ends here, and seems to be cut off"
        return Problem(where, f"this is no JSON: one object a line is expected{cut}")
    if not isinstance(song, dict):
        return Problem(where, 'one object a line is expected, such as {"artist": "", "title": "", "text": ""}')
    return _from_fields({str(key).casefold(): value for key, value in song.items()}, name, number)


def _from_fields(song: dict[str, Any], name: str, number: int) -> Draft | Problem:
    """A song of a table or an object, by the names that its parts may have."""
    where = f"{name}, line {number:,}"
    text = next((song[key] for key in _TEXT if song.get(key)), None)
    if not isinstance(text, str):
        return Problem(where, "there are no lyrics: they are expected under text or lyrics")
    title = _name(next((song[key] for key in _TITLE if song.get(key)), ""))
    artist = _name(next((song[key] for key in _ARTIST if song.get(key)), ""))
    url = _name(next((song[key] for key in _URL if song.get(key)), ""))
    return _checked(Draft(artist, title or f"{_stem(name)} {number}", text, name, url=url, line=number), where)


def _name(value: object) -> str:
    """A name as text, whatever it was: a list of artists, an object with a name, a number."""
    if isinstance(value, list):
        return ", ".join(filter(None, map(_name, value[:20])))
    if isinstance(value, dict):
        return _name(value.get("name", ""))
    return " ".join(str(value).split()) if isinstance(value, str | int | float) else ""


def _checked(song: Draft, where: str) -> Draft | Problem:
    num_lines = sum(bool(line.strip()) for line in song.text.splitlines())
    if num_lines < MIN_SONG_LINES:
        return Problem(
            where,
            f"it has {num_lines or 'no'} line{'' if num_lines == 1 else 's'} and a song has {MIN_SONG_LINES} or more",
        )
    if num_lines > MAX_SONG_LINES or len(song.text) > MAX_SONG_CHARS:
        return Problem(where, f"it has {num_lines:,} lines and a song may have {MAX_SONG_LINES:,}: split it")
    if len(song.title) > MAX_NAME or len(song.artist) > MAX_NAME:
        return Problem(where, f"a title and an artist may have {MAX_NAME} letters each: {_short(song.title)}")
    # Postgres stores no zero, and no half of a surrogate pair can be written as UTF-8
    return replace(
        song,
        artist=_storable(song.artist),
        title=_storable(song.title),
        text=_storable(song.text.replace("\r\n", "\n").replace("\r", "\n")),
        url=_storable(song.url),
    )


def _storable(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _by_file_name(name: str) -> tuple[str, str]:
    """Artist and title by a name such as "Ada Quill - Low Tide.txt"."""
    artist, dash, title = _stem(name).partition(" - ")
    return (artist.strip(), title.strip()) if dash and title.strip() else ("", artist.strip())


def _stem(name: str) -> str:
    stem = PurePosixPath(name.replace("\\", "/")).stem
    return stem if " " in stem else stem.replace("_", " ")


def _short(words: str) -> str:
    words = " ".join(words.split())
    return words if len(words) <= 80 else words[:79] + "…"


def _megabytes(size: int) -> str:
    return f"{size / MB:,.0f} MB" if size >= 10 * MB else f"{size / MB:.1f} MB"


_READERS: dict[str, Callable[[str, BinaryIO], Found]] = {
    ".txt": _song_file,
    ".lrc": _song_file,
    ".docx": _docx,
    ".csv": _csv,
    ".jsonl": _jsonl,
    ".zip": _zip,
}
