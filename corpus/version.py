"""Versions: a dataset as it was at one moment, in the bucket, unchangeable, and named by its content.

A version is shards of JSON lines and, written last, a manifest. Its songs are sorted by their own hash, so the same
songs with the same rights under the same rules give the same `content_sha256`, in whatever order they come. Knows no
rows: which songs may be frozen is the caller's to say.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import unicodedata
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from itertools import chain, count
from tempfile import TemporaryFile
from typing import IO, Any, Literal, NamedTuple
from uuid import UUID

from pydantic import ValidationError

from contracts.bucket import Bucket
from contracts.manifest import DatasetManifest, FileEntry, dataset_key, dataset_manifest_key

MAX_SHARD_BYTES = 8 << 20
SPOOL_BYTES = 1 << 20
MAX_FILE_NAME = 120
"""In bytes of UTF-8: some file systems end at 143, and the ending comes on top."""

KEPT_LINES = "feedback"
"""The source of lines that a writer kept of what a voice wrote."""
Split = Literal["train", "validation", "test"]
Kind = Literal["txt", "jsonl", "zip"]
KINDS: tuple[Kind, ...] = ("txt", "jsonl", "zip")
_NOT_IN_A_FILE_NAME = re.compile(r"[\x00-\x1f\x7f/\\:*?\"<>|]+")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FrozenSong:
    """A song as a version holds it. Everything here is part of the version's content hash."""

    key: str
    """What names the song among others of its dataset; an edit of its words leaves it as it is."""
    artist: str
    title: str
    text: str
    """Cleaned."""
    source: str
    url: str
    rights: str
    rights_note: str
    """The licence, or the link to where the words are public."""
    attested_by: str = ""
    """The id of the user who stated the rights, and when, in ISO 8601."""
    attested_at: str = ""
    language: str = ""
    is_explicit: bool = False
    prompt: str = ""
    """What stood before a line that a writer kept of what a voice wrote. It is read with the line, and not learned."""

    @property
    def split(self) -> Split:
        """Which part of the training it belongs to. Kept lines train: what a voice wrote is no measure of a voice."""
        return "train" if self.source == KEPT_LINES else split_of(self.key)

    def as_line(self) -> bytes:
        """Its one canonical line of JSON, without a newline. Songs have no prompt, and no field for it."""
        record = {**asdict(self), "split": self.split}
        if not self.prompt:
            del record["prompt"]
        return json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


_FIELDS = tuple(field.name for field in fields(FrozenSong))


