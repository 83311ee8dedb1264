"""Genius through the real lyricsgenius: what it finds, what it must not take, and how it bears refusals."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest

from corpus.song import Track
from corpus.sources import Limited
from corpus.sources.genius import Genius
from sandbox.ports import free_port
from sandbox.standins.songs import CATALOGUE, Song
from tests.corpus.conftest import StandIns


@pytest.fixture
def genius(standins: StandIns) -> Genius:
    settings = standins.settings
    return Genius(settings.genius_key, settings.genius_api_url, settings.genius_web_url)


def first(is_it: Callable[[Song], bool]) -> Song:
    return next(song for song in CATALOGUE.songs if is_it(song))


def is_plain(song: Song) -> bool:
    return song.on_genius and song.is_complete and not song.is_challenged and not song.is_instrumental


def has_words_of(text: str, song: Song) -> bool:
    lines = [line for line in song.text.splitlines() if line]
    return all(line in text for line in lines)


PLAIN = first(is_plain)


def test_it_works(genius: Genius, standins: StandIns) -> None:
    finding = genius.find(Track(PLAIN.artist, f"{PLAIN.title} - Remastered 2011", PLAIN.duration_s))
    assert (finding.state, finding.artist, finding.title) == ("found", PLAIN.artist, PLAIN.title)
    assert finding.why == "“Remastered 2011” was left out."
    assert has_words_of(finding.text, PLAIN)
    assert "Contributors" not in finding.text
    assert finding.url == f"{standins.settings.genius_web_url}{PLAIN.path}"
    assert [call.status for call in standins.calls("genius")] == [200, 200]


def test_a_page_behind_a_challenge_is_blocked_and_not_missing(genius: Genius) -> None:
    song = first(lambda song: song.on_genius and song.is_challenged and not song.is_instrumental)
    finding = genius.find(Track(song.artist, song.title))
    assert finding.state == "blocked"
    assert "no robot" in finding.why


@pytest.mark.parametrize(("status", "says"), [(403, "no robot"), (401, "GENIUS_TOKEN")])
def test_a_refused_search_is_blocked(genius: Genius, standins: StandIns, status: int, says: str) -> None:
    standins.turn("genius", status=status)
    finding = genius.find(Track(PLAIN.artist, PLAIN.title))
    assert finding.state == "blocked"
    assert says in finding.why


def test_a_limit_is_told_and_not_slept_off(genius: Genius, standins: StandIns) -> None:
    standins.turn("genius", status=429, retry_after_s=40)
    started = monotonic()
    with pytest.raises(Limited) as limited:
        genius.find(Track(PLAIN.artist, PLAIN.title))
    assert limited.value.retry_after_s == 40
    assert "40 s" in limited.value.message
    assert monotonic() - started < 5
    assert len(standins.calls("genius")) == 1


def test_a_limit_between_search_and_page_is_told(genius: Genius, standins: StandIns) -> None:
    standins.turn("genius", rate_per_s=0.1)
    with pytest.raises(Limited):
        genius.find(Track(PLAIN.artist, PLAIN.title))
    assert [call.status for call in standins.calls("genius")] == [200, 429]


@pytest.mark.parametrize("status", [500, 503, 200])
def test_an_answer_that_is_none_is_waited_out(genius: Genius, standins: StandIns, status: int) -> None:
    standins.turn("genius", status=status)  # 200 is a page that is no JSON
    with pytest.raises(Limited) as limited:
        genius.find(Track(PLAIN.artist, PLAIN.title))
    assert limited.value.retry_after_s == pytest.approx(5, abs=0.5)


def test_nobody_there_is_waited_out() -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Limited):
        Genius("token", nobody, nobody).find(Track(PLAIN.artist, PLAIN.title))


def test_one_that_is_too_slow_is_waited_out(standins: StandIns) -> None:
    standins.turn("genius", latency_ms=400)
    settings = standins.settings
    with pytest.raises(Limited):
        Genius("token", settings.genius_api_url, settings.genius_web_url, timeout_s=0.1).find(
            Track(PLAIN.artist, PLAIN.title)
        )


def test_an_instrumental_is_one(genius: Genius) -> None:
    song = first(lambda song: song.on_genius and song.is_instrumental and not song.is_challenged and song.is_complete)
    assert genius.find(Track(song.artist, song.title)).state == "instrumental"


def test_a_title_that_says_instrumental_asks_nobody(genius: Genius, standins: StandIns) -> None:
    assert genius.find(Track(PLAIN.artist, f"{PLAIN.title} - Instrumental")).state == "instrumental"
    assert standins.calls("genius") == []


def test_a_song_without_all_its_words_is_not_taken(genius: Genius) -> None:
    song = first(lambda song: song.on_genius and not song.is_complete and not song.is_instrumental)
    finding = genius.find(Track(song.artist, song.title))
    assert finding.state == "not_found"
    assert "all of its words" in finding.why


def test_a_song_that_is_not_there_is_not_another(genius: Genius) -> None:
    finding = genius.find(Track("Nobody Atall", "The Harbour Is a Kettle"))
    assert (finding.state, finding.text) == ("not_found", "")


def test_what_stands_beside_a_song_is_not_taken_for_it(genius: Genius) -> None:
    names = {decoy.title.split(" (")[0].removesuffix(", Pt. 2") for decoy in CATALOGUE.decoys}
    songs = [song for song in CATALOGUE.songs if is_plain(song) and song.title in names][:40]
    findings = [genius.find(Track(song.artist, song.title)) for song in songs]
    assert [finding.state for finding in findings] == ["found"] * 40
    assert all(has_words_of(finding.text, song) for finding, song in zip(findings, songs, strict=True))


def test_many_threads_ask_at_once(genius: Genius) -> None:
    songs = [song for song in CATALOGUE.songs if is_plain(song)][40:80]
    with ThreadPoolExecutor(8) as threads:
        findings = list(threads.map(lambda song: genius.find(Track(song.artist, song.title)), songs))
    assert all(has_words_of(finding.text, song) for finding, song in zip(findings, songs, strict=True))
