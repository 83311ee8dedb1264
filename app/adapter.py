"""The verbs of an adapter, which people know as a voice of their own: look at, publish, retire, download, delete.

A run makes it (`app.run`); the inference service serves it to its owner, published or not. Publishing puts it into the
voice menu and makes it the live one of its title.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Any, NamedTuple
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from app import comparison, generation, store
from app.comparison import Result
from app.errors import Conflict, NotFound, ServiceAway
from app.people import check_member
from app.plain_text import checked_line
from contracts.bucket import Bucket, NoSuchKey
from contracts.manifest import MANIFEST, AdapterManifest, BadName, FileEntry, adapter_key, adapter_manifest_key
from contracts.training import Table, Worse, what_is_worse
from contracts.wire import VoiceCard
from corpus.version import safe_file_name
from models import Adapter, Run
from models.account import hold_account

MAX_REASON = 500
PIECE_BYTES = 1 << 20
PEFT_FILES = ("adapter_config.json", "adapter_model.safetensors")
_NO_SUCH = "There is no such voice of yours."


class AdapterView(NamedTuple):
    """A voice that was trained.

    `id` is its run's, or the name of one that everybody may use (`is_shared`). `worse` says where it falls behind what
    it replaces, each in words; `reason` why it was published all the same. `is_live` marks the one of its title that
    stands for it. `compared` is what its owner's last blind comparison with what it replaces came to, "" without one.
    `card` tells what it was made of and what it reached; None in a list.
    """

    id: str
    title: str
    number: int
    base: str
    is_shared: bool
    is_live: bool
    published_at: datetime | None
    reason: str
    bits_per_byte: float | None
    worse: list[str]
    compared: str
    licence: str
    size_bytes: int
    created_at: datetime | None
    card: dict[str, Any] | None


class Download(NamedTuple):
    """A voice as a file. Its bytes were checked before the first is given out."""

    file_name: str
    pieces: Iterator[bytes]


def find(session: Session, user_id: UUID) -> list[AdapterView]:
    """This person's voices, the newest first, then those that are everybody's.

    Raises:
        NeedsAccount: a guest.
    """
    check_member(session, user_id, "Voices can be trained")
    rows = session.scalars(
        select(Adapter)
        .where(Adapter.user_id == user_id, Adapter.deleted_at.is_(None))
        .order_by(Adapter.created_at.desc(), Adapter.id)
    )
    own_views = [_view(session, row)._replace(card=None) for row in rows]
    try:
        shared = [card for card in generation.shared_voices() if card.kind == "adapter"]
    except ServiceAway:  # one's own are worth seeing all the same
        shared = []
    return own_views + [_view_of_card(card) for card in shared]


def get(session: Session, user_id: UUID, adapter_id: str) -> AdapterView:
    """One voice with its card: of this person by its id, or one of everybody's by its name.

    Raises:
        NotFound: there is none, it is deleted, or it is somebody else's.
        Conflict: a shared one whose manifest was altered.
    """
    if found := _as_uuid(adapter_id):
        return _view(session, own(session, user_id, found))
    return _view_of_manifest(_shared_manifest(adapter_id))


def publish(session: Session, user_id: UUID, adapter_id: UUID, reason: str = "") -> AdapterView:
    """Put a voice into the menu, as the live one of its title. May be said again, to go back to an earlier one.

    Raises:
        Conflict: it is worse than what it replaces, and there is no reason.
        BadInput: the reason is too long, or no text.
    """
    row = own(session, user_id, adapter_id, lock=True)
    words = checked_line(reason, field="reason", max_chars=MAX_REASON)
    worse = _worse(row.card, _compared(session, row))
    if worse and not words:
        raise Conflict(
            f"{' '.join(each.words for each in worse)} Publish it with a reason, or keep what you have.",
            code="is_worse",
            field="reason",
        )
    row.published_at = row.published_at or datetime.now(UTC)
    row.reason = words if worse else ""
    _make_live(session, row)
    return _view(session, row)


def retire(session: Session, user_id: UUID, adapter_id: UUID) -> AdapterView:
    """Take a voice out of the menu. When it was the live one of its title, the version before is again.

    Raises:
        Conflict: it is not in the menu.
    """
    row = own(session, user_id, adapter_id, lock=True)
    if row.published_at is None:
        raise Conflict("This voice is not in the menu.", code="not_published")
    _withdraw(session, row)
    return _view(session, row)


def delete(session: Session, user_id: UUID, adapter_id: UUID) -> None:
    """Delete a voice for good: out of the bucket too. Its run stays."""
    row = own(session, user_id, adapter_id, lock=True)
    _withdraw(session, row)
    row.deleted_at = datetime.now(UTC)
    row.card, row.manifest = {}, {}
    session.flush()
    empty(adapter_key(str(adapter_id), ""))


def download(session: Session, user_id: UUID, adapter_id: str) -> Download:
    """A voice as an archive: the two files that PEFT reads, and its card.

    Raises:
        NotFound: as `get`.
        Conflict: a byte is not as it was published.
    """
    if found := _as_uuid(adapter_id):
        row = own(session, user_id, found)
        manifest = AdapterManifest.model_validate(row.manifest)
    else:
        manifest = _shared_manifest(adapter_id)
    name = safe_file_name(f"{manifest.title} v{manifest.number}")
    return Download(f"{name}.zip", _pieces(_zipped(manifest)))


def own(session: Session, user_id: UUID, adapter_id: UUID, *, lock: bool = False) -> Adapter:
    """The row of a voice of this person; with `lock` nobody else acts on their voices until the transaction ends.

    Raises:
        NotFound: there is none, it is deleted, or it is somebody else's.
    """
    if lock:
        hold_account(session, user_id)
    row = session.get(Adapter, adapter_id, populate_existing=lock)
    if row is None or row.user_id != user_id or row.deleted_at is not None:
        raise NotFound(_NO_SUCH)
    return row


def empty(folder: str) -> None:
    """Remove what lies in a folder of the bucket, manifests first: without one nothing is served."""
    with store.bucket() as bucket:
        for key in sorted(bucket.keys(folder), key=lambda key: not key.endswith(MANIFEST)):
            bucket.delete(key)


def _make_live(session: Session, row: Adapter) -> None:
    others = update(Adapter).where(*_same_title(row), Adapter.is_live)
    session.execute(others.values(is_live=False), execution_options={"synchronize_session": "fetch"})
    row.is_live = True
    session.flush()


def _withdraw(session: Session, row: Adapter) -> None:
    was_live = row.is_live
    row.published_at, row.is_live = None, False
    session.flush()
    if not was_live:
        return
    before = session.scalar(
        select(Adapter)
        .where(*_same_title(row), Adapter.published_at.is_not(None), Adapter.deleted_at.is_(None))
        .order_by((Adapter.number < row.number).desc(), Adapter.number.desc())
        .limit(1)
    )
    if before:
        _make_live(session, before)


def _same_title(row: Adapter) -> tuple[ColumnElement[bool], ...]:
    return Adapter.user_id == row.user_id, Adapter.title == row.title, Adapter.id != row.id


def _worse(card: dict[str, Any], compared: Result | None = None) -> list[Worse]:
    lost = compared is not None and compared.is_sure and compared.share < 0.5
    unseen = [Worse("compared", f"Unseen it was liked less: {compared.words}.")] if compared and lost else []
    try:
        table = Table.model_validate(card.get("table"))
    except ValidationError:
        return [Worse("table", "It was not measured against what it replaces."), *unseen]
    return what_is_worse(table) + unseen


def _compared(session: Session, row: Adapter) -> Result | None:
    """What its owner's last blind comparison said of it and of the live one of its title, or of what it was made to
    be better than."""
    other = session.scalar(select(Adapter.id).where(*_same_title(row), Adapter.is_live))
    other = other or session.scalar(select(Run.before_id).where(Run.id == row.id))
    return comparison.between(session, row.user_id, str(row.id), str(other)) if other else None


def _view(session: Session, row: Adapter) -> AdapterView:
    compared = _compared(session, row)
    return AdapterView(
        id=str(row.id),
        title=row.title,
        number=row.number,
        base=row.base,
        is_shared=False,
        is_live=row.is_live,
        published_at=row.published_at,
        reason=row.reason,
        bits_per_byte=row.bits_per_byte,
        worse=[each.words for each in _worse(row.card, compared)],
        compared=compared.words if compared else "",
        licence=str(row.manifest.get("licence", "")),
        size_bytes=sum(int(file["size_bytes"]) for file in row.manifest.get("files", ())),
        created_at=row.created_at,
        card=row.card,
    )


def _view_of_card(card: VoiceCard) -> AdapterView:
    return AdapterView(
        id=card.id,
        title=card.title or card.id,
        number=card.number,
        base=card.base,
        is_shared=True,
        is_live=True,
        published_at=None,
        reason="",
        bits_per_byte=None,
        worse=[],
        compared="",
        licence=card.licence,
        size_bytes=0,
        created_at=None,
        card=None,
    )


def _view_of_manifest(manifest: AdapterManifest) -> AdapterView:
    return AdapterView(
        id=manifest.adapter_id,
        title=manifest.title,
        number=manifest.number,
        base=manifest.base,
        is_shared=True,
        is_live=True,
        published_at=manifest.created_at,
        reason="",
        bits_per_byte=None,
        worse=[each.words for each in _worse(manifest.card)] if "table" in manifest.card else [],
        compared="",
        licence=manifest.licence,
        size_bytes=sum(file.size_bytes for file in manifest.files),
        created_at=manifest.created_at,
        card=manifest.card,
    )


def _shared_manifest(name: str) -> AdapterManifest:
    try:
        with store.bucket() as bucket:
            manifest = AdapterManifest.model_validate_json(bucket.read(adapter_manifest_key(name)))
    except (BadName, NoSuchKey):
        raise NotFound(_NO_SUCH) from None
    except ValidationError:
        raise _torn(adapter_manifest_key(name)) from None
    if manifest.owner_id is not None or manifest.adapter_id != name:
        raise NotFound(_NO_SUCH)
    if not manifest.is_whole:
        raise _torn(adapter_manifest_key(name))
    return manifest


def _as_uuid(text: str) -> UUID | None:
    """The id that a text is, in the one way that we write ids.

    >>> _as_uuid("cowboy") is None
    True
    """
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None


def _zipped(manifest: AdapterManifest) -> IO[bytes]:
    whole: IO[bytes] = TemporaryFile()  # noqa: SIM115 - whoever takes its pieces closes it
    when = manifest.created_at.timetuple()[:6]
    with (
        TemporaryDirectory() as scratch,
        store.bucket() as bucket,
        zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive,  # weights do not get smaller
    ):
        for file in manifest.files:
            name = file.path.rpartition("/")[2]
            if name in PEFT_FILES:
                path = Path(scratch) / name
                _fetch(bucket, adapter_key(manifest.adapter_id, file.path), file, path)
                with path.open("rb") as reading, archive.open(_entry(name, when), "w", force_zip64=True) as writing:
                    while piece := reading.read(PIECE_BYTES):
                        writing.write(piece)
        archive.writestr(_entry("card.json", when), json.dumps(manifest.card, indent=1, ensure_ascii=False))
    whole.seek(0)
    return whole


def _entry(name: str, when: tuple[int, ...]) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, when)  # type: ignore[arg-type]  # six numbers, which is all that it wants
    entry.external_attr = 0o644 << 16
    return entry


def _fetch(bucket: Bucket, key: str, file: FileEntry, target: Path) -> None:
    try:
        bucket.download(key, target)
    except NoSuchKey:
        raise _torn(key) from None
    with target.open("rb") as reading:
        if hashlib.file_digest(reading, "sha256").hexdigest() != file.sha256:
            raise _torn(key)


def _torn(key: str) -> Conflict:
    return Conflict(f"{key} is not what was published: this voice cannot be had. Train it anew.", code="voice_torn")


def _pieces(whole: IO[bytes]) -> Iterator[bytes]:
    with whole:
        while piece := whole.read(PIECE_BYTES):
            yield piece