class Torn(RuntimeError):
    """A version's bytes are not those that were frozen. `key` names the object in the bucket."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"{key} is not what was frozen: its checksum differs. Freeze the dataset again, or bring the file back "
            "from a copy of the bucket."
        )
        self.key = key


class Named(NamedTuple):
    """A song by name."""

    artist: str
    title: str


class Changed(NamedTuple):
    """A song that two versions hold differently; `fields` names what differs."""

    artist: str
    title: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class VersionDiff:
    """What the second of two versions has, lacks and holds differently; each sorted by name."""

    added: list[Named]
    removed: list[Named]
    changed: list[Changed]


def split_of(key: str) -> Split:
    """Nine in ten songs train. It hangs on the key alone: no edit and no other song moves a song to another part.

    >>> split_of("the invented|harbour lights")
    'train'
    """
    part = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
    return "train" if part < 0.9 else "validation" if part < 0.95 else "test"


def freeze(
    songs: Iterable[FrozenSong],
    *,
    bucket: Bucket,
    dataset_id: UUID,
    number: int,
    name: str = "",
    rules_off: Iterable[str] = (),
    statistics: dict[str, Any] | None = None,
    created_at: datetime | None = None,
) -> DatasetManifest:
    """Write the shards of a version. It exists once `publish` has put its manifest beside them.

    The songs go through a file: memory grows by some hundred bytes a song, not by its words. Which shards a version has
    is told by their content, so two that write the same version at once, of different songs, do not meet.
    """
    rules = tuple(sorted(set(rules_off)))
    counts, splits = Counter[str](songs=0, lines=0, words=0), Counter[str](train=0, validation=0, test=0)
    sources, rights, languages = Counter[str](), Counter[str](), Counter[str]()
    with TemporaryFile(buffering=SPOOL_BYTES) as spool:
        places: dict[bytes, tuple[int, int]] = {}
        at = 0
        for song in songs:
            line = song.as_line()
            digest = hashlib.sha256(line).digest()
            if digest in places:
                continue
            spool.write(line)
            places[digest] = (at, len(line))
            at += len(line)
            counts.update(songs=1, lines=_num_lines(song.text), words=len(song.text.split()))
            splits[song.split] += 1
            sources[song.source] += 1
            rights[song.rights] += 1
            languages[song.language] += 1
        order = sorted(places)
        content_sha256 = _content_sha256(order, rules)
        files: list[FileEntry] = []
        for shard in _shards(spool, [places[digest] for digest in order]):
            path = f"{content_sha256[:16]}/songs-{len(files):05}.jsonl"
            bucket.write(dataset_key(dataset_id, number, path), shard)
            files.append(FileEntry(path=path, size_bytes=len(shard), sha256=hashlib.sha256(shard).hexdigest()))
    languages.pop("", None)
    return DatasetManifest(
        dataset_id=dataset_id,
        number=number,
        name=name,
        content_sha256=content_sha256,
        counts=dict(counts),
        splits=dict(splits),
        sources=dict(sources.most_common()),
        rights=dict(rights.most_common()),
        languages=dict(languages.most_common()),
        rules_off=rules,
        statistics=statistics or {},
        files=tuple(files),
        created_at=created_at or datetime.now(UTC),
    ).sealed()


def publish(bucket: Bucket, manifest: DatasetManifest) -> None:
    """Make a version exist. Its shards lie there already."""
    key = dataset_manifest_key(manifest.dataset_id, manifest.number)
    bucket.write(key, manifest.model_dump_json(indent=1).encode())


def remove(bucket: Bucket, dataset_id: UUID, number: int) -> None:
    """Delete a version, its manifest first; may be called again after it broke off."""
    manifest_key = dataset_manifest_key(dataset_id, number)
    bucket.delete(manifest_key)
    for key in list(bucket.keys(manifest_key.removesuffix("manifest.json"))):
        bucket.delete(key)


def read_manifest(bucket: Bucket, key: str) -> DatasetManifest:
    """The manifest under a key.

    Raises:
        Torn: it was altered.
        NoSuchKey: there is no such version.
    """
    try:
        manifest = DatasetManifest.model_validate_json(bucket.read(key))
    except ValidationError as error:
        raise Torn(key) from error
    if not manifest.is_whole:
        raise Torn(key)
    return manifest


def read(bucket: Bucket, key: str) -> Iterator[FrozenSong]:
    """The songs of the version whose manifest has this key, sorted by hash. A shard is checked before it is given out.

    Raises:
        Torn: the manifest, or the shard that comes next, was altered or is gone.
    """
    yield from songs_of(bucket, read_manifest(bucket, key))


def songs_of(bucket: Bucket, manifest: DatasetManifest) -> Iterator[FrozenSong]:
    """The songs of a version that may not be published yet.

    Raises:
        Torn: the shard that comes next was altered or is gone.
    """
    for shard in _checked_shards(bucket, manifest):
        for line in shard.splitlines(keepends=False):
            record = {"prompt": "", **json.loads(line)}
            yield FrozenSong(**{name: record[name] for name in _FIELDS})


def check(bucket: Bucket, key: str) -> DatasetManifest:
    """Read every byte of a version; returns its manifest when all of them are those that were frozen.

    Raises:
        Torn: one is not.
    """
    manifest = read_manifest(bucket, key)
    for _ in _checked_shards(bucket, manifest):
        pass
    return manifest


def diff(before: Iterable[FrozenSong], after: Iterable[FrozenSong]) -> VersionDiff:
    """What came, went and changed. A song is known by its key; of its words only a hash is held."""
    held = {song.key: _outline(song) for song in before}
    added: list[Named] = []
    changed: list[Changed] = []
    for song in after:
        outline = _outline(song)
        was = held.pop(song.key, None)
        if was is None:
            added.append(Named(song.artist, song.title))
        elif was != outline:
            differing = tuple(name for name, a, b in zip(_FIELDS, was, outline, strict=True) if a != b)
            changed.append(Changed(song.artist, song.title, differing))
    places = _FIELDS.index("artist"), _FIELDS.index("title")
    removed = [Named(str(was[places[0]]), str(was[places[1]])) for was in held.values()]
    return VersionDiff(sorted(added), sorted(removed), sorted(changed))


def export(bucket: Bucket, key: str, kind: Kind) -> Iterator[bytes]:
    """A version as one file, piece by piece. Every byte is checked before the first one is given out.

    `txt` is all songs one below the other, `jsonl` the shards as they are, `zip` a text file for each song beside the
    manifest and the shards' own lines about rights and sources.

    Raises:
        Torn: at once, not while the pieces are taken.
    """
    manifest = check(bucket, key)
    if kind == "jsonl":
        return _checked_shards(bucket, manifest)
    if kind == "txt":
        return (f"{_headed(song)}\n\n\n".encode() for song in read(bucket, key))
    return _zipped(bucket, key, manifest)


def safe_file_name(name: str) -> str:
    """A name that any file system takes, and that leads nowhere else; without an ending.

    >>> safe_file_name("../../etc/passwd"), safe_file_name("AC/DC - T.N.T."), safe_file_name("con")
    ('etc passwd', 'AC DC - T.N.T', 'con_')
    >>> safe_file_name("?")
    'song'
    """
    shown = "".join(" " if unicodedata.category(sign)[0] == "C" else sign for sign in name)
    plain = " ".join(_NOT_IN_A_FILE_NAME.sub(" ", shown).split()).strip(" .")
    plain = plain.encode()[:MAX_FILE_NAME].decode(errors="ignore").strip(" .") or "song"
    return f"{plain}_" if _DEVICE.match(plain) else plain


def _content_sha256(digests: Iterable[bytes], rules_off: Sequence[str]) -> str:
    whole = hashlib.sha256(json.dumps({"kind": "dataset", "version": 1, "rules_off": rules_off}).encode())
    for digest in digests:
        whole.update(digest)
    return whole.hexdigest()


def _shards(spool: IO[bytes], places: Iterable[tuple[int, int]]) -> Iterator[bytes]:
    shard = bytearray()
    for at, size in places:
        if shard and len(shard) + size + 1 > MAX_SHARD_BYTES:
            yield bytes(shard)
            shard = bytearray()
        spool.seek(at)
        shard += spool.read(size)
        shard += b"\n"
    if shard:
        yield bytes(shard)


def _checked_shards(bucket: Bucket, manifest: DatasetManifest) -> Iterator[bytes]:
    for file in manifest.files:
        key = dataset_key(manifest.dataset_id, manifest.number, file.path)
        try:
            shard = bucket.read(key)
        except KeyError as error:
            raise Torn(key) from error
        if len(shard) != file.size_bytes or hashlib.sha256(shard).hexdigest() != file.sha256:
            raise Torn(key)
        yield shard


def _outline(song: FrozenSong) -> tuple[str | bool | bytes, ...]:
    values = asdict(song)
    values["text"] = hashlib.sha256(song.text.encode()).digest()
    return tuple(values[name] for name in _FIELDS)


def _num_lines(text: str) -> int:
    return sum(1 for line in text.splitlines() if line.strip())


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _headed(song: FrozenSong) -> str:
    return f"{' - '.join(part for part in (song.artist, song.title) if part)}\n\n{song.text.strip()}"


class _Pipe(io.RawIOBase):
    """A file that is only written, whose bytes are taken away again and again."""

    def __init__(self) -> None:
        self._held: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._held.append(bytes(piece))
        return len(self._held[-1])

    def taken(self) -> bytes:
        held, self._held = b"".join(self._held), []
        return held


def _zipped(bucket: Bucket, key: str, manifest: DatasetManifest) -> Iterator[bytes]:
    pipe = _Pipe()
    when = manifest.created_at.timetuple()[:6]
    taken: set[str] = set()
    nexts: defaultdict[str, Iterator[int]] = defaultdict(lambda: count(2))
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:

        def put(name: str, content: bytes) -> bytes:
            entry = zipfile.ZipInfo(name, when)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
            return pipe.taken()

        yield put("manifest.json", manifest.model_dump_json(indent=1).encode())
        for number, shard in enumerate(_checked_shards(bucket, manifest)):
            yield put(f"songs-{number:05}.jsonl", shard)
        for song in read(bucket, key):
            name = safe_file_name(" - ".join(part for part in (song.artist, song.title) if part))
            # Numbered where a file system that knows no capitals or composes letters would take two for one.
            endings = chain([""], (f" ({number})" for number in nexts[_folded(name)]))
            fresh = next(n for n in (name + ending for ending in endings) if _folded(n) not in taken)
            taken.add(_folded(fresh))
            yield put(f"songs/{fresh}.txt", f"{_headed(song)}\n".encode())
    yield pipe.taken()
