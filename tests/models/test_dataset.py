"""Datasets and songs in the database: what is unique, what goes with what, and what is stored as it came."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models import Dataset, DatasetVersion, Lookup, Rights, Song, SongState, SpotifyLink, User, VersionSong
from models.base import Base
from models.dataset import MAX_TRACK_KEY, track_key


@pytest.fixture
def dataset(session: Session) -> Dataset:
    user = User(email="alice@example.org")
    session.add(user)
    session.flush()
    dataset = Dataset(user_id=user.id, name="<b>harbour</b> songs")
    session.add(dataset)
    session.commit()
    return dataset


def add_song(session: Session, dataset: Dataset, position: int, **fields: object) -> Song:
    song = Song(dataset_id=dataset.id, position=position, track_key=f"the invented|{position}", **fields)
    session.add(song)
    session.commit()
    return song


def test_it_works(session: Session, dataset: Dataset) -> None:
    song = add_song(session, dataset, 0, artist="The Invented", title="Harbour lights")
    session.refresh(song)
    assert (song.state, song.rights, song.is_dropped, song.text) == (SongState.WANTED, Rights.UNKNOWN, False, None)
    assert not song.state.is_settled
    assert all(state.is_settled for state in SongState if state is not SongState.WANTED)
    assert dataset.rules_off == []


def test_a_song_comes_in_once(session: Session, dataset: Dataset) -> None:
    add_song(session, dataset, 0)
    with pytest.raises(IntegrityError, match="uq_song_dataset_id_track_key"):
        add_song(session, dataset, 0)


def test_keys_of_any_length_can_be_stored_and_told_apart(session: Session, dataset: Dataset) -> None:
    keys = {track_key("\N{OGHAM LETTER BEITH}" * 9_000, title) for title in ("a", "b", "c\0")}
    assert len(keys) == 3
    assert max(map(len, keys)) == MAX_TRACK_KEY
    session.add_all(Song(dataset_id=dataset.id, position=0, track_key=key) for key in keys)
    session.commit()
    assert set(session.scalars(select(Song.track_key))) == keys


def test_a_bar_in_a_name_does_not_make_two_tracks_one() -> None:
    assert track_key("a|b", "c") != track_key("a", "b|c")


def test_a_kept_song_may_go_before_its_duplicate(session: Session, dataset: Dataset) -> None:
    kept = add_song(session, dataset, 0)
    copy = add_song(session, dataset, 1, duplicate_of=kept.id)
    session.delete(kept)
    session.commit()
    session.refresh(copy)
    assert copy.duplicate_of is None


def test_everything_goes_with_its_owner(session: Session, dataset: Dataset) -> None:
    owner = dataset.user_id
    add_song(session, dataset, 0)
    version = DatasetVersion(dataset_id=dataset.id, number=1, content_sha256="0" * 64, manifest={})
    session.add(version)
    session.flush()
    session.add_all(
        [
            VersionSong(version_id=version.id, content_sha="1" * 64),
            Lookup(user_id=owner, source="genius", track_key="a|b", state=SongState.NOT_FOUND),
            SpotifyLink(user_id=owner, spotify_user_id="alice", token=b"\x00sealed", expires_at=func.now()),
        ]
    )
    session.commit()
    session.delete(session.get_one(User, owner))
    session.commit()
    left = {
        table.name: session.scalar(select(func.count()).select_from(table)) for table in Base.metadata.sorted_tables
    }
    assert left == dict.fromkeys(left, 0)


def test_versions_that_hold_a_text_are_found(session: Session, dataset: Dataset) -> None:
    def freeze(number: int, *texts: str) -> UUID:
        version = DatasetVersion(dataset_id=dataset.id, number=number, content_sha256=str(number), manifest={})
        session.add(version)
        session.flush()
        session.add_all(VersionSong(version_id=version.id, content_sha=sha) for sha in texts)
        session.commit()
        return version.id

    first, second, _ = freeze(1, "a", "b"), freeze(2, "b"), freeze(3, "c")
    holding = select(VersionSong.version_id).where(VersionSong.content_sha == "b")
    assert set(session.scalars(holding)) == {first, second}
    with pytest.raises(IntegrityError, match="uq_dataset_version_dataset_id_number"):
        freeze(2, "d")
