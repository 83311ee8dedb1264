"""The verbs of a dataset's songs: list, read with what cleaning did, review, state rights, undo.

Each act keeps what there was before, in its own transaction, so the last one can always be undone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, get_args
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from app import change, job
from app.dataset import checked_name, checked_words, own, touch
from app.errors import BadInput, Conflict, NotFound
from app.plain_text import checked_line, checked_text
from corpus.cleaning import RULES, clean, diff
from corpus.tongue import language
from lyrics.explicit import is_explicit
from models import Dataset, Rights, Song, SongState
from models.dataset import trainable

MAX_PAGE = 500
MAX_NOTE_CHARS = 1_000
MAX_QUERY_CHARS = 200
PASTED = "paste"
"""The source of words that a builder typed in place of others."""

Act = Literal["accept", "drop", "restore", "replace"]
ACTS: tuple[str, ...] = get_args(Act)
KINDS: tuple[str, ...] = (*(state.value for state in SongState), "trainable", "duplicate", "dropped")
"""What a list of songs can be narrowed to: a state, or what cuts across states."""
RIGHTS: tuple[str, ...] = tuple(right.value for right in Rights)

_RIGHTS = ("rights", "rights_note", "rights_at", "rights_by")
_WORDS = (
    "state", "is_dropped", "source", "url", "matched_artist", "matched_title", "score", "why", "artist", "title",
    "original", "text", "content_sha", "prompt", "duplicate_of", "language", "is_explicit", *_RIGHTS,
)  # fmt: skip


class SongSummary(NamedTuple):
    """A song as the table lists it; its words are not among it. `why` tells what was left out or is doubtful."""

    id: UUID
    position: int
    artist: str
    title: str
    duration_s: float | None
    state: str
    is_dropped: bool
    is_trainable: bool
    has_text: bool
    source: str
    url: str
    matched_artist: str
    matched_title: str
    score: float | None
    why: str
    rights: str
    rights_note: str
    rights_at: datetime | None
    duplicate_of: UUID | None
    language: str | None
    is_explicit: bool | None


class SongView(NamedTuple):
    """A song with its words: as they came, as they are cleaned, and line by line what cleaning did.

    `diff` holds `(kind, text)` with a kind of " ", "-" or "+"; `changes` how many lines each rule changed.
    """

    song: SongSummary
    original: str
    text: str
    diff: list[tuple[str, str]]
    changes: dict[str, int]


class Page(NamedTuple):
    """Some songs of those that were asked for, in the dataset's order, and how many there are of them in all."""

    songs: list[SongSummary]
    total: int


class Selection(NamedTuple):
    """Songs by id, or by what they are; with nothing given, all that are kept."""

    ids: frozenset[UUID] | None = None
    state: str | None = None
    rights: str | None = None
    query: str | None = None


def find(
    session: Session,
    user_id: UUID,
    dataset_id: UUID,
    *,
    state: str | None = None,
    rights: str | None = None,
    query: str | None = None,
    offset: int = 0,
    limit: int = 100,
) -> Page:
    """A page of a dataset's songs, narrowed to a state (or kind), a right, and words in artist or title.

    Raises:
        NotFound: there is no such dataset of this person.
        BadInput: a state or right that there is none of, or a page beyond all measure.
    """
    own(session, user_id, dataset_id)
    if not 0 <= offset <= 1_000_000 or not 1 <= limit <= MAX_PAGE:
        raise BadInput(f"A page has 1 to {MAX_PAGE} songs and begins at 0 or later.", field="limit")
    which = _which(dataset_id, Selection(state=state, rights=rights, query=query), also_dropped=True)
    rows = session.execute(_summaries().where(*which).order_by(Song.position, Song.id).offset(offset).limit(limit))
    total = session.scalar(select(func.count()).select_from(Song).where(*which)) or 0
    return Page([_summary(row) for row in rows], total)


def read(
    session: Session, user_id: UUID, dataset_id: UUID, song_id: UUID, *, rules_off: frozenset[str] | None = None
) -> SongView:
    """One song with its words. With `rules_off` it shows what cleaning would do without those rules; nothing is saved.

    Raises:
        NotFound: there is no such song, or the dataset is somebody else's.
        BadInput: there is no such rule.
    """
    dataset = own(session, user_id, dataset_id)
    song = _own_song(session, dataset_id, song_id)
    off = frozenset(dataset.rules_off) if rules_off is None else rules_off
    if unknown := off - {rule.name for rule in RULES}:
        raise BadInput(f"There is no cleaning rule called {min(unknown)[:40]!r}.", code="unknown_rule", field="off")
    summary = _summary(session.execute(_summaries().where(Song.id == song.id)).one())
    original = song.original or ""
    cleaned = clean(original, off)
    text = (song.text or "") if rules_off is None else cleaned.text
    lines: list[tuple[str, str]] = [(line.kind, line.text) for line in diff(original, text)]
    return SongView(summary, original, text, lines, cleaned.changes)


