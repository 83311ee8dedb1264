"""The verbs of a dataset: make, look at, rename, set its cleaning rules, bring songs in, delete and bring back.

Bringing in asks for a job; songs appear as it goes on. What can be read at once (a list of tracks) is read at once, so
that what is wrong with it is said at once.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from app import change, job, store
from app.db import unit_of_work
from app.errors import AllowanceSpent, BadInput, Conflict, NotFound, ServiceAway, TooLarge
from app.job import JobView
from app.people import check_member
from app.plain_text import checked_line, checked_text
from contracts.manifest import upload_key
from corpus import cleaning, uploads
from corpus.song import Problem
from corpus.tracklist import read_tracks
from models import Account, Dataset, DatasetVersion, Song, SongState
from models.dataset import MAX_NAME, trainable

MAX_DATASETS = 200
MAX_SONGS = 50_000
"""Songs in one dataset of the free plan."""
MAX_LIST_CHARS = 1_500_000
MAX_SONG_CHARS = 200_000
MAX_FIELD_CHARS = 300
MAX_FILE_NAME = 200
PROBLEMS_TOLD = 200
_NO_SUCH = "There is no such dataset of yours."


class RuleView(NamedTuple):
    """A cleaning rule, and whether this dataset goes without it."""

    name: str
    title: str
    is_off: bool


class DatasetView(NamedTuple):
    """A dataset as its owner sees it.

    `counts` holds a number for each state of songs that are kept, and `trainable`, `duplicates`, `dropped`, `total`;
    `rights` counts those kept by right. `job` is what it waits for; `last_job` the last that was asked for, also when
    it is over. `revision` differs whenever anything here does. `cannot_freeze` says why not, None when it can.
    """

    id: UUID
    name: str
    rules_off: list[str]
    counts: dict[str, int]
    rights: dict[str, int]
    job: JobView | None
    last_job: JobView | None
    num_versions: int
    undo: str | None
    cannot_freeze: str | None
    revision: str
    created_at: datetime
    updated_at: datetime

    @property
    def rules(self) -> list[RuleView]:
        """All cleaning rules, in the order in which they are applied."""
        return [RuleView(rule.name, rule.title, rule.name in self.rules_off) for rule in cleaning.RULES]


class Imported(NamedTuple):
    """The job that brings songs in, and what could not be read of what was sent."""

    job: JobView
    problems: list[Problem]


def create(session: Session, user_id: UUID, name: str) -> DatasetView:
    """A new, empty dataset.

    Raises:
        NeedsAccount: a guest.
        AllowanceSpent: there are `MAX_DATASETS` already.
    """
    check_member(session, user_id, "Datasets can be made")
    name = _checked_name(name)
    _check_room(session, user_id)
    dataset = Dataset(user_id=user_id, name=name, rules_off=[])
    session.add(dataset)
    session.flush()
    return get(session, user_id, dataset.id)


def get(session: Session, user_id: UUID, dataset_id: UUID) -> DatasetView:
    """One dataset of this person.

    Raises:
        NotFound: there is none, it is deleted, or it is somebody else's.
    """
    own(session, user_id, dataset_id)
    return _views(session, Dataset.id == dataset_id)[0]


def find(session: Session, user_id: UUID) -> list[DatasetView]:
    """This person's datasets, the last touched first.

    Raises:
        NeedsAccount: a guest.
    """
    check_member(session, user_id, "Datasets can be made")
    return _views(session, Dataset.user_id == user_id, Dataset.deleted_at.is_(None))


def deleted(session: Session, user_id: UUID) -> list[DatasetView]:
    """What `undelete` could bring back, the last touched first."""
    return _views(session, Dataset.user_id == user_id, Dataset.deleted_at.is_not(None))


def check_own(session: Session, user_id: UUID, dataset_id: UUID) -> None:
    """Raises NotFound when this is no dataset of this person."""
    own(session, user_id, dataset_id)


def own(session: Session, user_id: UUID, dataset_id: UUID, *, lock: bool = False) -> Dataset:
    """The row of a dataset of this person; with `lock` nobody else acts on the dataset until the transaction ends.

    Raises:
        NotFound: there is none, it is deleted, or it is somebody else's.
    """
    dataset = session.get(Dataset, dataset_id, with_for_update=lock, populate_existing=lock)
    if dataset is None or dataset.user_id != user_id or dataset.deleted_at is not None:
        raise NotFound(_NO_SUCH)
    return dataset


def touch(dataset: Dataset) -> None:
    """Say that something in it has changed."""
    dataset.updated_at = datetime.now(UTC)


def save(
    session: Session,
    user_id: UUID,
    dataset_id: UUID,
    *,
    name: str | None = None,
    rules_off: Iterable[str] | None = None,
) -> DatasetView:
    """Save what is given. Rules that change have all songs cleaned anew, by a job; this can be undone."""
    dataset = own(session, user_id, dataset_id, lock=True)
    if name is not None:
        dataset.name = _checked_name(name)
    if rules_off is not None:
        off = _checked_rules(rules_off)
        if off != sorted(dataset.rules_off):
            change.remember(session, dataset, _words_of_rules(dataset.rules_off, off), rules_off=dataset.rules_off)
            dataset.rules_off = off
            job.tidy_soon(session, user_id, dataset_id)
    touch(dataset)
    session.flush()
    return get(session, user_id, dataset_id)


def delete(session: Session, user_id: UUID, dataset_id: UUID) -> None:
    """Hide a dataset and cancel its jobs, trainings too; `undelete` brings it back for 30 days."""
    dataset = own(session, user_id, dataset_id, lock=True)
    job.cancel_all(session, user_id, dataset_id)
    dataset.deleted_at = datetime.now(UTC)


def undelete(session: Session, user_id: UUID, dataset_id: UUID) -> DatasetView:
    """Bring a deleted dataset back.

    Raises:
        NotFound: there is none, it is not deleted, or it is somebody else's.
        AllowanceSpent: there are `MAX_DATASETS` by now.
    """
    dataset = session.get(Dataset, dataset_id)
    if dataset is None or dataset.user_id != user_id or dataset.deleted_at is None:
        raise NotFound(_NO_SUCH)
    _check_room(session, user_id)
    dataset.deleted_at = None
    session.flush()
    return get(session, user_id, dataset_id)


def import_tracks(session: Session, user_id: UUID, dataset_id: UUID, text: str) -> Imported:
    """Look for the words of the songs in a pasted list or CSV.

    Raises:
        BadInput: no song can be read out of it, or it holds too many.
        AllowanceSpent: the dataset would grow too large.
    """
    own(session, user_id, dataset_id)
    read = read_tracks(checked_text(_without_marks(text), field="text", max_chars=MAX_LIST_CHARS))
    if not read.tracks:
        first = f" {read.problems[0].where}: {read.problems[0].message}." if read.problems else ""
        raise BadInput(
            f"No song can be read out of this.{first} Write one song a line, such as: Artist - Title.",
            code="no_tracks",
            field="text",
        )
    check_songs_fit(session, dataset_id, len(read.tracks))
    tracks = [{"artist": t.artist, "title": t.title, "duration_s": t.duration_s} for t in read.tracks]
    asked = _ask(session, user_id, dataset_id, {"kind": "tracks", "tracks": tracks})
    return Imported(asked, read.problems[:PROBLEMS_TOLD])


def import_playlist(session: Session, user_id: UUID, dataset_id: UUID, playlist_id: str, name: str) -> Imported:
    """Look for the words of the songs in a playlist; `app.spotify.own_playlist` tells which may be read."""
    request = {"kind": "playlist", "playlist_id": playlist_id, "name": name}
    return Imported(_ask(session, user_id, dataset_id, request), [])


def import_paste(session: Session, user_id: UUID, dataset_id: UUID, artist: str, title: str, text: str) -> Imported:
    """Bring in one song whose words were pasted."""
    own(session, user_id, dataset_id)
    request = {
        "kind": "paste",
        "artist": checked_name(artist, "artist"),
        "title": checked_name(title, "title"),
        "text": checked_words(text),
    }
    if not request["title"]:
        raise BadInput("The song needs a title.", code="no_title", field="title")
    check_songs_fit(session, dataset_id, 1)
    return Imported(_ask(session, user_id, dataset_id, request), [])


def import_again(session: Session, user_id: UUID, dataset_id: UUID) -> Imported:
    """Look once more for the songs that a source refused to tell, and for those that a cancelled job left.

    Raises:
        Conflict: there are none.
    """
    dataset = own(session, user_id, dataset_id, lock=True)
    states = [SongState.BLOCKED] + [SongState.WANTED] * (not job.has_open(session, dataset_id, job.IMPORT))
    blocked = session.execute(
        update(Song)
        .where(Song.dataset_id == dataset_id, Song.state.in_(states), Song.is_dropped.is_(False))
        .values(state=SongState.WANTED, why="")
        .returning(Song.artist, Song.title, Song.duration_s)
    ).all()
    if not blocked:
        raise Conflict("No song of this dataset is blocked: there is nothing to look for again.", code="none_blocked")
    touch(dataset)
    tracks = [{"artist": row.artist, "title": row.title, "duration_s": row.duration_s} for row in blocked]
    return Imported(_ask(session, user_id, dataset_id, {"kind": "tracks", "tracks": tracks}), [])


def import_upload(user_id: UUID, dataset_id: UUID, name: str, path: Path) -> JobView:
    """Bring in the songs of a file: it goes into the bucket, and is read by a job. Its own unit of work.

    Raises:
        BadInput: files of this kind cannot be read, or there is nothing in it.
        TooLarge: it has more bytes than we take.
    """
    name = checked_file_name(name)
    size = path.stat().st_size
    if size == 0:
        raise BadInput(f"{name} is empty.", code="empty_file", field="file")
    if size > max_upload_bytes(name):
        raise too_large(name)
    with unit_of_work() as session:
        own(session, user_id, dataset_id)
        check_songs_fit(session, dataset_id, 1)
    key = upload_key(user_id, uuid4())
    with store.bucket() as bucket:
        bucket.upload(key, path)
        try:
            with unit_of_work() as session:
                return _ask(session, user_id, dataset_id, {"kind": "upload", "key": key, "name": name})
        except BaseException:
            with suppress(ServiceAway, OSError):
                bucket.delete(key)  # nobody knows of it
            raise


def max_upload_bytes(name: str) -> int:
    """How large a file of this name may be."""
    return uploads.MAX_JSONL_BYTES if name.lower().endswith(".jsonl") else uploads.MAX_UPLOAD_BYTES


def too_large(name: str) -> TooLarge:
    """The refusal of a file that has more bytes than we take."""
    most = max_upload_bytes(name)
    return TooLarge(
        f"{name} is larger than {most // uploads.MB} MB. Split it into several files and send them one by one.",
        field="file",
    )


def checked_file_name(name: str) -> str:
    """The last part of a file's name, when we read such files.

    Raises:
        BadInput: we do not.
    """
    plain = re.sub(r"[\x00-\x1f\x7f]", "", name.replace("\\", "/").rpartition("/")[2]).strip()
    plain = plain.encode("utf-8", "replace").decode()
    if PurePosixPath(plain.lower()).suffix not in uploads.ENDINGS:
        raise BadInput(
            f"{plain[:80] or 'A file without a name'} cannot be read: send {', '.join(uploads.ENDINGS)}.",
            code="unknown_file",
            field="file",
        )
    return plain[-MAX_FILE_NAME:]


def check_songs_fit(session: Session, dataset_id: UUID, num_songs: int) -> None:
    """Raises AllowanceSpent when the dataset has no room for so many more."""
    held = session.scalar(select(func.count()).select_from(Song).where(Song.dataset_id == dataset_id)) or 0
    if held + num_songs > MAX_SONGS:
        raise AllowanceSpent(
            f"A dataset holds up to {MAX_SONGS:,} songs: this one has {held:,} and {num_songs:,} would come in. "
            "Bring in fewer, or begin another dataset.",
            code="dataset_full",
        )


def checked_name(value: str, field: str) -> str:
    """An artist or a title, on one line."""
    return checked_line(value, field=field, max_chars=MAX_FIELD_CHARS)


def checked_words(text: str) -> str:
    """The words of a song that somebody pasted.

    Raises:
        BadInput: a song has two lines at least and two thousand at most.
    """
    words = checked_text(_without_marks(text), field="text", max_chars=MAX_SONG_CHARS)
    num_lines = sum(1 for line in words.splitlines() if line.strip())
    if num_lines < uploads.MIN_SONG_LINES or num_lines > uploads.MAX_SONG_LINES:
        raise BadInput(
            f"This has {num_lines:,} lines; a song has {uploads.MIN_SONG_LINES} to {uploads.MAX_SONG_LINES:,}.",
            code="not_a_song",
            field="text",
        )
    return words


def _ask(session: Session, user_id: UUID, dataset_id: UUID, request: dict[str, Any]) -> JobView:
    dataset = own(session, user_id, dataset_id)
    check_songs_fit(session, dataset_id, 0)
    touch(dataset)
    return job.start(session, user_id, dataset_id, job.IMPORT, request | {"max_songs": MAX_SONGS})


def _check_room(session: Session, user_id: UUID) -> None:
    """Raises AllowanceSpent. Holds the account's row: two cannot take the last place."""
    session.execute(select(Account.user_id).where(Account.user_id == user_id).with_for_update())
    query = select(func.count()).select_from(Dataset).where(Dataset.user_id == user_id, Dataset.deleted_at.is_(None))
    if (session.scalar(query) or 0) >= MAX_DATASETS:
        raise AllowanceSpent(f"You have {MAX_DATASETS} datasets. Delete one to make room.", code="too_many_datasets")


