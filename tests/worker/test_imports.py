"""Imports by real workers from the stand-ins: every song is settled once, whatever happens to the worker."""

from __future__ import annotations

import json
import signal
import time
import zipfile
from collections import Counter
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from bench.kills import kill_often, repeated
from contracts.seal import Seal
from corpus.pipeline import NUM_THREADS
from models import Dataset, Job, JobState, Lookup, Rights, Song, SongState, SpotifyLink
from models.spotify import store_token
from sandbox.standins import spotify
from sandbox.standins.desk import Desk
from sandbox.standins.server import Addresses
from sandbox.standins.songs import CATALOGUE
from tests.worker.benches import FIRST, SECOND, THIRD, Bench, tracks_of
from tests.worker.workers import Worker, look, new_user, wait_until
from worker.imports import SPOTIFY_LINK


@pytest.fixture
def alice(engine: Engine) -> UUID:
    return new_user(engine, "alice")


def content(songs: list[Song]) -> list[tuple[object, ...]]:
    """What must be the same however often the work broke off."""
    return [
        (s.position, s.track_key, s.state, s.source, s.url, s.score, s.why, s.original, s.text, s.language)
        for s in songs
    ]


def test_it_works(bench: Bench, alice: UUID, desk: Desk) -> None:
    dataset_id = bench.dataset(alice)
    job = bench.do(dataset_id, "import", kind="tracks", tracks=tracks_of(range(60)))
    assert (job.state, job.error) == (JobState.DONE, None)
    songs = bench.songs(dataset_id)
    assert [song.position for song in songs] == list(range(60))
    assert all(song.state.is_settled for song in songs)
    states = Counter(song.state.value for song in songs)
    assert states["found"] >= 50
    assert {name: job.counts[name] for name in states} == states
    assert {song.source for song in songs if song.text} == {"Genius", "LRCLIB"}
    for song in songs:
        assert bool(song.text) == (song.state in (SongState.FOUND, SongState.CHECK))
        assert "Contributors" not in (song.text or "")
    assert {song.rights for song in songs} == {Rights.UNKNOWN}


def test_a_track_that_stands_in_a_list_twice_is_one_song(bench: Bench, alice: UUID) -> None:
    dataset_id = bench.dataset(alice)
    tracks = tracks_of(range(4))
    job = bench.do(dataset_id, "import", kind="tracks", tracks=[*tracks, *tracks])
    assert (len(bench.songs(dataset_id)), job.num_total) == (4, 4)


def test_a_list_that_is_imported_again_asks_nobody(bench: Bench, alice: UUID, desk: Desk) -> None:
    first, second = bench.dataset(alice, "one"), bench.dataset(alice, "two")
    tracks = [t for t, s in zip(tracks_of(range(40)), CATALOGUE.songs, strict=False) if not s.is_challenged]
    bench.do(first, "import", kind="tracks", tracks=tracks)
    desk.calls.clear()
    job = bench.do(second, "import", kind="tracks", tracks=tracks)
    assert not desk.calls
    assert job.state is JobState.DONE
    assert content(bench.songs(first)) == content(bench.songs(second))


def test_what_another_person_has_looked_up_is_not_shared(bench: Bench, engine: Engine, alice: UUID, desk: Desk) -> None:
    tracks = tracks_of(range(3))
    bench.do(bench.dataset(alice), "import", kind="tracks", tracks=tracks)
    desk.calls.clear()
    bench.do(bench.dataset(new_user(engine, "bob")), "import", kind="tracks", tracks=tracks)
    assert desk.calls


def test_ones_own_words_come_before_any_source(bench: Bench, alice: UUID, desk: Desk) -> None:
    mine, wanted = bench.dataset(alice, "My songs"), bench.dataset(alice)
    bench.do(mine, "import", kind="paste", artist="The Coats", title="Bread", text=SECOND)
    job = bench.do(
        wanted, "import", kind="tracks", tracks=[{"artist": "Coats", "title": "Bread (Live)", "duration_s": None}]
    )
    assert not desk.calls
    [song] = bench.songs(wanted)
    assert (song.state, song.source, song.text) == (SongState.FOUND, "yours", SECOND.strip())
    assert "My songs" in song.why
    assert job.state is JobState.DONE


