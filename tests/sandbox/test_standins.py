"""The stand-ins themselves: their songs, knobs and log, Spotify's door through Authlib, and the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import lyricsgenius
import pytest
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from sandbox.standins.desk import Desk, Knobs
from sandbox.standins.server import Addresses, serving
from sandbox.standins.songs import CATALOGUE, Catalogue, noisy

BACK = "http://127.0.0.1:5000/back"
DESK = Desk()


@pytest.fixture(scope="module")
def _addresses() -> Iterator[Addresses]:
    with serving(DESK) as addresses:
        yield addresses


@pytest.fixture
def addresses(_addresses: Addresses) -> Addresses:
    DESK.reset()
    return _addresses


@pytest.fixture
def web(addresses: Addresses) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=addresses.base) as client:
        yield client


def test_it_works(web: httpx.Client) -> None:
    song = next(song for song in CATALOGUE.songs if song.on_lrclib and not song.is_instrumental)
    found = web.get("/lrclib/api/search", params={"q": f"{song.artist} {song.title}"}).json()
    assert song.title in [record["trackName"] for record in found]
    log = web.get("/calls", params={"service": "lrclib"}).json()
    assert log["num_calls"] == 1
    assert log["calls"][0]["what"].startswith("/api/search?q=")
    assert web.delete("/calls").json() == {"num_calls": 0}


def test_there_are_songs_enough_each_with_a_name_of_its_own() -> None:
    assert len(CATALOGUE.songs) >= 300
    assert len({(song.artist.casefold(), song.title.casefold()) for song in CATALOGUE.songs}) == len(CATALOGUE.songs)
    assert {song.tongue for song in CATALOGUE.songs} == {"en", "es", "de", "fr", "ru", "el", "ja"}


def test_songs_have_12_to_40_lines_in_sections() -> None:
    for song in CATALOGUE.songs:
        lines = [line for line in song.text.splitlines() if line]
        words = [line for line in lines if not line.startswith("[")]
        assert song.is_instrumental or 12 <= len(words) <= 40
        assert song.is_instrumental or lines[0] == "[Verse 1]"


def test_songs_are_the_same_every_time() -> None:
    again = Catalogue()
    assert again.songs == CATALOGUE.songs
    assert again.decoys == CATALOGUE.decoys
    # Neither a new Python nor a new hash seed may give other songs: what was imported is compared with what is there.
    song = CATALOGUE.songs[3]
    assert (song.artist, song.title) == ("Otis Goldcrest", "Ribbon by the Harbour")
    assert noisy(song) == ("Otis Goldcrest", "Ribbon by the Harbour", 277)


def test_knobs_turn_and_go_back(web: httpx.Client) -> None:
    assert web.post("/knobs", json={"genius": {"status": 500}}).json()["genius"]["status"] == 500
    assert web.get("/genius/web/x").status_code == 500
    assert web.get("/lrclib/api/search").status_code == 200
    assert web.delete("/knobs").json()["genius"]["status"] == 0
    assert web.get("/genius/web/x").status_code == 404


@pytest.mark.parametrize(
    "wrong", [{"tidal": {}}, {"genius": {"speed": 1}}, {"genius": {"status": "500"}}, {"genius": {"latency_ms": None}}]
)
def test_a_wrong_knob_is_refused_and_turns_nothing(web: httpx.Client, wrong: dict[str, object]) -> None:
    before = web.get("/knobs").json()
    assert web.post("/knobs", json=wrong).status_code == 400
    assert web.get("/knobs").json() == before


def test_a_rate_limit_lets_so_many_in_and_says_when_to_come_back(web: httpx.Client) -> None:
    DESK.turn({"lrclib": {"rate_per_s": 5}})
    answers = [web.get("/lrclib/api/search") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5
    late = web.get("/lrclib/api/search")
    if late.status_code == 200:
        pytest.skip("this machine took more than a second over five calls")
    assert (late.status_code, late.headers["Retry-After"]) == (429, "1")
    assert web.get("/genius/web/x").status_code == 404


def test_latency_is_as_told_also_when_many_ask(addresses: Addresses) -> None:
    DESK.turn({"lrclib": {"latency_ms": 150}})
    started = time.monotonic()
    threads = [threading.Thread(target=httpx.get, args=(f"{addresses.base}/lrclib/api/search",)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.15 <= time.monotonic() - started < 12 * 0.15


def test_lyricsgenius_as_it_comes_finds_a_song(addresses: Addresses) -> None:
    """The plain client, which benchmarks compare with, is served as well."""
    song = next(
        s for s in CATALOGUE.songs if s.on_genius and s.is_complete and not (s.is_instrumental or s.is_challenged)
    )
    client = lyricsgenius.Genius("token", sleep_time=0)
    client.API_ROOT = f"{addresses.base}/genius/api/"
    client.WEB_ROOT = f"{addresses.base}/genius/web/"
    client.PUBLIC_API_ROOT = f"{addresses.base}/genius/web/api/"
    found = client.search_song(song.title, song.artist)
    assert found is not None
    assert found.artist == song.artist
    assert song.text.splitlines()[1] in found.lyrics


def door(addresses: Addresses, secret: str | None = None) -> OAuth2Session:
    return OAuth2Session(
        "sandbox",
        secret,
        token_endpoint_auth_method="client_secret_basic" if secret else "none",
        redirect_uri=BACK,
        scope="playlist-read-private",
        code_challenge_method="S256",
    )


def agree(session: OAuth2Session, addresses: Addresses, user: str = "sandbox-bea") -> tuple[str, str]:
    """Go to the door and press the button. The code and the verifier."""
    verifier = generate_token(64)
    url, state = session.create_authorization_url(
        f"{addresses.environment['SPOTIFY_ACCOUNTS_URL']}/authorize", code_verifier=verifier
    )
    page = httpx.get(url)
    assert "sandbox" in page.text
    assert f'id="agree-{user}"' in page.text
    back = httpx.post(url, data={"user": user})
    query = parse_qs(urlsplit(back.headers["Location"]).query)
    assert back.headers["Location"].startswith(BACK)
    assert query["state"] == [state]
    return query["code"][0], verifier


@pytest.mark.parametrize("secret", [None, "hush"])
def test_a_person_signs_in_and_stays_signed_in(addresses: Addresses, web: httpx.Client, secret: str | None) -> None:
    token_url = f"{addresses.environment['SPOTIFY_ACCOUNTS_URL']}/api/token"
    session = door(addresses, secret)
    code, verifier = agree(session, addresses)
    token = session.fetch_token(token_url, code=code, code_verifier=verifier)
    assert token["expires_in"] == 3600
    refreshed = session.refresh_token(token_url, refresh_token=token["refresh_token"])
    assert refreshed["access_token"] != token["access_token"]
    for good in (token, refreshed):
        me = web.get("/spotify/api/v1/me", headers={"Authorization": f"Bearer {good['access_token']}"})
        assert me.json()["display_name"] == "Bea Builder"


def test_a_refresh_token_of_an_app_without_secret_is_good_once(addresses: Addresses) -> None:
    token_url = f"{addresses.environment['SPOTIFY_ACCOUNTS_URL']}/api/token"
    session = door(addresses)
    code, verifier = agree(session, addresses)
    first = session.fetch_token(token_url, code=code, code_verifier=verifier)["refresh_token"]
    second = session.refresh_token(token_url, refresh_token=first)["refresh_token"]
    assert second != first
    with pytest.raises(OAuthError, match="invalid_grant"):
        session.refresh_token(token_url, refresh_token=first)


def test_a_code_is_good_once_and_only_for_who_began(addresses: Addresses) -> None:
    token_url = f"{addresses.environment['SPOTIFY_ACCOUNTS_URL']}/api/token"
    session = door(addresses)
    code, _ = agree(session, addresses)
    with pytest.raises(OAuthError, match="invalid_grant"):
        session.fetch_token(token_url, code=code, code_verifier=generate_token(64))
    code, verifier = agree(session, addresses)
    session.fetch_token(token_url, code=code, code_verifier=verifier)
    with pytest.raises(OAuthError, match="invalid_grant"):
        door(addresses).fetch_token(token_url, code=code, code_verifier=verifier)


def test_a_revoked_link_cannot_be_refreshed(addresses: Addresses) -> None:
    token_url = f"{addresses.environment['SPOTIFY_ACCOUNTS_URL']}/api/token"
    session = door(addresses)
    code, verifier = agree(session, addresses)
    token = session.fetch_token(token_url, code=code, code_verifier=verifier)
    DESK.turn({"spotify": {"is_revoked": True}})
    with pytest.raises(OAuthError, match="invalid_grant"):
        session.refresh_token(token_url, refresh_token=token["refresh_token"])


def test_who_cancels_comes_back_without_a_code(addresses: Addresses) -> None:
    url, state = door(addresses).create_authorization_url(
        f"{addresses.environment['SPOTIFY_ACCOUNTS_URL']}/authorize", code_verifier=generate_token(64)
    )
    back = urlsplit(httpx.post(url, data={"user": ""}).headers["Location"])
    assert parse_qs(back.query) == {"error": ["access_denied"], "state": [state]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"redirect_uri": "http://localhost:5000/back"},
        {"client_id": ""},
        {"code_challenge": ""},
        {"response_type": "token"},
    ],
)
def test_a_wrong_sign_in_is_refused_as_spotify_does(web: httpx.Client, wrong: dict[str, str]) -> None:
    right = {"client_id": "a", "redirect_uri": BACK, "response_type": "code"}
    asked = right | {"code_challenge": "b", "code_challenge_method": "S256"}
    assert web.get("/spotify/accounts/authorize", params=asked).status_code == 200
    assert web.get("/spotify/accounts/authorize", params=asked | wrong).status_code == 400


def test_the_process_says_where_it_is_and_ends_when_told() -> None:
    command = [sys.executable, "-m", "sandbox.standins", "--port", "0", "--latency-ms", "5", "--rate-limit", "10/s"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    ) as child:
        assert child.stdout is not None
        base = child.stdout.readline().split()[-1]
        told = dict(child.stdout.readline().strip().split("=", 1) for _ in range(5))
        knobs = httpx.get(f"{base}/knobs").json()
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=20) == 0
    assert told == Addresses(base).environment
    assert knobs["genius"]["rate_per_s"] == 10
    assert knobs["spotify"]["latency_ms"] == 5
    assert knobs["lrclib"]["status"] == Knobs().status
