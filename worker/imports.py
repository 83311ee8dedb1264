"""The job that brings songs in: a list of tracks or a playlist to be looked for, a file, or pasted words.

Whatever was written stays written. A new attempt goes on from there: a settled song is not asked for again, and a song
that came in does not come in twice. What reads, matches and cleans is the corpus; here is what becomes of it in rows.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.bucket import BucketAway, NoSuchKey, open_bucket
from contracts.seal import Seal, Unreadable
from contracts.settings import Settings
from corpus.pipeline import Step, Wanted, settle
from corpus.song import Draft, Track
from corpus.sources import Finding, Limited, LyricSource, SourceError, State
from corpus.sources.shelf import lyric_sources
from corpus.sources.spotify import Spotify
from corpus.sources.spotify_account import SpotifyAccounts
from corpus.uploads import read_upload
from models import Dataset, Job, Lookup, Song, SongState
from models.spotify import access_token
from worker.intake import (
    CHUNK_SONGS,
    answer_columns,
    key_of,
    new_row,
    next_position,
    plain,
    room_left,
    settle_rows,
    settled_columns,
    take_in,
    words_of_full,
)
from worker.jobs import Attempt, Failed
from worker.tidying import COMPARING, compare, rules_off, touch

LISTING, LOOKING = "listing", "looking"
YOURS = "yours"
"""The source of words that the user brought into another dataset."""
OWN_SOURCES = ("upload", "paste", YOURS)
SPOTIFY_LINK = "spotify-link"
"""What the tokens of linked accounts are sealed for."""
NO_KEPT = timedelta(days=7)
"""A source that did not have a song may have it later."""
MAX_WAITS = 8
"""In a row without a song settled in between: some 15 minutes by the sources' own doubling."""
MAX_WAIT_S = 3600.0
"""Whoever wants to be left alone for longer is asked again when the owner asks."""
AWAY_S = 15.0


def bring_in(attempt: Attempt) -> None:
    """The job. `request` is as `app.dataset` asks it."""
    off = rules_off(attempt)
    request = attempt.request
    match request.get("kind"):
        case "tracks" | "playlist":
            keys = _listed(attempt, _tracks(attempt))
            _look_for(attempt, keys, off)
        case "upload":
            if attempt.stage == COMPARING:  # read by an attempt before this one; what is done then are copies
                done = int(attempt.counts.get("found", 0)) + int(attempt.counts.get("again", 0))
                attempt.report(done=done, total=None)
            else:
                with _fetched(attempt) as file:
                    take_in(attempt, read_upload(str(request["name"]), Path(file.name)), "upload", off)
        case "paste":
            draft = Draft(str(request["artist"]), str(request["title"]), str(request["text"]), source="")
            take_in(attempt, [draft], "paste", off)
        case other:
            raise Failed(f"This server does not know how to import {other!r}.")
    done, total = attempt.num_done, attempt.num_total
    attempt.report(stage=COMPARING)
    attempt.flush()
    compare(attempt)
    attempt.report(done=done, total=total)
    if request.get("kind") == "upload":
        _bucket(attempt.settings).delete(str(request["key"]))  # its songs are rows now


# --- tracks ----------------------------------------------------------------------------------------------------------


def _tracks(attempt: Attempt) -> list[Track]:
    """What is to be looked for. A playlist is read once: its list goes into the request."""
    if "tracks" not in attempt.request:
        attempt.report(stage=LISTING)
        tracks = [
            {"artist": plain(track.artist), "title": plain(track.title), "duration_s": track.duration_s}
            for track in _of_playlist(attempt)
        ]
        attempt.request["tracks"] = tracks
        with attempt.session() as session:
            session.execute(update(Job).where(Job.id == attempt.job_id).values(request=attempt.request))
    return [Track(**track) for track in attempt.request["tracks"]]