def test_a_refusal_blocks_the_song_and_is_asked_again_by_the_next_import(
    bench: Bench, engine: Engine, alice: UUID, desk: Desk
) -> None:
    number = next(n for n, s in enumerate(CATALOGUE.songs) if s.is_challenged and not s.on_lrclib)
    dataset_id = bench.dataset(alice)
    tracks = tracks_of(range(number, number + 1))
    bench.do(dataset_id, "import", kind="tracks", tracks=tracks)
    [song] = bench.songs(dataset_id)
    assert song.state is SongState.BLOCKED
    desk.calls.clear()
    with Session(engine) as session, session.begin():
        session.execute(update(Song).values(state=SongState.WANTED))
    bench.do(dataset_id, "import", kind="tracks", tracks=tracks)
    assert [call for call in desk.calls if call.service == "genius"]
    assert bench.songs(dataset_id)[0].state is SongState.BLOCKED


def link(bench: Bench, engine: Engine, owner: UUID) -> None:
    """Link the stand-in's account, with a token that is good for an hour."""
    token = {"access_token": spotify.access_token(), "expires_at": time.time() + 3600, "scope": ""}
    with Session(engine) as session, session.begin():
        row = SpotifyLink(user_id=owner, spotify_user_id="sandbox-bea")
        store_token(row, Seal.of(bench.settings, SPOTIFY_LINK), token)
        session.add(row)


def test_a_playlist_is_read_once_and_its_songs_are_looked_for(
    bench: Bench, engine: Engine, alice: UUID, desk: Desk
) -> None:
    link(bench, engine, alice)
    dataset_id = bench.dataset(alice)
    desk.turn({"lrclib": {"status": 429, "retry_after_s": 30}})
    job = bench.do(dataset_id, "import", kind="playlist", playlist_id=spotify.HUNDRED, name="Hundred")
    assert job.state is JobState.WAITING
    assert [call.what.split("?")[0] for call in desk.calls if call.service == "spotify"] == [
        f"/api/v1/playlists/{spotify.HUNDRED}/items"
    ] * 2
    desk.turn({"lrclib": {"status": 0}})
    desk.calls.clear()
    with Session(engine) as session, session.begin():
        session.execute(update(Job).values(run_after=None))
    bench.jobs.work(job.id)
    assert "spotify" not in {call.service for call in desk.calls}
    job = look(engine, job.id)
    songs = bench.songs(dataset_id)
    assert (job.state, job.num_done, job.num_total) == (JobState.DONE, len(songs), len(songs))
    assert len(songs) >= 95
    assert all(song.state.is_settled for song in songs)


@pytest.mark.parametrize(
    ("playlist", "words"), [(spotify.FOREIGN, "belongs to somebody else"), (spotify.EMPTY, "is empty")]
)
def test_a_playlist_that_gives_nothing_fails_with_the_reason(
    bench: Bench, engine: Engine, alice: UUID, playlist: str, words: str
) -> None:
    link(bench, engine, alice)
    job = bench.do(bench.dataset(alice), "import", kind="playlist", playlist_id=playlist, name="It")
    assert job.state is JobState.FAILED
    assert words in (job.error or "")


def test_a_playlist_without_a_linked_account_fails_with_the_reason(bench: Bench, alice: UUID) -> None:
    job = bench.do(bench.dataset(alice), "import", kind="playlist", playlist_id=spotify.HUNDRED, name="It")
    assert (job.state, "Link it again" in (job.error or "")) == (JobState.FAILED, True)


