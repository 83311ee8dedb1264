"""Spotify through the real spotipy: links, playlists of both shapes, and every way in which it says no."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest

from corpus.song import Track
from corpus.sources import Finding, Limited
from corpus.sources.shelf import lyric_sources
from corpus.sources.spotify import (
    BadLink,
    Editorial,
    EmptyPlaylist,
    NoSuchPlaylist,
    NotInvited,
    NotYours,
    Revoked,
    Spotify,
    SpotifyError,
    playlist_id,
)
from sandbox.ports import free_port
from sandbox.standins import spotify as standin
from sandbox.standins.songs import CATALOGUE, Song, noisy
from tests.corpus.conftest import StandIns

ID = standin.HUNDRED


@pytest.fixture
def spotify(standins: StandIns) -> Spotify:
    return Spotify(standin.access_token(), standins.settings.spotify_api_url)


def test_it_works(spotify: Spotify, standins: StandIns) -> None:
    tracks = list(spotify.tracks(ID))
    wanted = [noisy(song) for song in CATALOGUE.songs[:100]]
    assert [(track.artist, track.title) for track in tracks] == [
        (artist.split(" feat. ")[0], title) for artist, title, _ in wanted
    ]
    assert tracks[0].duration_s == wanted[0][2] + 0.417
    assert [call.what for call in standins.calls("spotify")] == [
        f"/api/v1/playlists/{ID}/items?limit=50&offset=0",
        f"/api/v1/playlists/{ID}/items?limit=50&offset=50",
    ]


@pytest.mark.parametrize(
    "text",
    [
        ID,
        f"  {ID}\n",
        f"spotify:playlist:{ID}",
        f"spotify:user:bea:playlist:{ID}",
        f"https://open.spotify.com/playlist/{ID}",
        f"https://open.spotify.com/playlist/{ID}?si=0123456789abcdef&pi=a-b",
        f"https://open.spotify.com/intl-de/playlist/{ID}?si=0123",
        f"http://open.spotify.com/intl-pt-BR/playlist/{ID}/",
        f"open.spotify.com/playlist/{ID}#top",
        f"https://open.spotify.com/user/bea/playlist/{ID}",
        f"https://open.spotify.com/embed/playlist/{ID}?utm_source=generator",
        f"<https://open.spotify.com/playlist/{ID}>",
    ],
)
def test_a_playlist_may_be_named_in_many_ways(text: str) -> None:
    assert playlist_id(text) == ID


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no link to a Spotify playlist"),
        ("my favourite songs", "no link to a Spotify playlist"),
        (ID[:-1], "22 letters"),
        (f"https://open.spotify.com/playlist/{ID[:12]}", "cut off"),
        (f"https://open.spotify.com/album/{ID}", "an album"),
        (f"https://open.spotify.com/intl-de/track/{ID}", "a single song"),
        (f"spotify:artist:{ID}", "an artist"),
        (f"https://open.spotify.com/prerelease/{ID}", "prerelease"),
        ("https://open.spotify.com/", "to no playlist"),
        ("https://spotify.link/abcdef", "shortened"),
        (f"https://example.org/playlist/{ID}", "not lead to Spotify"),
        (f"https://open.spotify.com.example.org/playlist/{ID}", "not lead to Spotify"),
        (f"https://open.spotify.com@example.org/playlist/{ID}", "not lead to Spotify"),
        ("https://[/playlist/x", "not lead to Spotify"),
        (f"https://open.spotify.com/playlist/../../me/{ID}", "no link to a Spotify playlist"),
    ],
)
def test_a_wrong_link_is_refused_with_what_to_do(text: str, says: str) -> None:
    with pytest.raises(BadLink, match=says):
        playlist_id(text)


@pytest.mark.parametrize("form", ["{}", "https://open.spotify.com/playlist/{}?si=1", "spotify:playlist:{}"])
def test_an_editorial_link_is_refused_with_the_alternatives(form: str) -> None:
    with pytest.raises(Editorial, match=r"made by Spotify.*paste a track list"):
        playlist_id(form.format("37i9dQZF1DX0XUsuxWHRQd"))


def test_an_editorial_playlist_is_refused_before_any_call(spotify: Spotify, standins: StandIns) -> None:
    with pytest.raises(Editorial):
        spotify.playlist(standin.EDITORIAL)
    with pytest.raises(Editorial):
        list(spotify.tracks(standin.EDITORIAL))
    assert standins.calls("spotify") == []


@pytest.mark.parametrize("shape", ["items", "tracks", "both"])
def test_both_shapes_are_read_alike(spotify: Spotify, standins: StandIns, shape: str) -> None:
    standins.turn("spotify", shape=shape)
    assert spotify.playlist(ID).num_tracks == 100
    assert len(list(spotify.tracks(ID))) == 100


def test_a_long_playlist_comes_in_pages_of_fifty(spotify: Spotify, standins: StandIns) -> None:
    assert len(list(spotify.tracks(standin.THOUSAND))) == 1000
    assert len(standins.calls("spotify")) == 20


def test_the_library_says_what_may_be_read(spotify: Spotify) -> None:
    found = {playlist.id: playlist for playlist in spotify.playlists()}
    assert found[ID].name == "Lantern Hour"
    assert found[ID].num_tracks == 100
    assert (found[ID].is_own, found[ID].is_readable) == (True, True)
    assert (found[standin.SHARED].is_own, found[standin.SHARED].is_readable) == (False, True)
    assert (found[standin.FOREIGN].owner_name, found[standin.FOREIGN].is_readable) == ("Sol Somebody", False)


def test_who_is_known_already_is_not_asked_for(standins: StandIns) -> None:
    spotify = Spotify(standin.access_token(), standins.settings.spotify_api_url, user_id="sandbox-bea")
    assert spotify.playlist(ID).is_own
    assert [call.what for call in standins.calls("spotify")] == [f"/api/v1/playlists/{ID}"]


def test_a_followed_playlist_is_refused_before_its_songs_are_asked_for(spotify: Spotify, standins: StandIns) -> None:
    with pytest.raises(NotYours, match="“Sol's Favourites” belongs to Sol Somebody"):
        spotify.playlist(standin.FOREIGN)
    assert not any("/items" in call.what for call in standins.calls("spotify"))
    with pytest.raises(NotYours, match="belongs to somebody else"):
        list(spotify.tracks(standin.FOREIGN))


def test_a_shared_playlist_is_read(spotify: Spotify) -> None:
    assert len(list(spotify.tracks(standin.SHARED))) == 60


def test_podcasts_local_files_and_gaps_are_left_out_and_markup_is_text(spotify: Spotify) -> None:
    tracks = list(spotify.tracks(standin.MIXED))
    assert len(tracks) == 5
    assert tracks[0] == tracks[2]
    assert tracks[1].title == "<script>alert('ghost')</script> & <b>Bold</b>"


@pytest.mark.parametrize(("which", "says"), [(standin.EMPTY, "is empty"), (standin.NO_SONGS, "only podcasts")])
def test_a_playlist_without_songs_says_so(spotify: Spotify, which: str, says: str) -> None:
    with pytest.raises(EmptyPlaylist, match=says):
        list(spotify.tracks(which))


def test_a_playlist_that_is_not_there_says_so(spotify: Spotify) -> None:
    nowhere = "0" * 22
    with pytest.raises(NoSuchPlaylist):
        spotify.playlist(nowhere)
    with pytest.raises(NoSuchPlaylist):
        list(spotify.tracks(nowhere))


@pytest.mark.parametrize(
    ("knobs", "error"),
    [({"is_revoked": True}, Revoked), ({"token_life_s": -1}, Revoked), ({"is_uninvited": True}, NotInvited)],
)
def test_a_closed_door_says_which(
    spotify: Spotify, standins: StandIns, knobs: dict[str, object], error: type[SpotifyError]
) -> None:
    standins.turn("spotify", **knobs)
    for ask in (spotify.playlists, lambda: spotify.playlist(ID), lambda: list(spotify.tracks(ID))):
        with pytest.raises(error):
            ask()


def test_a_token_that_may_not_see_playlists_has_to_be_asked_for_again(standins: StandIns) -> None:
    token = standin.access_token(scope="user-read-email")
    with pytest.raises(Revoked, match="Connect your account again"):
        Spotify(token, standins.settings.spotify_api_url).playlists()


def test_a_limit_is_told_and_not_slept_off(spotify: Spotify, standins: StandIns) -> None:
    standins.turn("spotify", status=429, retry_after_s=40)
    started = monotonic()
    with pytest.raises(Limited) as limited:
        list(spotify.tracks(ID))
    assert limited.value.retry_after_s == 40
    assert monotonic() - started < 5
    assert len(standins.calls("spotify")) == 1


@pytest.mark.parametrize("status", [500, 503, 200])
def test_an_answer_that_is_none_is_waited_out(spotify: Spotify, standins: StandIns, status: int) -> None:
    standins.turn("spotify", status=status)
    with pytest.raises(Limited):
        spotify.playlists()
    assert len(standins.calls("spotify")) == 1


def test_nobody_there_is_waited_out() -> None:
    with pytest.raises(Limited, match="Spotify does not answer"):
        Spotify("token", f"http://127.0.0.1:{free_port()}/v1").playlists()


def test_one_that_is_too_slow_is_waited_out(standins: StandIns) -> None:
    standins.turn("spotify", latency_ms=400)
    with pytest.raises(Limited):
        Spotify(standin.access_token(), standins.settings.spotify_api_url, timeout_s=0.1).playlists()


def is_to_be_found(song: Song) -> bool:
    at_genius = song.on_genius and song.is_complete and not song.is_challenged
    return not song.is_instrumental and (song.on_lrclib or at_genius)


def test_a_noisy_playlist_is_settled_without_a_wrong_song(spotify: Spotify, standins: StandIns) -> None:
    """All sources in their order, as an import asks them; the playlist's titles are as untidy as they come."""
    sources = lyric_sources(standins.settings)

    def find(track: Track) -> Finding:
        found = Finding("not_found")
        for source in sources:
            found = source.find(track)
            if found.state in ("found", "instrumental"):
                break
        return found

    with ThreadPoolExecutor(8) as threads:
        findings = list(threads.map(find, spotify.tracks(ID)))
    songs = CATALOGUE.songs[:100]
    states = Counter(finding.state for finding in findings)
    assert states["found"] + states["instrumental"] >= 0.95 * sum(map(is_to_be_found, songs))
    for song, finding in zip(songs, findings, strict=True):
        if finding.state == "found":
            first_line = next(line for line in song.text.splitlines() if not line.startswith("["))
            assert first_line in finding.text, (song, finding)
        if finding.state == "instrumental":
            assert song.is_instrumental