def review(
    session: Session,
    user_id: UUID,
    dataset_id: UUID,
    song_id: UUID,
    act: str,
    *,
    text: str | None = None,
    artist: str | None = None,
    title: str | None = None,
) -> SongSummary:
    """Accept a doubtful song, drop one, restore it, or put other words in its place.

    Words that replace others come without rights: what was stated was stated of the others.

    Raises:
        BadInput: no such act, or no words to put there.
        Conflict: there are no words to accept.
    """
    dataset = own(session, user_id, dataset_id, lock=True)
    song = _own_song(session, dataset_id, song_id, lock=True)
    named = f"“{song.title}”" if song.title else "a song"
    if act == "accept":
        if song.state not in (SongState.CHECK, SongState.FOUND) or not song.text:
            raise Conflict("This song has no words to accept: replace it with words of your own.", code="no_words")
        _remember(session, dataset, f"Accepted {named}", song, ("state",))
        song.state = SongState.FOUND
    elif act in ("drop", "restore"):
        _remember(session, dataset, f"{'Dropped' if act == 'drop' else 'Restored'} {named}", song, ("is_dropped",))
        song.is_dropped = act == "drop"
        if _has_doubles(session, song):
            job.tidy_soon(session, user_id, dataset_id)
    elif act == "replace":
        if text is None:
            raise BadInput("Send the words that are to stand there as `text`.", code="no_words", field="text")
        words = checked_words(text)
        named_anew = {
            name: checked_name(value, name) for name, value in (("artist", artist), ("title", title)) if value
        }
        _remember(session, dataset, f"Replaced the words of {named}", song, _WORDS)
        _replace(dataset, song, words, named_anew)
        job.tidy_soon(session, user_id, dataset_id)
    else:
        raise BadInput(f"There is no such act. There are: {', '.join(ACTS)}.", code="unknown_act", field="act")
    touch(dataset)
    session.flush()
    return _summary(session.execute(_summaries().where(Song.id == song.id)).one())


def set_rights(
    session: Session,
    user_id: UUID,
    dataset_id: UUID,
    selection: Selection,
    rights: str,
    *,
    note: str = "",
    attest: bool = False,
) -> int:
    """State by what right songs may be used; returns for how many this is new. Who stated it, and when, is kept.

    Raises:
        BadInput: no such right, a note or source that is missing, or no attestation.
        NotFound: a song that is not in this dataset.
    """
    dataset = own(session, user_id, dataset_id, lock=True)
    right, note = _checked_rights(rights, note)
    if right is not Rights.UNKNOWN and not attest:
        raise BadInput(
            "Say that it is so: send `attest` as true. Your name and the time are kept with the songs.",
            code="not_attested",
            field="attest",
        )
    which = _which(dataset_id, selection)
    columns = [getattr(Song, name) for name in _RIGHTS]
    rows = session.execute(select(Song.id, *columns).where(*which).order_by(Song.position).with_for_update()).all()
    if selection.ids is not None and len(rows) != len(selection.ids):
        raise NotFound("Some of these songs are not in this dataset: nothing was changed. Reload and try again.")
    # What is stated already keeps the time at which it was stated: a version's hash hangs on it.
    rows = [row for row in rows if (row.rights, row.rights_note) != (right, note)]
    if not rows:
        return 0
    before = [(row.id, {name: getattr(row, name) for name in _RIGHTS}) for row in rows]
    label = right.value.replace("_", " ")
    change.remember(session, dataset, f"Rights of {_num(len(rows))}: {label}", before)
    is_known = right is not Rights.UNKNOWN
    session.execute(
        update(Song)
        .where(Song.id.in_([row.id for row in rows]))
        .values(
            rights=right,
            rights_note=note,
            rights_at=datetime.now(UTC) if is_known else None,
            rights_by=user_id if is_known else None,
        ),
        execution_options={"synchronize_session": "fetch"},
    )
    touch(dataset)
    return len(rows)


def undo(session: Session, user_id: UUID, dataset_id: UUID) -> str:
    """Undo the last act that was not undone; returns what it was, in words.

    Raises:
        Conflict: there is nothing to undo.
    """
    dataset = own(session, user_id, dataset_id, lock=True)
    undone = change.undo(session, dataset)
    if undone is None:
        raise Conflict("There is nothing to undo.", code="nothing_to_undo")
    if undone.changed & {"rules_off", "text", "is_dropped"}:
        job.tidy_soon(session, user_id, dataset_id)
    touch(dataset)
    return undone.words