def test_a_source_that_wants_rest_reschedules_the_job_and_keeps_what_others_said(
    bench: Bench, engine: Engine, alice: UUID, desk: Desk
) -> None:
    dataset_id = bench.dataset(alice)
    desk.turn({"lrclib": {"status": 429, "retry_after_s": 30}})
    job_id = bench.ask(dataset_id, "import", kind="tracks", tracks=tracks_of(range(40)))
    due = bench.jobs.work(job_id)
    job = look(engine, job_id)
    assert job.state is JobState.WAITING
    assert job.run_after == due
    assert "LRCLIB asks us to go slower" in job.log[-1]["words"]
    songs = bench.songs(dataset_id)
    waiting = [song for song in songs if not song.state.is_settled]
    assert 0 < len(waiting) < 20, "what Genius has does not wait for LRCLIB"
    desk.turn({"lrclib": {"status": 0}})
    desk.calls.clear()
    with Session(engine) as session, session.begin():
        session.execute(update(Job).values(run_after=None))
    bench.jobs.work(job_id)
    assert look(engine, job_id).state is JobState.DONE
    assert all(song.state.is_settled for song in bench.songs(dataset_id))
    assert {call.service for call in desk.calls} == {"lrclib"}, "what Genius said is remembered"


def test_a_source_that_stays_away_ends_in_blocked_songs_and_not_in_waiting_for_ever(
    bench: Bench, engine: Engine, alice: UUID, desk: Desk
) -> None:
    dataset_id = bench.dataset(alice)
    desk.turn({"genius": {"status": 503}, "lrclib": {"status": 429, "retry_after_s": 90_000}})
    job = bench.do(dataset_id, "import", kind="tracks", tracks=tracks_of(range(5)))
    for _ in range(20):
        if job.state is not JobState.WAITING:
            break
        with Session(engine) as session, session.begin():
            session.execute(update(Job).values(run_after=None))
        bench.jobs.work(job.id)
        job = look(engine, job.id)
    assert job.state is JobState.DONE
    assert {song.state for song in bench.songs(dataset_id)} <= {SongState.BLOCKED, SongState.INSTRUMENTAL}
    assert any("blocked" in line["words"] for line in job.log)


def test_a_worker_that_is_killed_thrice_leaves_what_an_undisturbed_one_leaves(
    bench: Bench, engine: Engine, database_url: str, addresses: Addresses, alice: UUID, desk: Desk
) -> None:
    tracks = tracks_of(range(120))
    undisturbed = bench.dataset(new_user(engine, "bob"))
    bench.do(undisturbed, "import", kind="tracks", tracks=tracks)
    num_calls = len(desk.calls)
    desk.calls.clear()
    desk.turn({"genius": {"latency_ms": 15.0}})
    dataset_id = bench.dataset(alice)
    job_id = bench.ask(dataset_id, "import", kind="tracks", tracks=tracks)
    moments = kill_often(
        engine,
        job_id,
        lambda: Worker(database_url, bench.home, outside=addresses.environment),
        lambda: len(desk.calls),
        num_kills=3,
        seed=4,
    )
    job = look(engine, job_id)
    assert (job.state, job.num_done, job.num_total) == (JobState.DONE, 120, 120)
    assert all(moment.num_settled > 0 for moment in moments)
    assert content(bench.songs(dataset_id)) == content(bench.songs(undisturbed))
    # A song that was being asked for when the worker died is not settled, and is asked for again; no other is.
    calls = [(call.service, call.what) for call in desk.calls]
    assert repeated(calls, moments) == []
    assert repeated(calls, [moments[-1]._replace(num_calls=0)]), "what was asked for is told apart in the log"
    assert len(desk.calls) - num_calls <= 3 * 2 * NUM_THREADS