def _checked_name(name: str) -> str:
    plain = checked_line(name, field="name", max_chars=MAX_NAME)
    if not plain:
        raise BadInput("The dataset needs a name.", code="no_name", field="name")
    return plain


def _checked_rules(rules_off: Iterable[str]) -> list[str]:
    known = [rule.name for rule in cleaning.RULES]
    off = sorted(set(rules_off))
    for name in off:
        if name not in known:
            raise BadInput(
                f"There is no cleaning rule called {name[:40]!r}. There are: {', '.join(known)}.",
                code="unknown_rule",
                field="rules_off",
            )
    return off


def _words_of_rules(before: Iterable[str], after: Iterable[str]) -> str:
    titles = {rule.name: rule.title for rule in cleaning.RULES}
    off, on = set(after) - set(before), set(before) - set(after)
    parts = [f"Rule off: {titles[name]}" for name in sorted(off)]
    parts += [f"Rule on: {titles.get(name, name)}" for name in sorted(on)]
    return "; ".join(parts)


def _without_marks(text: str) -> str:
    """Without a byte order mark and the spaces that only look like control characters."""
    return text.removeprefix("\ufeff").replace("\x0b", "\n").replace("\x0c", "\n")


def _views(session: Session, *which: ColumnElement[bool]) -> list[DatasetView]:
    rows = list(session.scalars(select(Dataset).where(*which).order_by(Dataset.updated_at.desc(), Dataset.id)))
    ids = [row.id for row in rows]
    current = job.current(session, ids)  # before what is counted: what is counted after a job has ended is all of it
    states: defaultdict[UUID, Counter[str]] = defaultdict(Counter)
    rights: defaultdict[UUID, Counter[str]] = defaultdict(Counter)
    # An empty text is not null, so that a song is trainable or not, and never unknown.
    may_train = func.coalesce(trainable(), False)
    is_double = Song.duplicate_of.is_not(None)
    counted = (Song.dataset_id, Song.state, Song.rights, Song.is_dropped)
    groups = session.execute(
        select(*counted, may_train.label("may_train"), is_double.label("is_double"), func.count().label("number"))
        .where(Song.dataset_id.in_(ids))
        .group_by(*counted, may_train, is_double)
    )
    for group in groups:
        of_states = states[group.dataset_id]
        of_states["total"] += group.number
        if group.is_dropped:
            of_states["dropped"] += group.number
            continue
        of_states[group.state.value] += group.number
        of_states["trainable"] += group.number if group.may_train else 0
        of_states["duplicates"] += group.number if group.is_double else 0
        rights[group.dataset_id][group.rights.value] += group.number
    numbered = session.execute(
        select(DatasetVersion.dataset_id, func.count())
        .where(DatasetVersion.dataset_id.in_(ids), DatasetVersion.deleted_at.is_(None))
        .group_by(DatasetVersion.dataset_id)
    )
    versions = dict(numbered.all())
    latest, undo = job.latest(session, ids), change.next_undo(session, ids)
    return [
        _view(
            row,
            states[row.id],
            rights[row.id],
            current.get(row.id),
            latest.get(row.id),
            num_versions=versions.get(row.id, 0),
            undo=undo.get(row.id),
        )
        for row in rows
    ]


