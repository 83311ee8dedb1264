"""How songs become rows: what they are known by, what is kept of them, and songs that come with their words.

Knows nothing of sources: words that have to be looked for are `worker.imports`' business.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from corpus.matching import key
from corpus.pipeline import Answer
from corpus.song import Draft, Problem
from corpus.sources import Finding
from models import Rights, Song, SongState
from models.dataset import MAX_TRACK_KEY, track_key
from worker.jobs import Attempt, Failed
from worker.tidying import executed, touch, wash

READING = "reading"
CHUNK_SONGS = 200
"""Songs of one transaction,"""
CHUNK_CHARS = 2_000_000
"""and what they hold together at most, give or take one."""
SETTLED_COLUMNS = (
    "state", "source", "url", "matched_artist", "matched_title", "score", "why", "original",
    "text", "content_sha", "language", "is_explicit",
)  # fmt: skip


def answer_columns(answer: Answer) -> dict[str, Any]:
    """What a source said, as the columns of a `Lookup`."""
    finding = answer.finding
    return {
        "state": SongState(finding.state),
        "text": plain(finding.text),
        "artist": plain(finding.artist),
        "title": plain(finding.title),
        "url": plain(finding.url),
        "why": plain(finding.why),
        "score": finding.score,
    }


def settled_columns(song_id: UUID, answer: Answer, off: frozenset[str]) -> dict[str, Any]:
    """What settles a song, as values for `settle_rows`."""
    columns = answer_columns(answer)
    words = columns.pop("text") or None
    return {
        "song_id": song_id,
        "source": answer.source,
        "matched_artist": columns.pop("artist"),
        "matched_title": columns.pop("title"),
        "original": words,
        **columns,
        **(wash(words, off) if words else dict.fromkeys(("text", "content_sha", "language", "is_explicit"))),
    }


def settle_rows(session: Session, attempt: Attempt, rows: list[dict[str, Any]], still: ColumnElement[bool]) -> None:
    """Write what settles songs, as `settled_columns` tells it, into those of which `still` is so.

    Rights were stated of other words, or of none: they are to be stated of these.
    """
    settled: dict[str, Any] = {name: bindparam(name) for name in SETTLED_COLUMNS} | {"attempt": attempt.id}
    unstated = {"rights": Rights.UNKNOWN, "rights_note": "", "rights_at": None, "rights_by": None}
    statement = update(Song).where(Song.id == bindparam("song_id"), still).values(settled | unstated)
    executed(session, statement, rows)


def take_in(attempt: Attempt, found: Iterable[Draft | Problem], source: str, off: frozenset[str]) -> None:
    """Write songs as they are read; what was read before is not written again."""
    attempt.report(stage=READING, total=None)
    told = int(attempt.counts.get("problems", 0))  # by an attempt before this one
    counts = Counter(found=0, again=0, left_out=0, problems=0)
    chunk: list[Draft] = []
    for item in found:
        if isinstance(item, Problem):
            counts["problems"] += 1
            if counts["problems"] > told:
                attempt.report(line=f"{item.where}: {item.message}", counts={"problems": counts["problems"]})
            continue
        chunk.append(item)
        if len(chunk) == CHUNK_SONGS or sum(len(draft.text) for draft in chunk) > CHUNK_CHARS:
            counts.update(_taken_in(attempt, chunk, source, off))
            attempt.report(done=counts["found"] + counts["again"], counts=dict(counts))
            chunk = []
    if chunk:
        counts.update(_taken_in(attempt, chunk, source, off))
    attempt.report(done=counts["found"] + counts["again"], counts=dict(counts))
    if counts["left_out"]:
        attempt.report(line=words_of_full(counts["left_out"]))
    if not counts["found"] + counts["again"] + counts["left_out"]:
        raise Failed(f"No song could be read. {'The log says why.' if counts['problems'] else 'There is none in it.'}")


def _taken_in(attempt: Attempt, drafts: list[Draft], source: str, off: frozenset[str]) -> Counter[str]:
    attempt.check()
    named = [(draft, key_of(draft.artist, draft.title), words_of(draft)) for draft in drafts]
    names = {name for _, plain_name, words in named for name in (plain_name, _name_beside(plain_name, words))}
    digest = func.encode(func.sha256(func.convert_to(Song.original, "UTF8")), "hex")
    with attempt.session() as session:
        there = {
            row.track_key: _There(row.id, row.state, row.digest)
            for row in session.execute(
                select(Song.track_key, Song.id, Song.state, digest.label("digest")).where(
                    Song.dataset_id == attempt.dataset_id, Song.track_key.in_(names)
                )
            )
        }
    counts = Counter[str]()
    fresh: list[tuple[UUID, str, Draft, str]] = []
    filled: list[dict[str, Any]] = []
    for draft, name, words in named:
        digest_of_words = _sha256(words)
        held = there.get(name)
        if held is not None and held.digest == digest_of_words:
            counts["again"] += 1
            continue
        if held is not None and held.state is not SongState.FOUND:
            # It was asked for in a list, and nobody surely had it: these are its words.
            answer = Answer(source, Finding("found", words, draft.artist, draft.title, draft.url, _from(draft), 1.0))
            filled.append(settled_columns(held.id, answer, off))
            there[name] = _There(held.id, SongState.FOUND, digest_of_words)
            counts["found"] += 1
            continue
        if held is not None:
            name = _name_beside(name, words)
            if name in there:
                counts["again"] += 1
                continue
        song_id = uuid4()
        fresh.append((song_id, name, draft, words))
        there[name] = _There(song_id, SongState.FOUND, digest_of_words)
    rows = [
        new_row(attempt, name, 0, plain(draft.artist), plain(draft.title))
        | {
            "id": song_id,
            "state": SongState.FOUND,
            "source": source,
            "url": plain(draft.url),
            "why": plain(_from(draft)),
            "original": words,
            **wash(words, off),
        }
        for song_id, name, draft, words in fresh
    ]
    with attempt.session() as session:
        room = room_left(session, attempt)
        start = next_position(session, attempt)
        for at, row in enumerate(rows):
            row["position"] = start + at
        if rows[:room]:
            session.execute(insert(Song).on_conflict_do_nothing(), rows[:room])
        settle_rows(session, attempt, filled, Song.state != SongState.FOUND)
        touch(session, attempt)
    counts.update(found=len(rows[:room]), left_out=len(rows[room:]))
    return counts


class _There(NamedTuple):
    """A song that the dataset holds."""

    id: UUID
    state: SongState
    digest: str | None


def _from(draft: Draft) -> str:
    if not draft.source:
        return ""
    return f"From {draft.source}{f', line {draft.line}' if draft.line else ''}."


def key_of(artist: str, title: str) -> str:
    """What a song is known by in its dataset, and in the cache."""
    normalised = key(plain(artist), plain(title))
    return track_key(normalised.artist, normalised.title)


def plain(text: str) -> str:
    """Without what Postgres cannot keep: zero bytes and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def words_of(draft: Draft) -> str:
    """The words of a draft as they are kept."""
    return plain(draft.text)