def _of_playlist(attempt: Attempt) -> list[Track]:
    settings = attempt.settings
    try:
        with attempt.session() as session:
            token = access_token(
                session,
                attempt.user_id,
                Seal.of(settings, SPOTIFY_LINK),
                SpotifyAccounts.of(settings).refresh,
            )
        if token is None:
            raise Failed("Your Spotify account is linked no more. Link it again, then import the playlist once more.")
        return list(Spotify(token, settings.spotify_api_url).tracks(str(attempt.request["playlist_id"])))
    except Unreadable:
        raise Failed("The link to your Spotify account can be read no more. Link it again.") from None
    except Limited as limit:
        attempt.later(max(1.0, limit.retry_after_s), limit.message)
    except SourceError as error:
        raise Failed(error.message) from None


def _listed(attempt: Attempt, tracks: Iterable[Track]) -> set[str]:
    """Have a row for each track, all of them at once and in their order; returns their keys."""
    wanted: dict[str, Track] = {}
    for track in tracks:
        wanted.setdefault(key_of(track.artist, track.title), track)
    with attempt.session() as session:
        there = set(
            session.scalars(
                select(Song.track_key).where(Song.dataset_id == attempt.dataset_id, Song.track_key.in_(wanted))
            )
        )
        room = room_left(session, attempt)
        fresh = [(name, track) for name, track in wanted.items() if name not in there]
        start = next_position(session, attempt)
        rows = [
            new_row(attempt, name, start + at, track.artist, track.title) | {"duration_s": track.duration_s}
            for at, (name, track) in enumerate(fresh[:room])
        ]
        if rows:
            session.execute(insert(Song).on_conflict_do_nothing(), rows)
            touch(session, attempt)
    if fresh[room:]:
        attempt.report(line=words_of_full(len(fresh) - len(rows)))
    return set(wanted)


def _look_for(attempt: Attempt, keys: set[str], off: frozenset[str]) -> None:
    """Settle what is not settled yet, song by song."""
    with attempt.session() as session:
        songs = session.execute(
            select(Song.id, Song.track_key, Song.artist, Song.title, Song.duration_s, Song.state)
            .where(Song.dataset_id == attempt.dataset_id)
            .order_by(Song.position)
        ).all()
        asked_at = session.execute(select(Job.created_at).where(Job.id == attempt.job_id)).scalar_one()
    songs = [song for song in songs if song.track_key in keys]
    settled = Counter(song.state.value for song in songs if song.state.is_settled)
    open_songs = [
        _Open(song.id, song.track_key, Track(song.artist, song.title, song.duration_s))
        for song in songs
        if not song.state.is_settled
    ]
    attempt.report(stage=LOOKING, done=settled.total(), total=len(songs), counts=dict(settled))
    sources = sources_of(attempt.settings)
    gives_up = False
    while open_songs:
        before = settled.total()
        by_id = {song.id: song for song in open_songs}
        try:
            for steps in settle(_wanted(attempt, open_songs, asked_at), sources, gives_up=gives_up):
                attempt.check()
                if steps:
                    settled += _written(attempt, by_id, steps, off)
                    attempt.report(done=settled.total(), counts=dict(settled))
            return
        except Limited as limit:
            waits = 1 if settled.total() > before else int(attempt.counts.get("waits", 0)) + 1
            attempt.report(counts={"waits": waits})
            if waits < MAX_WAITS and limit.retry_after_s <= MAX_WAIT_S:
                attempt.later(max(1.0, limit.retry_after_s), limit.message)
            attempt.report(line=f"{limit.message} We leave what is left for later: it is marked as blocked.")
            gives_up = True
            open_songs = _still_open(attempt, open_songs)


class _Open(NamedTuple):
    """A song that is not settled."""

    id: UUID
    track_key: str
    track: Track


def _still_open(attempt: Attempt, songs: list[_Open]) -> list[_Open]:
    with attempt.session() as session:
        still = set(
            session.scalars(
                select(Song.id).where(Song.dataset_id == attempt.dataset_id, Song.state == SongState.WANTED)
            )
        )
    return [song for song in songs if song.id in still]