def sha_of(text: str) -> str:
    """What a text is known by wherever it is frozen."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _replace(dataset: Dataset, song: Song, words: str, named_anew: dict[str, str]) -> None:
    for name, value in named_anew.items():
        setattr(song, name, value)
    song.original = words
    song.text = clean(words, frozenset(dataset.rules_off)).text
    song.content_sha = sha_of(song.text)
    song.language = language(song.text)[0]
    song.is_explicit = is_explicit(song.text)
    song.state, song.is_dropped, song.source = SongState.FOUND, False, PASTED
    song.url = song.matched_artist = song.matched_title = song.why = song.prompt = ""
    song.score = song.duplicate_of = None
    song.rights, song.rights_note, song.rights_at, song.rights_by = Rights.UNKNOWN, "", None, None


def _remember(session: Session, dataset: Dataset, words: str, song: Song, names: Sequence[str]) -> None:
    change.remember(session, dataset, words, [(song.id, {name: getattr(song, name) for name in names})])


def _has_doubles(session: Session, song: Song) -> bool:
    if song.duplicate_of is not None:
        return True
    return session.scalar(select(Song.id).where(Song.duplicate_of == song.id).limit(1)) is not None


def _checked_rights(rights: str, note: str) -> tuple[Rights, str]:
    if rights not in RIGHTS:
        raise BadInput(f"There is no such right. There are: {', '.join(RIGHTS)}.", code="unknown_right", field="rights")
    right = Rights(rights)
    note = checked_line(note, field="note", max_chars=MAX_NOTE_CHARS)
    if right is Rights.LICENSED and not note:
        raise BadInput("Say in the note who licensed the words, and how.", code="no_note", field="note")
    if right is Rights.PUBLIC_DOMAIN and not _is_link(note):
        raise BadInput(
            "Say in the note where the words are public: a link, such as https://www.gutenberg.org/ebooks/21300.",
            code="no_source",
            field="note",
        )
    return right, note


def _is_link(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and "." in (parts.hostname or "") and " " not in text
    except ValueError:
        return False


def _which(dataset_id: UUID, wanted: Selection, *, also_dropped: bool = False) -> list[ColumnElement[bool]]:
    which: list[ColumnElement[bool]] = [Song.dataset_id == dataset_id]
    if wanted.ids is not None:
        return [*which, Song.id.in_(wanted.ids)]
    if wanted.state:
        which.append(_kind(wanted.state))
    if not also_dropped and wanted.state != "dropped":
        which.append(Song.is_dropped.is_(False))
    if wanted.rights:
        if wanted.rights not in RIGHTS:
            raise BadInput(f"There is no such right. There are: {', '.join(RIGHTS)}.", field="rights")
        which.append(Song.rights == Rights(wanted.rights))
    if wanted.query:
        words = checked_text(wanted.query, field="q", max_chars=MAX_QUERY_CHARS)
        which += [or_(*(_holds(column, word) for column in (Song.artist, Song.title))) for word in words.split()]
    return which


def _holds(column: InstrumentedAttribute[str], word: str) -> ColumnElement[bool]:
    return column.icontains(word, autoescape=True)


def _kind(state: str) -> ColumnElement[bool]:
    if state == "dropped":
        return Song.is_dropped.is_(True)
    if state == "trainable":
        return trainable()
    if state == "duplicate":
        return Song.duplicate_of.is_not(None)
    if state not in KINDS:
        raise BadInput(f"There is no such state. There are: {', '.join(KINDS)}.", code="unknown_state", field="state")
    return Song.state == SongState(state)


def _own_song(session: Session, dataset_id: UUID, song_id: UUID, *, lock: bool = False) -> Song:
    song = session.get(Song, song_id, with_for_update=lock, populate_existing=lock)
    if song is None or song.dataset_id != dataset_id:
        raise NotFound("There is no such song in this dataset.")
    return song


def _summaries() -> Any:
    apart = {"is_trainable", "has_text"}
    columns = [getattr(Song, name) for name in SongSummary._fields if name not in apart]
    return select(
        *columns,
        func.coalesce(trainable(), False).label("is_trainable"),
        func.coalesce(func.length(Song.text) > 0, False).label("has_text"),
    )


def _summary(row: Any) -> SongSummary:
    values = {name: getattr(row, name) for name in SongSummary._fields}
    return SongSummary(**values | {"state": row.state.value, "rights": row.rights.value})


def _num(songs: int) -> str:
    return "1 song" if songs == 1 else f"{songs:,} songs"
