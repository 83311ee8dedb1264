"""Linking Spotify, through Authlib and spotipy against the stand-in: PKCE, sealed tokens, refusals, unlinking."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.db import unit_of_work
from contracts.seal import Seal, Unreadable
from contracts.settings import Settings
from corpus.sources.spotify_account import SpotifyAccounts
from models import Job, SpotifyLink
from models.spotify import access_token
from sandbox.standins.desk import Desk as Standins
from sandbox.standins.server import Addresses, serving
from sandbox.standins.spotify import EDITORIAL, FOREIGN, HUNDRED, SHARED
from tests.app.builders import Desk, made, ok, refusal
from tests.app.conftest import Caller

Submit = Callable[..., TestResponse]
BEA = "sandbox-bea"


@pytest.fixture(scope="module")
def standins() -> Standins:
    return Standins()


@pytest.fixture(scope="module")
def addresses(standins: Standins) -> Iterator[Addresses]:
    with serving(standins) as addresses:
        yield addresses


@pytest.fixture
def outside(addresses: Addresses, standins: Standins) -> dict[str, str]:
    standins.calls.clear()
    standins.turn({"spotify": {"latency_ms": 0.0, "rate_per_s": 0.0, "status": 0, "is_revoked": False}})
    return {name.lower(): value for name, value in addresses.environment.items()}


@pytest.fixture
def dora(submit: Submit, browser: FlaskClient) -> FlaskClient:
    """A browser of somebody who has signed up."""
    assert submit("/signup", email="dora@example.org", password="a long walk home").status_code == 303
    return browser


def consent(address: str, user: str = BEA) -> str:
    """Agree at Spotify; returns where it sends the browser, as a path of ours."""
    answer = httpx.post(address, data={"user": user})
    back = urlsplit(answer.headers["Location"])
    assert (back.hostname, back.path) == ("127.0.0.1", "/spotify/callback")
    return f"{back.path}?{back.query}"


BASE = "http://127.0.0.1:8000"


def begin(browser: FlaskClient) -> str:
    """Where the browser is sent to link an account."""
    answer = browser.get("/spotify/link", base_url=BASE)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["Location"])


@pytest.fixture
def linked(dora: FlaskClient, browser: FlaskClient) -> FlaskClient:
    """The same browser, with Bea's account linked."""
    for cookie in ("ghost_session", "_csrf_token"):
        known = dora.get_cookie(cookie)
        assert known is not None
        dora.set_cookie(cookie, known.value, domain="127.0.0.1")
    answer = dora.get(consent(begin(dora)), base_url=BASE)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/datasets/new")
    return dora


def api(browser: FlaskClient, method: str, path: str, json: object = None) -> TestResponse:
    token = browser.get_cookie("_csrf_token", domain="127.0.0.1")
    headers = {"X-CSRFToken": token.decoded_value} if token else {}
    return browser.open(f"/api/v1{path}", method=method, json=json, headers=headers, base_url=BASE)


def test_it_works(linked: FlaskClient) -> None:
    shown = ok(api(linked, "GET", "/spotify"))
    assert shown == {"linked": True, "name": "Bea Builder", "is_available": True, "is_sandbox": True}
    listed = {row["id"]: row for row in ok(api(linked, "GET", "/spotify/playlists"))["playlists"]}
    assert (listed[HUNDRED]["num_tracks"], listed[HUNDRED]["is_readable"]) == (100, True)
    assert (listed[SHARED]["is_own"], listed[SHARED]["is_readable"]) == (False, True)
    assert listed[FOREIGN]["is_readable"] is False


def test_the_question_carries_pkce_a_state_and_no_more_than_reading(dora: FlaskClient, settings: Settings) -> None:
    answer = dora.get("/spotify/link")
    assert (answer.status_code, "127.0.0.1" in answer.text) == (400, True)  # Spotify does not come back to localhost
    known = dora.get_cookie("ghost_session")
    assert known is not None
    dora.set_cookie("ghost_session", known.value, domain="127.0.0.1")
    address = urlsplit(begin(dora))
    asked = {name: values[0] for name, values in parse_qs(address.query).items()}
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{settings.spotify_accounts_url}/authorize"
    assert (asked["code_challenge_method"], asked["response_type"]) == ("S256", "code")
    assert asked["scope"].split() == ["playlist-read-private", "playlist-read-collaborative"]
    assert asked["redirect_uri"] == f"{BASE}/spotify/callback"
    assert len(asked["code_challenge"]) == 43
    assert len(asked["state"]) >= 20
    assert begin(dora) != begin(dora)


