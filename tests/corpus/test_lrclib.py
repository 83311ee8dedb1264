"""LRCLIB over real HTTP: one call a song, and how it bears refusals."""

from __future__ import annotations

import pytest

from corpus.song import Track
from corpus.sources import Limited, Patience
from corpus.sources.lrclib import Lrclib
from sandbox.ports import free_port
from sandbox.standins.songs import CATALOGUE, Song
from tests.corpus.conftest import StandIns

PLAIN = next(song for song in CATALOGUE.songs if song.on_lrclib and not song.is_instrumental and song.id % 12 != 7)


@pytest.fixture
def lrclib(standins: StandIns) -> Lrclib:
    return Lrclib(standins.settings.lrclib_url)


def wanted(song: Song) -> Track:
    return Track(song.artist, song.title, song.duration_s)


def test_it_works(lrclib: Lrclib, standins: StandIns) -> None:
    finding = lrclib.find(Track(PLAIN.artist.upper(), f"{PLAIN.title} (feat. Ada Quill)", PLAIN.duration_s + 1))
    assert (finding.state, finding.title) == ("found", PLAIN.title)
    assert finding.why == "“feat. Ada Quill” was left out."
    assert finding.text.splitlines()[0] in PLAIN.text
    assert finding.url == f"{standins.settings.lrclib_url}/api/get/{PLAIN.id}"
    assert len(standins.calls("lrclib")) == 1


def test_one_of_another_length_is_to_be_checked(lrclib: Lrclib) -> None:
    finding = lrclib.find(Track(PLAIN.artist, PLAIN.title, PLAIN.duration_s + 40))
    assert finding.state == "check"
    assert finding.why == "It is 40 s shorter."
    assert finding.text


def test_timed_words_do_where_there_are_no_others(lrclib: Lrclib) -> None:
    song = next(s for s in CATALOGUE.songs if s.on_lrclib and not s.is_instrumental and s.id % 12 == 7)
    finding = lrclib.find(wanted(song))
    assert finding.state == "found"
    assert finding.text.startswith("[00:")


def test_an_instrumental_is_one(lrclib: Lrclib) -> None:
    song = next(s for s in CATALOGUE.songs if s.on_lrclib and s.is_instrumental)
    finding = lrclib.find(wanted(song))
    assert (finding.state, finding.text) == ("instrumental", "")


def test_a_song_that_is_not_there_is_not_another(lrclib: Lrclib) -> None:
    finding = lrclib.find(Track("Nobody Atall", "The Harbour Is a Kettle", 200))
    assert (finding.state, finding.why) == ("not_found", "LRCLIB does not have it.")


def test_a_limit_is_told_and_not_slept_off(lrclib: Lrclib, standins: StandIns) -> None:
    standins.turn("lrclib", rate_per_s=1)
    lrclib.find(wanted(PLAIN))
    with pytest.raises(Limited) as limited:
        lrclib.find(wanted(PLAIN))
    assert limited.value.retry_after_s == 1
    assert "LRCLIB asks us to go slower" in limited.value.message


def test_a_refusal_is_blocked(lrclib: Lrclib, standins: StandIns) -> None:
    standins.turn("lrclib", status=403)
    assert lrclib.find(wanted(PLAIN)).state == "blocked"


@pytest.mark.parametrize("status", [500, 200])
def test_an_answer_that_is_none_is_waited_out(lrclib: Lrclib, standins: StandIns, status: int) -> None:
    standins.turn("lrclib", status=status)
    with pytest.raises(Limited):
        lrclib.find(wanted(PLAIN))


def test_nobody_there_is_waited_out() -> None:
    with pytest.raises(Limited, match="LRCLIB does not answer"):
        Lrclib(f"http://127.0.0.1:{free_port()}").find(wanted(PLAIN))


def test_one_that_is_too_slow_is_waited_out(standins: StandIns) -> None:
    standins.turn("lrclib", latency_ms=400)
    with pytest.raises(Limited):
        Lrclib(standins.settings.lrclib_url, timeout_s=0.1).find(wanted(PLAIN))


def test_failures_in_a_row_are_waited_out_longer_and_longer() -> None:
    now = 0.0
    patience = Patience("LRCLIB", clock=lambda: now)
    waits = []
    for _ in range(8):
        waits.append(patience.away().retry_after_s)
        now += waits[-1]
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]
    patience.answered()
    assert patience.away().retry_after_s == 5


def test_many_threads_that_meet_one_failure_wait_for_it_once() -> None:
    now = 0.0
    patience = Patience("LRCLIB", clock=lambda: now)
    assert patience.away().retry_after_s == 5
    now = 2.0
    assert [patience.away().retry_after_s for _ in range(3)] == [3, 3, 3]
    now = 5.0
    assert patience.away().retry_after_s == 10


@pytest.mark.parametrize("retry_after", ["Wed, 21 Oct 2026 07:28:00 GMT", None, "", "-1", "²", "1e9", "soon"])
def test_what_is_not_seconds_is_waited_out_our_way(retry_after: str | None) -> None:
    assert Patience("LRCLIB").too_fast(retry_after).retry_after_s == pytest.approx(5, abs=0.1)


def test_seconds_are_waited_out_as_told() -> None:
    assert Patience("LRCLIB").too_fast("12").retry_after_s == 12