def test_a_paused_worker_that_wakes_up_late_changes_nothing(
    bench: Bench, engine: Engine, database_url: str, addresses: Addresses, alice: UUID, desk: Desk
) -> None:
    desk.turn({"genius": {"latency_ms": 30.0}})
    dataset_id = bench.dataset(alice)
    job_id = bench.ask(dataset_id, "import", kind="tracks", tracks=tracks_of(range(80)))
    sleeper = Worker(database_url, bench.home, outside=addresses.environment)
    other = None
    try:
        wait_until(engine, job_id, lambda job: job.num_done >= 10)
        sleeper.send(signal.SIGSTOP)
        other = Worker(database_url, bench.home, outside=addresses.environment)
        wait_until(engine, job_id, lambda job: job.state.is_over, within_s=60)
        before = content(bench.songs(dataset_id))
        sleeper.send(signal.SIGCONT)
        sleeper.terminate()
        assert content(bench.songs(dataset_id)) == before
        assert look(engine, job_id).state is JobState.DONE
    finally:
        sleeper.kill()
        if other:
            other.kill()


def test_uploads_come_in_once_and_what_cannot_be_read_is_told(bench: Bench, alice: UUID, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "songs.zip", "w") as archive:
        archive.writestr("The Boats - Low Tide.txt", FIRST)
        archive.writestr("The Coats - Bread.txt", SECOND)
        archive.writestr("<script>alert(1)</script>.txt", THIRD)
        archive.writestr("picture.png", b"\x89PNG")
    content = (tmp_path / "songs.zip").read_bytes()
    dataset_id = bench.dataset(alice)
    job = bench.upload(dataset_id, "songs.zip", content)
    assert (job.state, job.counts["found"], job.counts["problems"]) == (JobState.DONE, 3, 1)
    assert "picture.png" in job.log[0]["words"]
    songs = bench.songs(dataset_id)
    assert [(s.artist, s.title, s.state, s.source) for s in songs[:2]] == [
        ("The Boats", "Low Tide", SongState.FOUND, "upload"),
        ("The Coats", "Bread", SongState.FOUND, "upload"),
    ]
    assert "songs.zip" in songs[0].why
    assert not list(bench.bucket.keys("uploads/")), "what was read is rows now"
    again = bench.upload(dataset_id, "songs.zip", content)
    assert (again.counts["found"], again.counts["again"]) == (0, 3)
    assert len(bench.songs(dataset_id)) == 3


def test_two_songs_of_one_name_are_both_kept(bench: Bench, alice: UUID) -> None:
    lines = [{"artist": "Ada", "title": "Song", "text": words} for words in (FIRST * 2, SECOND * 2, FIRST * 2)]
    dataset_id = bench.dataset(alice)
    bench.upload(dataset_id, "songs.jsonl", "\n".join(map(json.dumps, lines)).encode())
    assert len(bench.songs(dataset_id)) == 2


def test_an_upload_gives_a_song_of_the_list_the_words_that_nobody_had(bench: Bench, alice: UUID) -> None:
    dataset_id = bench.dataset(alice)
    bench.do(
        dataset_id, "import", kind="tracks", tracks=[{"artist": "The Nobodies", "title": "Unheard", "duration_s": None}]
    )
    assert bench.songs(dataset_id)[0].state is SongState.NOT_FOUND
    bench.upload(dataset_id, "The Nobodies - Unheard.txt", THIRD.encode())
    [song] = bench.songs(dataset_id)
    assert (song.state, song.source, song.text) == (SongState.FOUND, "upload", THIRD.strip())


def test_a_right_that_was_stated_before_the_words_came_is_none_of_theirs(bench: Bench, alice: UUID) -> None:
    dataset_id = bench.dataset(alice)
    nobody = [{"artist": "The Nobodies", "title": "Unheard", "duration_s": None}]
    bench.do(dataset_id, "import", kind="tracks", tracks=nobody)
    bench.state_rights(dataset_id)
    bench.upload(dataset_id, "The Nobodies - Unheard.txt", THIRD.encode())
    assert [song.rights for song in bench.songs(dataset_id)] == [Rights.UNKNOWN]


def test_a_file_without_a_single_song_fails_with_the_reason(bench: Bench, alice: UUID) -> None:
    job = bench.upload(bench.dataset(alice), "noise.txt", bytes(range(256)) * 50)
    assert job.state is JobState.FAILED
    assert "log" in (job.error or "")
    assert "noise.txt" in job.log[0]["words"]