def test_the_tokens_lie_encrypted_and_another_key_cannot_read_them(
    linked: FlaskClient, engine: Engine, settings: Settings
) -> None:
    with Session(engine) as session:
        link = session.query(SpotifyLink).one()
        with pytest.raises(Unreadable):
            Seal("another key", "spotify-link").open(link.token)
        with pytest.raises(Unreadable):
            Seal.of(settings, "something else").open(link.token)
        token = access_token(
            session, link.user_id, Seal.of(settings, "spotify-link"), SpotifyAccounts.of(settings).refresh
        )
        stored = session.execute(text("select row_to_json(spotify_link)::text from spotify_link")).scalar_one()
        raw = link.token
    assert token
    assert token not in stored
    assert token.encode() not in raw


def test_a_link_under_another_key_has_to_be_made_again(linked: FlaskClient, engine: Engine) -> None:
    with engine.begin() as connection:
        other = Seal("another key", "spotify-link").close(b"{}")
        connection.execute(text("update spotify_link set token = :token"), {"token": other})
    assert refusal(api(linked, "GET", "/spotify/playlists"))[:2] == (409, "link_lost")
    assert linked.get(consent(begin(linked)), base_url=BASE).status_code == 303
    ok(api(linked, "GET", "/spotify/playlists"))


def test_an_answer_that_nobody_asked_for_links_nothing(linked: FlaskClient, dora: FlaskClient, engine: Engine) -> None:
    back = consent(begin(linked))
    forged = re.sub(r"state=[^&]+", "state=forged", back)
    assert linked.get(forged, base_url=BASE).status_code == 400
    assert linked.get(back, base_url=BASE).status_code == 400  # a state is good for one answer
    assert linked.get("/spotify/callback?state=%ff", base_url=BASE).status_code == 400


def test_saying_no_at_spotify_leads_back_without_a_link(linked: FlaskClient) -> None:
    api(linked, "DELETE", "/spotify")
    back = consent(begin(linked), user="nobody")
    answer = linked.get(back, base_url=BASE)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/datasets/new")
    assert ok(api(linked, "GET", "/spotify"))["linked"] is False


def test_a_code_is_good_once(linked: FlaskClient, engine: Engine) -> None:
    address = begin(linked)
    code = parse_qs(urlsplit(consent(address)).query)["code"][0]
    assert linked.get(consent(address), base_url=BASE).status_code == 303
    state = parse_qs(urlsplit(begin(linked)).query)["state"][0]
    answer = linked.get(f"/spotify/callback?code={code}&state={state}", base_url=BASE)
    assert (answer.status_code, "did not take the code" in answer.text) == (409, True)


def test_a_stale_token_is_refreshed_once_and_the_new_one_is_kept(
    linked: FlaskClient, engine: Engine, settings: Settings
) -> None:
    with Session(engine) as session:
        link = session.query(SpotifyLink).one()
        before = link.token
        link.expires_at = datetime.now(UTC) - timedelta(hours=1)
        session.commit()
    for _ in range(2):  # Spotify gives a new refresh token each time, and takes the old one no more
        ok(api(linked, "GET", "/spotify/playlists"))
        with Session(engine) as session:
            link = session.query(SpotifyLink).one()
            assert link.expires_at > datetime.now(UTC) + timedelta(minutes=30)
            assert link.token != before
            before = link.token
            link.expires_at = datetime.now(UTC) - timedelta(hours=1)
            session.commit()


def test_an_own_playlist_is_imported_by_any_of_its_links(
    linked: FlaskClient, engine: Engine, settings: Settings
) -> None:
    dataset_id = ok(api(linked, "POST", "/datasets", {"name": "Lanterns"}), 201)["id"]
    for link in (
        f"https://open.spotify.com/intl-de/playlist/{HUNDRED}?si=abc",
        f"spotify:playlist:{SHARED}",
        HUNDRED,
    ):
        answer = ok(api(linked, "POST", f"/datasets/{dataset_id}/imports", {"kind": "playlist", "link": link}), 202)
        assert answer["job"]["words"].startswith("Import of the playlist “")
    with Session(engine) as session:
        asked = [job.request["playlist_id"] for job in session.query(Job).order_by(Job.created_at)]
    assert asked == [HUNDRED, SHARED, HUNDRED]


