"""The builder's pages as Dash sends them: what is on them, what they refuse, and what strangers get."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, select

from app import dataset, generation, job, song
from app.db import unit_of_work
from app.web import create_app
from contracts.settings import Settings
from dashboards import mount
from dashboards.builder import place_in, safe_link
from dashboards.progress import shares
from models import Dataset, Rights, Song, SongState
from models.user import user_by_email
from tests.dashboards.test_pages import callback, interactive
from tests.services import free_port

SCRIPT = "<script>alert(1)</script>"
WORDS = "Lantern on the harbour wall\nTurning while the evening fall\n"


@pytest.fixture
def server(database_url: str, engine: Engine) -> Iterator[Flask]:
    """The web with the studio on it; the outside services are stand-ins that nobody started."""
    closed = f"http://127.0.0.1:{free_port()}"
    settings = Settings(
        database_url=database_url,
        secret_key="key of the tests",
        service_secret="secret of the tests",
        inference_url=closed,
        spotify_api_url=f"{closed}/spotify",
        genius_api_url=f"{closed}/genius",
    )
    server = create_app(settings, engine=engine)
    mount(server)
    yield server
    generation.relay().close()


Person = Callable[[str], FlaskClient]


@pytest.fixture
def signed_up(server: Flask) -> Person:
    """Somebody's browser, logged in."""

    def browser(name: str) -> FlaskClient:
        client = server.test_client()
        client.get("/signup")
        token = client.get_cookie("_csrf_token")
        assert token
        form = {"email": f"{name}@example.org", "password": "seven quiet harbours", "csrf_token": token.decoded_value}
        assert client.post("/signup", data=form).status_code == 303
        return client

    return browser


def make_dataset(email: str, *songs: dict[str, Any], name: str = "Harbour songs") -> UUID:
    """A dataset of this person with songs as a worker leaves them."""
    with unit_of_work() as session:
        user = user_by_email(session, email)
        assert user
        made = Dataset(user_id=user.id, name=name)
        session.add(made)
        session.flush()
        for position, given in enumerate(songs):
            values = {"state": SongState.FOUND, "original": WORDS, "text": WORDS, "title": f"Song {position}"} | given
            session.add(Song(dataset_id=made.id, position=position, track_key=f"k|{position}", **values))
        return made.id


def prop(name: str, field: str, value: Any) -> dict[str, Any]:
    return {"id": name, "property": field, "value": value}


def outputs(*names: str) -> tuple[str, Any]:
    """What a callback with these outputs is called, and what Dash sends beside it."""
    told = [dict(zip(("id", "property"), name.split("."), strict=True)) for name in names]
    return (names[0], told[0]) if len(names) == 1 else (f"..{'...'.join(names)}..", told)


def page(client: FlaskClient, path: str) -> tuple[Any, str]:
    """What the builder's room shows at an address: its components and its title."""
    shown = callback(
        client, *outputs("builder-page.children", "builder-title.data"), [prop("builder-path", "data", path)], []
    )
    answer = shown.get_json()["response"]
    return answer["builder-page"]["children"], answer["builder-title"]["data"]


def every(node: Any) -> Iterator[dict[str, Any]]:
    """All components of a page."""
    if isinstance(node, list):
        for child in node:
            yield from every(child)
    elif isinstance(node, dict) and "props" in node:
        yield node
        yield from every(node["props"].get("children"))


def texts(node: Any) -> list[str]:
    """All words of a page."""
    if isinstance(node, str):
        return [node]
    if isinstance(node, list):
        return [words for child in node for words in texts(child)]
    return texts(node["props"].get("children")) if isinstance(node, dict) and "props" in node else []


def test_it_works(signed_up: Person) -> None:
    shown, title = page(signed_up("alice"), "/datasets")
    ids = {node["props"].get("id") for node in every(shown) if isinstance(node["props"].get("id"), str)}
    assert title == "Datasets"
    assert {"way-playlist", "way-list", "way-files", "way-paste"} <= ids


def test_the_page_says_what_spotify_gives_and_what_is_a_stand_in(signed_up: Person) -> None:
    words = " ".join(texts(page(signed_up("alice"), "/datasets/new")[0]))
    assert "Spotify gives a list of titles and nothing else" in words
    assert "nothing is trained on Spotify\u2019s content" in words
    assert words.count("Sandbox") == 2  # Spotify and Genius; LRCLIB is the real one here