def test_no_more_songs_come_in_than_the_dataset_may_hold(bench: Bench, alice: UUID) -> None:
    dataset_id = bench.dataset(alice)
    job = bench.do(dataset_id, "import", kind="tracks", tracks=tracks_of(range(6)), max_songs=4)
    assert len(bench.songs(dataset_id)) == 4
    assert "2 songs were left out" in job.log[0]["words"]
    assert job.num_total == 4


def test_zero_bytes_and_broken_letters_do_not_break_an_import(bench: Bench, alice: UUID) -> None:
    line = '{"artist": "A\\u0000da", "title": "So\\ud800ng", "text": "one\\u0000 line\\nand two \\udfff lines of it"}'
    dataset_id = bench.dataset(alice)
    job = bench.upload(dataset_id, "songs.jsonl", line.encode())
    assert (job.state, len(bench.songs(dataset_id))) == (JobState.DONE, 1), job.log


def test_copies_are_marked_and_the_one_with_a_right_is_kept(bench: Bench, engine: Engine, alice: UUID) -> None:
    dataset_id = bench.dataset(alice)
    words = FIRST + SECOND + THIRD
    for title, text in [("One", words), ("Two", words.upper()), ("Three", words + "and so we end"), ("Four", THIRD)]:
        bench.do(dataset_id, "import", kind="paste", artist="", title=title, text=text)
    one, two, three, four = bench.songs(dataset_id)
    assert [s.duplicate_of for s in (one, two, three, four)] == [None, one.id, one.id, None]
    with Session(engine) as session, session.begin():
        session.execute(update(Song).where(Song.id == three.id).values(rights=Rights.MINE))
        session.execute(update(Song).where(Song.id == two.id).values(is_dropped=True))
    bench.do(dataset_id, "tidy")
    assert [s.duplicate_of for s in bench.songs(dataset_id)] == [three.id, None, None, None]


def test_tidying_follows_the_rules_and_leaves_the_words_as_they_came(bench: Bench, engine: Engine, alice: UUID) -> None:
    dataset_id = bench.dataset(alice)
    noise = "3 ContributorsLow Tide Lyrics[Verse 1: Ada]\n" + FIRST.strip() + "12Embed"
    bench.do(dataset_id, "import", kind="paste", artist="Ada", title="Low Tide", text=noise)
    [song] = bench.songs(dataset_id)
    assert song.original == noise
    assert "Embed" not in (song.text or "")
    assert (song.language, song.is_explicit) == ("en", False)
    with Session(engine) as session, session.begin():
        session.execute(update(Dataset).values(rules_off=["embed"]))
    job = bench.do(dataset_id, "tidy")
    [changed] = bench.songs(dataset_id)
    assert job.state is JobState.DONE
    assert (changed.text or "").endswith("12Embed")
    assert changed.original == noise
    assert changed.content_sha != song.content_sha


def test_work_on_a_deleted_dataset_ends(bench: Bench, engine: Engine, alice: UUID, desk: Desk) -> None:
    dataset_id = bench.dataset(alice)
    with Session(engine) as session, session.begin():
        session.execute(update(Dataset).values(deleted_at=Dataset.created_at))
    job = bench.do(dataset_id, "import", kind="tracks", tracks=tracks_of(range(3)))
    assert (job.state, job.error) == (JobState.FAILED, "The dataset was deleted.")
    assert not desk.calls


def test_lookups_are_kept_for_each_source(bench: Bench, engine: Engine, alice: UUID) -> None:
    bench.do(bench.dataset(alice), "import", kind="tracks", tracks=tracks_of(range(20)))
    with Session(engine) as session:
        lookups = session.scalars(select(Lookup)).all()
    assert {lookup.source for lookup in lookups} == {"Genius", "LRCLIB"}
    assert len({(lookup.source, lookup.track_key) for lookup in lookups}) == len(lookups)