def _name_beside(name: str, words: str) -> str:
    """The key of a song that has another's name but not its words."""
    ending = f"#{_sha256(words)[:12]}"
    return name[: MAX_TRACK_KEY - len(ending)] + ending


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def new_row(attempt: Attempt, name: str, position: int, artist: str, title: str) -> dict[str, Any]:
    """A song that is wanted, unless more is said of it."""
    return {
        "id": uuid4(),
        "dataset_id": attempt.dataset_id,
        "position": position,
        "track_key": name,
        "artist": artist,
        "title": title,
        "attempt": attempt.id,
    }


def next_position(session: Session, attempt: Attempt) -> int:
    """Where the next song stands."""
    most = session.scalar(select(func.max(Song.position)).where(Song.dataset_id == attempt.dataset_id))
    return 0 if most is None else most + 1


def room_left(session: Session, attempt: Attempt) -> int:
    """How many more songs the dataset may hold."""
    held = session.scalar(select(func.count()).select_from(Song).where(Song.dataset_id == attempt.dataset_id)) or 0
    most = attempt.request.get("max_songs")
    return 1 << 31 if most is None else max(0, int(most) - held)


def words_of_full(num_songs: int) -> str:
    """For the log."""
    return f"The dataset is full: {num_songs:,} songs were left out. Begin another dataset for them."