def _wanted(attempt: Attempt, songs: list[_Open], asked_at: datetime) -> Iterator[Wanted]:
    """The songs with what is known of them, looked up by the hundred."""
    for start in range(0, len(songs), CHUNK_SONGS):
        attempt.check()
        chunk = songs[start : start + CHUNK_SONGS]
        names = [song.track_key for song in chunk]
        with attempt.session() as session:
            known = _known(session, attempt.user_id, names, asked_at)
        for song in chunk:
            yield Wanted(song.id, song.track, known.get(song.track_key, {}))


def _known(
    session: Session, user_id: UUID, names: list[str], asked_at: datetime
) -> Mapping[str, Mapping[str, Finding]]:
    """Findings by track and source: the user's own words, and what sources have said before."""
    known: dict[str, dict[str, Finding]] = {name: {} for name in names}
    own = session.execute(
        select(Song, Dataset.name)
        .join(Dataset)
        .where(
            Dataset.user_id == user_id,
            Dataset.deleted_at.is_(None),
            Song.track_key.in_(names),
            Song.source.in_(OWN_SOURCES),
            Song.state == SongState.FOUND,
            Song.is_dropped.is_(False),
            Song.original.is_not(None),
        )
        .order_by(Song.id)
    ).all()
    for song, dataset in own:
        why = f"Your own words, from “{dataset}”."
        finding = Finding("found", song.original or "", song.artist, song.title, song.url, why, 1.0)
        known[song.track_key][YOURS] = finding
    answers = session.scalars(select(Lookup).where(Lookup.user_id == user_id, Lookup.track_key.in_(names)))
    no_longer = datetime.now(UTC) - NO_KEPT
    for answer in answers:
        # This job has asked already, in another attempt; or the answer is one that lasts.
        lasts = answer.state is not SongState.BLOCKED and (
            answer.state is not SongState.NOT_FOUND or answer.fetched_at > no_longer
        )
        if lasts or answer.fetched_at >= asked_at:
            known[answer.track_key][answer.source] = Finding(
                cast("State", answer.state.value),
                answer.text,
                answer.artist,
                answer.title,
                answer.url,
                answer.why,
                answer.score or 0.0,
            )
    return known


def _written(attempt: Attempt, songs: Mapping[UUID, _Open], steps: list[Step], off: frozenset[str]) -> Counter[str]:
    """Write down what was answered and what is settled by it; returns how many songs were settled, by state."""
    lookups = [
        {
            "user_id": attempt.user_id,
            "source": answer.source,
            "track_key": songs[step.id].track_key,
            "fetched_at": func.clock_timestamp(),
            **answer_columns(answer),
        }
        for step in steps
        for answer in step.answers
    ]
    settled = [settled_columns(step.id, step.settled, off) for step in steps if step.settled is not None]
    with attempt.session() as session:
        if lookups:
            statement = insert(Lookup).values(lookups)
            renewed = {
                name: statement.excluded[name]
                for name in ("state", "text", "artist", "title", "url", "why", "score", "fetched_at")
            }
            session.execute(statement.on_conflict_do_update(index_elements=_LOOKUP_KEY, set_=renewed))
        settle_rows(session, attempt, settled, Song.state == SongState.WANTED)
        touch(session, attempt)
    return Counter(SongState(row["state"]).value for row in settled)


_LOOKUP_KEY = ["user_id", "source", "track_key"]


@lru_cache(maxsize=1)
def sources_of(settings: Settings) -> list[LyricSource]:
    """The sources of this process: all its jobs share their connections, their pace and their patience."""
    return lyric_sources(settings)


def _fetched(attempt: Attempt) -> Any:
    """The uploaded file on this machine, for as long as it is open."""
    name = str(attempt.request["name"])
    file = tempfile.NamedTemporaryFile(suffix=PurePosixPath(name).suffix)  # noqa: SIM115 - the caller closes it
    try:
        _bucket(attempt.settings).download(str(attempt.request["key"]), Path(file.name))
    except NoSuchKey:
        file.close()
        raise Failed(f"{name} is here no more. Upload it again.") from None
    except BucketAway:
        file.close()
        attempt.later(AWAY_S, "The files of this server are out of reach just now. We go on by ourselves.")
    return file


def _bucket(settings: Settings) -> Any:
    return open_bucket(settings.bucket, emulator_host=settings.storage_emulator_host)
