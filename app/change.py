"""What an owner did to a dataset and may undo: the state before is kept in the transaction of the act.

Knows columns and values, not what the acts mean.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from models import Dataset, DatasetChange, Song

MAX_KEPT = 200
"""Acts that can be undone, of one dataset; the oldest go first."""
_MOMENTS = {"rights_at"}
_IDS = {"rights_by", "duplicate_of"}

Values = Mapping[str, Any]


class Undone(NamedTuple):
    """An act that was undone: in words, and the names of what is as it was before."""

    words: str
    changed: frozenset[str]


def remember(
    session: Session,
    dataset: Dataset,
    words: str,
    songs: Iterable[tuple[UUID, Values]] = (),
    *,
    rules_off: list[str] | None = None,
    added: Iterable[UUID] = (),
) -> None:
    """Keep what there was before an act: columns of songs, the dataset's rules, and which songs the act brings in.

    Songs whose values are alike are kept together, so that an act on ten thousand takes little room.
    """
    groups: defaultdict[tuple[tuple[str, Any], ...], list[str]] = defaultdict(list)
    for song_id, values in songs:
        groups[tuple((name, _plain(value)) for name, value in values.items())].append(str(song_id))
    before: dict[str, Any] = {"songs": [{"values": dict(values), "ids": ids} for values, ids in groups.items()]}
    if rules_off is not None:
        before["rules_off"] = list(rules_off)
    if brought := [str(song_id) for song_id in added]:
        before["added"] = brought
    # Not the transaction's time: two acts in one transaction have an order too.
    session.add(DatasetChange(dataset_id=dataset.id, words=words, before=before, created_at=func.clock_timestamp()))
    session.flush()
    kept = (
        select(DatasetChange.id)
        .where(DatasetChange.dataset_id == dataset.id)
        .order_by(DatasetChange.created_at.desc())
        .limit(MAX_KEPT)
    )
    session.execute(
        delete(DatasetChange).where(DatasetChange.dataset_id == dataset.id, DatasetChange.id.not_in(kept)),
        execution_options={"synchronize_session": False},
    )


def next_undo(session: Session, dataset_ids: Sequence[UUID]) -> dict[UUID, str]:
    """What `undo` would undo in each of these datasets, in words; those where there is nothing are not named."""
    newest = session.execute(
        select(DatasetChange.dataset_id, DatasetChange.words)
        .where(DatasetChange.dataset_id.in_(dataset_ids), DatasetChange.undone_at.is_(None))
        .ext(distinct_on(DatasetChange.dataset_id))
        .order_by(DatasetChange.dataset_id, DatasetChange.created_at.desc(), DatasetChange.id)
    )
    return {row.dataset_id: row.words for row in newest}


def undo(session: Session, dataset: Dataset) -> Undone | None:
    """Put back what there was before the last act that was not undone; None when there was none.

    Hold the dataset's row, so that two do not undo one act after another where one was meant.
    """
    act = session.scalar(
        select(DatasetChange)
        .where(DatasetChange.dataset_id == dataset.id, DatasetChange.undone_at.is_(None))
        .order_by(DatasetChange.created_at.desc(), DatasetChange.id)
        .limit(1)
    )
    if act is None:
        return None
    act.undone_at = datetime.now(UTC)
    changed: set[str] = set()
    for group in act.before.get("songs", ()):
        values = {name: _typed(name, value) for name, value in group["values"].items()}
        _write(session, dataset.id, group["ids"], values)
        changed |= values.keys()
    if added := act.before.get("added"):
        _write(session, dataset.id, added, {"is_dropped": True})
        changed.add("is_dropped")
    if "rules_off" in act.before:
        dataset.rules_off = act.before["rules_off"]
        changed.add("rules_off")
    return Undone(act.words, frozenset(changed))


def _write(session: Session, dataset_id: UUID, ids: Iterable[str], values: dict[str, Any]) -> None:
    wanted = [UUID(song_id) for song_id in ids]
    if wanted:
        session.execute(
            update(Song).where(Song.dataset_id == dataset_id, Song.id.in_(wanted)).values(**values),
            execution_options={"synchronize_session": "fetch"},
        )


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _typed(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _MOMENTS:
        return datetime.fromisoformat(value)
    return UUID(value) if name in _IDS else value