@pytest.mark.parametrize("tab", ["", "/rights", "/cleaning", "/versions", "/statistics"])
def test_everything_that_can_be_pressed_on_a_dataset_has_an_id(signed_up: Person, tab: str) -> None:
    alice = signed_up("alice")
    shown, title = page(alice, f"/datasets/{make_dataset('alice@example.org', {})}{tab}")
    kinds = ("Textarea", "Select", "Checkbox", "AgGrid", "Summary")
    found = [*interactive(shown), *(node["props"] for node in every(shown) if node["type"] in kinds)]
    assert title == "Harbour songs"
    assert len(found) > 6
    assert [props for props in found if not props.get("id")] == []
    names = [json.dumps(props["id"]) for props in found]
    assert len(names) == len(set(names))


def test_a_guest_and_a_stranger_see_nothing(server: Flask, signed_up: Person) -> None:
    signed_up("alice")
    secret = make_dataset("alice@example.org", name="Secret harbour")
    guest, bob = server.test_client(), signed_up("bob")
    assert guest.get(f"/datasets/{secret}").location.startswith("/login?next=")
    assert bob.get(f"/datasets/{secret}").status_code == 404
    for client, said in ((guest, "Sign up"), (bob, "no such dataset")):
        shown, _ = page(client, f"/datasets/{secret}")
        assert said in " ".join(texts(shown))
        assert "Secret harbour" not in json.dumps(shown)


def test_a_stranger_cannot_call_the_callbacks_of_a_dataset(signed_up: Person) -> None:
    signed_up("alice")
    mine = make_dataset("alice@example.org", {"title": "Secret title"})
    with unit_of_work() as session:
        song_id = session.scalars(select(Song.id).where(Song.dataset_id == mine)).one()
    of_dataset = prop("dataset-id", "data", str(mine))
    bob = signed_up("bob")
    asked = {"startRow": 0, "endRow": 100}
    names = outputs("songs.getRowsResponse", "songs-count.children")
    rows = callback(bob, *names, [prop("songs", "getRowsRequest", asked)], [of_dataset, *[prop("x", "value", "")] * 2])
    assert "Secret title" not in rows.text
    wish = {"act": "drop", "song": str(song_id), "next": None}
    review = callback(
        bob,
        *outputs("review-song.data@x", "touched.data@x"),
        [prop("review-wish", "data", wish)],
        [of_dataset],
    )
    assert "Secret title" not in review.text
    with unit_of_work() as session:
        assert session.get_one(Song, song_id).is_dropped is False


def test_titles_are_text_and_links_lead_outside_only(signed_up: Person) -> None:
    alice = signed_up("alice")
    mine = make_dataset("alice@example.org", {"title": SCRIPT, "source": "genius", "url": "javascript:alert(1)"})
    with unit_of_work() as session:
        song_id = session.scalars(select(Song.id).where(Song.dataset_id == mine)).one()
    names = ["review.children", "replace-text.value"]
    names += [f"review-{name}.disabled" for name in ("accept", "replace", "drop")] + ["review-drop.children"]
    asked = [prop("review-song", "data", str(song_id)), prop("revision", "data", "1")]
    opened = callback(alice, *outputs(*names), asked, [prop("dataset-id", "data", str(mine))]).get_json()["response"]
    shown = opened["review"]["children"]
    assert SCRIPT in texts(shown)
    assert "javascript:" not in json.dumps(shown)
    assert {node["type"] for node in every(shown)} <= {"H2", "P", "Div", "Span", "Dl", "Dt", "Dd", "Pre"}


def test_freezing_is_off_until_something_can_train_and_says_why(signed_up: Person) -> None:
    alice = signed_up("alice")
    mine = make_dataset("alice@example.org", {}, {"rights": Rights.UNKNOWN, "state": SongState.CHECK})
    names = outputs("freeze-room.children", "version-rows.children", "compare-choice.children", "compare-room.hidden")

    def freeze_room() -> Any:
        asked = [prop("revision", "data", str(uuid4()))], [prop("dataset-id", "data", str(mine))]
        return callback(alice, *names, *asked).get_json()["response"]["freeze-room"]["children"]

    def is_off(room: Any, name: str) -> bool:
        return next(bool(node["props"].get("disabled")) for node in every(room) if node["props"].get("id") == name)

    before = freeze_room()
    assert is_off(before, "freeze")
    assert is_off(before, "train")
    assert "state their rights" in " ".join(texts(before))
    with unit_of_work() as session:
        user = user_by_email(session, "alice@example.org")
        assert user
        song.set_rights(session, user.id, mine, song.Selection(), "mine", attest=True)
    after = freeze_room()
    assert not is_off(after, "freeze")
    assert "1 song can be frozen" in " ".join(texts(after))


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("https://open.spotify.com/playlist/37i9dQZF1DXcBWIGoYBM5M", "made by Spotify"),
        ("https://open.spotify.com/album/5boxLanternHour0000000", "album"),
        ("https://example.org/playlist/5boxLanternHour0000000", "does not lead to Spotify"),
        ("https://open.spotify.com/intl-de/playlist/5boxLanternHour0000000?si=abc", ""),
    ],
)
def test_a_link_is_judged_before_anybody_is_asked(signed_up: Person, link: str, said: str) -> None:
    names = outputs("playlist-refusal.children", "import-playlist.disabled")
    answer = callback(signed_up("alice"), *names, [prop("playlist-link", "value", link)], []).get_json()["response"]
    assert answer["import-playlist"]["disabled"] is bool(said)
    assert said in " ".join(texts(answer["playlist-refusal"]["children"]))