def _view(
    dataset: Dataset,
    states: Counter[str],
    rights: Counter[str],
    current: JobView | None,
    latest: JobView | None,
    *,
    num_versions: int,
    undo: str | None,
) -> DatasetView:
    names = (*(state.value for state in SongState), "trainable", "duplicates", "dropped", "total")
    counts = {name: states[name] for name in names}
    shown = (dataset.name, dataset.rules_off, dataset.updated_at, counts, dict(rights), current, num_versions, undo)
    return DatasetView(
        id=dataset.id,
        name=dataset.name,
        rules_off=list(dataset.rules_off),
        counts=counts,
        rights=dict(rights),
        job=current,
        last_job=latest,
        num_versions=num_versions,
        undo=undo,
        cannot_freeze=_why_not(counts, rights),
        revision=hashlib.sha256(repr(shown).encode()).hexdigest()[:16],
        created_at=dataset.created_at,
        updated_at=dataset.updated_at,
    )


def _why_not(counts: dict[str, int], rights: Counter[str]) -> str | None:
    """Why nothing can be frozen, in the order in which a builder would mend it."""
    if counts["trainable"]:
        return None
    if not counts["total"]:
        return "There is no song in this dataset yet: bring some in."
    if counts["total"] == counts["dropped"]:
        return "All songs of this dataset are dropped: restore some, or bring others in."
    if counts["wanted"] and not counts["found"] and not counts["check"]:
        return "The songs of this dataset are still being looked for."
    if not counts["found"] and counts["check"]:
        return f"{counts['check']:,} songs wait for your review: accept those that are right."
    if not counts["found"]:
        return "No words were found for the songs of this dataset: paste them, or upload files."
    if rights["unknown"]:
        return f"Nobody has said by what right {rights['unknown']:,} songs may be used: state their rights."
    return "No song of this dataset is found, by a right that is known, and kept."
