"""What a song goes through once its words are there: cleaning, language, explicit words, and who is whose copy.

Of the text alone, so it can be done again at any time; the words as they came are never touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, Row, Select, bindparam, case, func, select, tuple_, update
from sqlalchemy.orm import Session

from corpus.cleaning import RULES, clean
from corpus.near import duplicates
from corpus.tongue import language
from lyrics.explicit import is_explicit
from models import Dataset, Rights, Song, SongState
from worker.jobs import Attempt, Failed

PAGE = 500
"""Songs of one transaction: a few MB at most, for songs are short."""
WASHED_KEPT = 5_000
"""Songs whose washing is remembered, for a list that is imported again: some 15 MB."""
TIDYING, COMPARING = "cleaning", "comparing"


def tidy(attempt: Attempt) -> None:
    """The job: clean all songs by the rules of their dataset, and compare them anew."""
    off = rules_off(attempt)
    with attempt.session() as session:
        num_songs = session.scalar(select(func.count()).select_from(Song).where(*_has_words(attempt))) or 0
    attempt.report(stage=TIDYING, done=0, total=num_songs)
    num_done = 0
    for songs in pages(attempt, select(Song.original, Song.content_sha).where(*_has_words(attempt))):
        washed = [{"song_id": song.id, "was": song.content_sha, **wash(song.original, off)} for song in songs]
        with attempt.session() as session:
            # Where somebody replaced the words meanwhile, they were washed by whoever did.
            executed(
                session,
                update(Song)
                .where(Song.id == bindparam("song_id"), Song.content_sha.is_not_distinct_from(bindparam("was")))
                .values(
                    {name: bindparam(name) for name in ("text", "content_sha", "language", "is_explicit")}
                    | {"attempt": attempt.id}
                ),
                washed,
            )
        num_done += len(songs)
        attempt.report(done=num_done)
    compare(attempt)


@lru_cache(maxsize=WASHED_KEPT)
def wash(original: str, off: frozenset[str]) -> Mapping[str, Any]:
    """What is known of words by themselves, as the columns of a song."""
    text = clean(original, off).text
    return {
        "text": text,
        "content_sha": hashlib.sha256(text.encode()).hexdigest(),
        "language": language(text)[0],
        "is_explicit": is_explicit(text),
    }


def compare(attempt: Attempt) -> None:
    """Say of each song of the dataset which other one is kept in its place: copies, and near copies.

    Kept is what may train: what was found before what is doubtful, what has a right before what has none; then what
    came first.
    """
    with attempt.session() as session:
        num_songs = session.scalar(select(func.count()).select_from(Song).where(*_comparable(attempt))) or 0
    attempt.report(stage=COMPARING, done=0, total=num_songs)
    copies = {UUID(copy): UUID(kept) for copy, kept in duplicates(_texts(attempt)).items()}
    with attempt.session() as session:
        held = session.execute(
            select(Song.id, Song.duplicate_of).where(
                Song.dataset_id == attempt.dataset_id, Song.duplicate_of.is_not(None)
            )
        ).all()
        was = {song.id: song.duplicate_of for song in held}
        changed = [
            {"song_id": song_id, "kept": copies.get(song_id)}
            for song_id in was.keys() | copies.keys()
            if was.get(song_id) != copies.get(song_id)
        ]
        mark = update(Song).where(Song.id == bindparam("song_id")).values(duplicate_of=bindparam("kept"))
        executed(session, mark, changed)
        touch(session, attempt)
    attempt.report(counts={"duplicates": len(copies)})


def rules_off(attempt: Attempt) -> frozenset[str]:
    """The cleaning rules that the owner has switched off.

    Raises:
        Failed: the dataset was deleted.
    """
    with attempt.session() as session:
        dataset = session.get(Dataset, attempt.dataset_id) if attempt.dataset_id else None
        if dataset is None or dataset.deleted_at is not None:
            raise Failed("The dataset was deleted.")
        return frozenset(dataset.rules_off) & {rule.name for rule in RULES}


def touch(session: Session, attempt: Attempt) -> None:
    """Say that the dataset has changed."""
    session.execute(update(Dataset).where(Dataset.id == attempt.dataset_id).values(updated_at=func.now()))


def pages(attempt: Attempt, query: Select[*tuple[Any, ...]]) -> Iterator[list[Row[*tuple[Any, ...]]]]:
    """Rows of songs of the attempt's dataset in their order, page by page, with no transaction open in between."""
    after: tuple[int, UUID] | None = None
    page = query.add_columns(Song.position, Song.id).where(Song.dataset_id == attempt.dataset_id)
    page = page.order_by(Song.position, Song.id).limit(PAGE)
    while True:
        attempt.check()
        with attempt.session() as session:
            next_page = page if after is None else page.where(tuple_(Song.position, Song.id) > after)
            rows = list(session.execute(next_page).all())
        if not rows:
            return
        yield rows
        after = rows[-1][-2], rows[-1][-1]


def executed(session: Session, statement: Any, rows: list[dict[str, Any]]) -> int:
    """Run a statement once for each row of values; returns how many rows of the table it met, where it can be told."""
    if not rows:
        return 0
    result = session.connection().execute(statement, rows)
    return result.rowcount if isinstance(result, CursorResult) else 0


def _has_words(attempt: Attempt) -> Iterable[Any]:
    return Song.dataset_id == attempt.dataset_id, Song.original.is_not(None)


def _comparable(attempt: Attempt) -> Iterable[Any]:
    return (
        Song.dataset_id == attempt.dataset_id,
        Song.is_dropped.is_(False),
        Song.state.in_((SongState.FOUND, SongState.CHECK)),
        Song.text.is_not(None),
    )


def _texts(attempt: Attempt) -> Iterator[tuple[str, str]]:
    """Ids and words in the order of preference."""
    doubt = case((Song.state == SongState.CHECK, 2), (Song.rights == Rights.UNKNOWN, 1), else_=0)
    place = (doubt, Song.position, Song.id)
    query = select(Song.id, Song.text, *place[:2]).where(*_comparable(attempt)).order_by(*place).limit(PAGE)
    after: tuple[int, int, UUID] | None = None
    num_done = 0
    while True:
        attempt.check()
        with attempt.session() as session:
            rows = session.execute(query if after is None else query.where(tuple_(*place) > after)).all()
        for song_id, text, *_ in rows:
            yield str(song_id), text or ""
        if not rows:
            return
        song_id, _, *order = rows[-1]
        after = (order[0], order[1], song_id)
        num_done += len(rows)
        attempt.report(done=num_done)