def test_a_job_says_how_far_it_is_and_only_its_owner_can_cancel_it(signed_up: Person) -> None:
    alice = signed_up("alice")
    mine = make_dataset("alice@example.org")
    with unit_of_work() as session:
        user = user_by_email(session, "alice@example.org")
        assert user
        asked = dataset.import_tracks(session, user.id, mine, "The Invented - Harbour Lights\n").job
        alice_id = user.id
    assert "Import of a list of songs waits for its turn" in " ".join(texts(page(alice, "/jobs")[0]))
    bob = signed_up("bob")
    assert "Import of a list" not in " ".join(texts(page(bob, "/jobs")[0]))
    pressed = {"id": {"type": "cancel-job", "id": str(asked.id)}, "property": "n_clicks", "value": 1}
    for client, state in ((bob, "queued"), (alice, "cancelled")):
        _press(client, "touched.data", pressed)
        with unit_of_work() as session:
            assert job.get(session, alice_id, asked.id).state == state


def _press(client: FlaskClient, output: str, pressed: dict[str, Any]) -> None:
    """Press one of many buttons of a kind. The output's name ends in a hash of its inputs: ask the page for it."""
    wild = json.dumps({"id": ["ALL"], "type": pressed["id"]["type"]}, separators=(",", ":"))
    known = client.get("/_dash-dependencies").get_json()
    name = next(one["output"] for one in known if any(given["id"] == wild for given in one["inputs"]))
    field, _, rest = name.partition(".")
    body_output = {"id": field, "property": rest}
    assert name.startswith(output)
    cookie = client.get_cookie("_csrf_token")
    assert cookie
    body = {
        "output": name,
        "outputs": body_output,
        "inputs": [[pressed]],
        "changedPropIds": [f"{json.dumps(pressed['id'], separators=(',', ':'), sort_keys=True)}.n_clicks"],
        "state": [],
    }
    client.post("/_dash-update-component", json=body, headers={"X-CSRFToken": cookie.value})


def test_only_our_addresses_name_a_page() -> None:
    mine = uuid4()
    assert place_in("/datasets/new") == ("new", None, "", "")
    assert place_in(f"/datasets/{mine}") == ("dataset", mine, "songs", "")
    assert place_in(f"/datasets/{mine}/versions") == ("dataset", mine, "versions", "")
    assert place_in(f"/train/{mine}/2") == ("train", mine, "2", "")
    assert place_in(f"/runs/{mine}/again") == ("run", mine, "again", "")
    assert place_in("/voices/cowboy/cards") == ("voice", None, "cards", "cowboy")
    wrong = ("/datasets/x", f"/datasets/{mine}/elsewhere", f"/datasets/{'-' * 36}", "/jobs/1", f"/train/{mine}/0")
    for other in (None, "/", *wrong, f"/runs/{mine}/else", "/voices/..", "/voices/a b", f"/compare/{mine}/1"):
        assert place_in(other) is None


def test_only_web_addresses_are_links() -> None:
    assert safe_link("https://example.org/song") == "https://example.org/song"
    for other in ("", "javascript:alert(1)", "data:text/html,x", "//example.org", "https://", "http://[x"):
        assert safe_link(other) is None


def test_a_bar_has_a_length_for_each_state_that_there_is() -> None:
    assert shares({"found": 1, "not_found": 3, "total": 4, "trainable": 1}) == [
        ("found", 1, 25.0),
        ("not_found", 3, 75.0),
    ]
    assert shares({}) == []