def test_a_playlist_is_brought_in_by_the_worker(linked: FlaskClient, engine: Engine, settings: Settings) -> None:
    dataset_id = ok(api(linked, "POST", "/datasets", {"name": "Kitchen"}), 201)["id"]
    ok(api(linked, "POST", f"/datasets/{dataset_id}/imports", {"kind": "playlist", "link": SHARED}), 202)
    Desk(engine, settings).do()
    counts = ok(api(linked, "GET", f"/datasets/{dataset_id}"))["counts"]
    assert counts["total"] == 60
    assert counts["wanted"] == 0
    assert counts["found"] > 40


def test_editorial_and_bad_links_are_refused_before_any_call_and_foreign_ones_before_their_songs(
    linked: FlaskClient, standins: Standins
) -> None:
    dataset_id = ok(api(linked, "POST", "/datasets", {"name": "Lanterns"}), 201)["id"]
    standins.calls.clear()

    def refused(link: str) -> tuple[int, str, str]:
        return refusal(api(linked, "POST", f"/datasets/{dataset_id}/imports", {"kind": "playlist", "link": link}))

    assert refused(f"https://open.spotify.com/playlist/{EDITORIAL}?si=x")[:2] == (400, "editorial_playlist")
    assert refused("https://example.org/playlist")[:2] == (400, "bad_link")
    assert refused("")[:2] == (400, "bad_link")
    assert not standins.calls
    status, code, message = refused(FOREIGN)
    assert (status, code) == (400, "foreign_playlist")
    assert "Sol's Favourites" in message
    assert not any("items" in str(call) or "tracks" in str(call) for call in standins.calls)


def test_withdrawn_access_is_said_and_linking_again_mends_it(linked: FlaskClient, standins: Standins) -> None:
    standins.turn({"spotify": {"is_revoked": True}})
    status, code, message = refusal(api(linked, "GET", "/spotify/playlists"))
    assert (status, code) == (409, "link_lost")
    assert "again" in message
    standins.turn({"spotify": {"is_revoked": False}})
    assert linked.get(consent(begin(linked)), base_url=BASE).status_code == 303
    ok(api(linked, "GET", "/spotify/playlists"))


def test_unlinking_forgets_the_token(linked: FlaskClient, engine: Engine) -> None:
    assert api(linked, "DELETE", "/spotify").status_code == 204
    with engine.connect() as connection:
        assert connection.scalar(text("select count(*) from spotify_link")) == 0
    assert ok(api(linked, "GET", "/spotify"))["linked"] is False
    assert refusal(api(linked, "GET", "/spotify/playlists"))[:2] == (409, "not_linked")
    assert api(linked, "DELETE", "/spotify").status_code == 404


def test_nobody_else_has_the_link(linked: FlaskClient, bob: Caller, charlie: Caller) -> None:
    for stranger in (bob, charlie):
        assert ok(stranger("GET", "/spotify"))["linked"] is False
        assert refusal(stranger("GET", "/spotify/playlists"))[:2] == (409, "not_linked")
        assert stranger("DELETE", "/spotify").status_code == 404
        body = {"kind": "playlist", "link": HUNDRED}
        assert refusal(stranger("POST", f"/datasets/{made(stranger)}/imports", body))[:2] == (409, "not_linked")
    assert ok(api(linked, "GET", "/spotify"))["linked"] is True


def test_a_limit_of_spotifys_says_when_to_come_back(linked: FlaskClient, standins: Standins) -> None:
    standins.turn({"spotify": {"rate_per_s": 0.001}})
    answers = [api(linked, "GET", "/spotify/playlists") for _ in range(3)]
    standins.turn({"spotify": {"rate_per_s": 0.0}})
    limited = next(answer for answer in answers if answer.status_code == 429)
    assert int(limited.headers["Retry-After"]) >= 1


def test_a_server_without_spotify_says_so(server: Flask, alice: Caller, settings: Settings) -> None:
    with unit_of_work():
        pass
    real = settings.model_copy(update={"spotify_api_url": "https://api.spotify.com/v1"})
    server.extensions["ghost_settings"] = real
    shown = ok(alice("GET", "/spotify"))
    assert (shown["is_available"], shown["is_sandbox"]) == (False, False)
