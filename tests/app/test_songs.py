"""A dataset's songs over the API: listed, reviewed, given rights, and each act undone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, update

from contracts.settings import Settings
from models import Rights, Song, SongState
from tests.app.builders import ARTIST, LAMP, SNOW, TIDE, Desk, filled, ok, refusal, songs, state_rights
from tests.app.conftest import Caller


@pytest.fixture
def desk(engine: Engine, settings: Settings) -> Desk:
    return Desk(engine, settings)


@pytest.fixture
def dataset_id(alice: Caller, desk: Desk) -> str:
    """Three songs of alice's."""
    return filled(alice, desk)


def doubt(engine: Engine, song_id: str, state: SongState = SongState.CHECK) -> None:
    """Make a song one that somebody has to look at."""
    with engine.begin() as connection:
        connection.execute(update(Song).where(Song.id == UUID(song_id)).values(state=state, why="Remastered 2011"))


def act(caller: Caller, dataset_id: str, song_id: str, name: str, **more: str) -> dict[str, object]:
    """Review a song."""
    shown: dict[str, object] = ok(caller("POST", f"/datasets/{dataset_id}/songs/{song_id}", {"act": name} | more))
    return shown


def row(desk: Desk, dataset_id: str, song_id: str) -> Song:
    return next(song for song in desk.songs(dataset_id) if str(song.id) == song_id)


def columns(song: Song) -> dict[str, object]:
    return {column.key: getattr(song, column.key) for column in Song.__table__.columns if column.key != "attempt"}


def test_it_works(alice: Caller, dataset_id: str) -> None:
    page = ok(alice("GET", f"/datasets/{dataset_id}/songs"))
    assert page["total"] == 3
    assert [song["title"] for song in page["songs"]] == ["Low Tide", "A Lamp", "Piano"]
    shown = ok(alice("GET", f"/datasets/{dataset_id}/songs/{page['songs'][0]['id']}"))
    assert shown["original"].strip() == TIDE.strip()
    assert (shown["state"], shown["rights"], shown["is_trainable"], shown["language"]) == (
        "found",
        "unknown",
        False,
        "en",
    )
    assert "".join(line["kind"] for line in shown["diff"]).strip() == ""


def test_the_list_is_narrowed_and_paged(alice: Caller, dataset_id: str, engine: Engine) -> None:
    found = songs(alice, dataset_id)
    doubt(engine, found[1]["id"])
    act(alice, dataset_id, found[2]["id"], "drop")

    def titles(query: str) -> list[str]:
        return [song["title"] for song in songs(alice, dataset_id, query)]

    assert titles("?state=check") == ["A Lamp"]
    assert titles("?state=dropped") == ["Piano"]
    assert titles("?state=trainable") == []
    assert titles("?rights=mine") == []
    assert titles("?q=quill+tide") == ["Low Tide"]
    assert titles("?q=%25") == []  # a wildcard of SQL is a letter like any other
    assert titles("?offset=1&limit=1") == ["A Lamp"]
    for query in ("?state=nonsense", "?rights=stolen", "?limit=0", "?limit=501", "?offset=-1", "?limit=x"):
        assert alice("GET", f"/datasets/{dataset_id}/songs{query}").status_code == 400, query


def test_a_doubtful_song_is_accepted_and_that_is_undone(
    alice: Caller, desk: Desk, dataset_id: str, engine: Engine
) -> None:
    song_id = songs(alice, dataset_id)[0]["id"]
    doubt(engine, song_id)
    before = columns(row(desk, dataset_id, song_id))
    assert act(alice, dataset_id, song_id, "accept")["state"] == "found"
    assert ok(alice("GET", f"/datasets/{dataset_id}"))["undo"] == "Accepted “Low Tide”"
    assert ok(alice("POST", f"/datasets/{dataset_id}/undo"))["undone"] == "Accepted “Low Tide”"
    assert columns(row(desk, dataset_id, song_id)) == before
    assert refusal(alice("POST", f"/datasets/{dataset_id}/undo"))[:2] == (409, "nothing_to_undo")


def test_a_song_without_words_cannot_be_accepted(alice: Caller, dataset_id: str, engine: Engine) -> None:
    song_id = songs(alice, dataset_id)[0]["id"]
    doubt(engine, song_id, SongState.NOT_FOUND)
    answer = alice("POST", f"/datasets/{dataset_id}/songs/{song_id}", {"act": "accept"})
    assert refusal(answer)[:2] == (409, "no_words")


def test_words_are_replaced_cleaned_and_come_without_rights(alice: Caller, desk: Desk, dataset_id: str) -> None:
    song_id = songs(alice, dataset_id)[0]["id"]
    state_rights(alice, dataset_id)
    before = columns(row(desk, dataset_id, song_id))
    new = "[VERSE 1: Ada]\nWe sold the piano and burned the stool\nAnd nobody played it after school\n"
    shown = act(alice, dataset_id, song_id, "replace", text=new, title="Sold Piano")
    assert (shown["title"], shown["state"], shown["rights"], shown["source"]) == (
        "Sold Piano",
        "found",
        "unknown",
        "paste",
    )
    after = row(desk, dataset_id, song_id)
    assert (after.original, (after.text or "").splitlines()[0]) == (new, "[Verse 1]")
    assert after.track_key == before["track_key"]
    desk.do()
    assert act(alice, dataset_id, song_id, "drop")["is_dropped"]
    for words in ("Dropped “Sold Piano”", "Replaced the words of “Low Tide”"):
        assert ok(alice("POST", f"/datasets/{dataset_id}/undo"))["undone"] == words
    assert columns(row(desk, dataset_id, song_id)) == before


def test_a_song_that_says_what_another_says_is_its_double_until_that_is_dropped(
    alice: Caller, desk: Desk, dataset_id: str
) -> None:
    first, second, _ = (song["id"] for song in songs(alice, dataset_id))
    state_rights(alice, dataset_id)
    act(alice, dataset_id, second, "replace", text=TIDE)
    desk.do()
    kept = songs(alice, dataset_id, "?state=duplicate")
    assert len(kept) == 1
    assert ok(alice("GET", f"/datasets/{dataset_id}"))["counts"]["duplicates"] == 1
    act(alice, dataset_id, first if kept[0]["id"] == second else second, "drop")
    desk.do()
    assert songs(alice, dataset_id, "?state=duplicate") == []


def test_cleaning_is_previewed_without_a_rule_and_nothing_is_saved(alice: Caller, desk: Desk) -> None:
    dataset_id = filled(alice, desk, {"Low Tide": "12 ContributorsLow Tide Lyrics[Verse 1]\n" + TIDE})
    song_id = songs(alice, dataset_id)[0]["id"]
    shown = ok(alice("GET", f"/datasets/{dataset_id}/songs/{song_id}"))
    assert {line["kind"] for line in shown["diff"]} >= {"-", " "}
    rule = next(name for name in shown["changes"] if "contribut" in name)
    preview = ok(alice("GET", f"/datasets/{dataset_id}/songs/{song_id}?off={rule}"))
    assert rule not in preview["changes"]
    assert "Contributors" in preview["text"]
    assert ok(alice("GET", f"/datasets/{dataset_id}/songs/{song_id}")) == shown
    assert refusal(alice("GET", f"/datasets/{dataset_id}/songs/{song_id}?off=nothing"))[1] == "unknown_rule"


def test_rights_are_stated_in_bulk_with_who_and_when_and_undone(alice: Caller, desk: Desk, dataset_id: str) -> None:
    ids = [song["id"] for song in songs(alice, dataset_id)]
    assert state_rights(alice, dataset_id) == {"changed": 3}
    first = row(desk, dataset_id, ids[0])
    assert (first.rights, first.rights_by) == (Rights.MINE, alice.user().id)
    assert isinstance(first.rights_at, datetime)
    stated = state_rights(alice, dataset_id, "public_domain", note="https://www.gutenberg.org/ebooks/1", songs=[ids[1]])
    assert stated == {"changed": 1}
    assert state_rights(alice, dataset_id, "licensed", note="By letter", songs={"rights": "mine"}) == {"changed": 2}
    shown = ok(alice("GET", f"/datasets/{dataset_id}"))
    assert shown["rights"] == {"licensed": 2, "public_domain": 1}
    assert (shown["counts"]["trainable"], shown["cannot_freeze"]) == (3, None)
    for words in ("Rights of 2 songs: licensed", "Rights of 1 song: public domain", "Rights of 3 songs: mine"):
        assert ok(alice("POST", f"/datasets/{dataset_id}/undo"))["undone"] == words
    assert ok(alice("GET", f"/datasets/{dataset_id}"))["rights"] == {"unknown": 3}
    assert row(desk, dataset_id, ids[0]).rights_at is None


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"rights": "mine"}, 400, "not_attested"),
        ({"rights": "licensed", "attest": True}, 400, "no_note"),
        ({"rights": "public_domain", "attest": True}, 400, "no_source"),
        ({"rights": "public_domain", "attest": True, "note": "it is old"}, 400, "no_source"),
        ({"rights": "public_domain", "attest": True, "note": "javascript:alert(1)"}, 400, "no_source"),
        ({"rights": "stolen", "attest": True}, 400, "unknown_right"),
        ({"rights": "mine", "attest": "yes please"}, 400, "bad_input"),
        ({"rights": "mine", "attest": True, "songs": "some"}, 400, "bad_input"),
        ({"rights": "mine", "attest": True, "songs": [str(uuid4())]}, 404, "not_found"),
        ({"rights": "mine", "attest": True, "songs": {"state": "lost"}}, 400, "unknown_state"),
    ],
)
def test_rights_that_are_not_whole_change_nothing(
    alice: Caller, dataset_id: str, body: dict[str, object], status: int, code: str
) -> None:
    before = songs(alice, dataset_id)
    assert refusal(alice("POST", f"/datasets/{dataset_id}/rights", {"songs": "all"} | body))[:2] == (status, code)
    assert songs(alice, dataset_id) == before


def test_rights_can_be_taken_back_without_saying_it_is_so(alice: Caller, desk: Desk, dataset_id: str) -> None:
    state_rights(alice, dataset_id)
    ok(alice("POST", f"/datasets/{dataset_id}/rights", {"songs": "all", "rights": "unknown"}))
    assert {(song.rights, song.rights_by, song.rights_at) for song in desk.songs(dataset_id)} == {
        (Rights.UNKNOWN, None, None)
    }


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"act": "praise"}, "unknown_act"),
        ({"act": "replace"}, "no_words"),
        ({"act": "replace", "text": "one line"}, "not_a_song"),
        ({"act": "replace", "text": LAMP, "title": "x" * 301}, "title_too_long"),
        ({"act": "drop", "song": "x"}, "bad_input"),
        ({}, "bad_input"),
    ],
)
def test_a_review_that_cannot_be_changes_nothing(
    alice: Caller, desk: Desk, dataset_id: str, body: dict[str, str], code: str
) -> None:
    before = [columns(song) for song in desk.songs(dataset_id)]
    song_id = songs(alice, dataset_id)[0]["id"]
    assert refusal(alice("POST", f"/datasets/{dataset_id}/songs/{song_id}", body))[:2] == (400, code)
    assert [columns(song) for song in desk.songs(dataset_id)] == before


def test_nobody_else_sees_or_changes_a_song(
    alice: Caller, bob: Caller, charlie: Caller, desk: Desk, dataset_id: str
) -> None:
    theirs = songs(alice, dataset_id)
    song_id = theirs[0]["id"]
    attempts = [
        ("GET", "/songs", None),
        ("GET", f"/songs/{song_id}", None),
        ("POST", f"/songs/{song_id}", {"act": "drop"}),
        ("POST", f"/songs/{song_id}", {"act": "replace", "text": SNOW}),
        ("POST", "/rights", {"songs": "all", "rights": "mine", "attest": True}),
        ("POST", "/undo", None),
    ]
    act(alice, dataset_id, song_id, "accept")
    for stranger in (bob, charlie):
        own = filled(stranger, desk, {"Mine": LAMP})
        for method, suffix, body in attempts:
            assert refusal(stranger(method, f"/datasets/{dataset_id}{suffix}", body))[:2] == (404, "not_found")
        for method, suffix, body in attempts[1:4]:  # through a dataset of their own
            assert stranger(method, f"/datasets/{own}{suffix}", body).status_code == 404
        answer = stranger("POST", f"/datasets/{own}/rights", {"songs": [song_id], "rights": "mine", "attest": True})
        assert answer.status_code == 404
    assert songs(alice, dataset_id) == theirs


def test_the_oldest_acts_are_forgotten(alice: Caller, dataset_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.change.MAX_KEPT", 2)
    song_id = songs(alice, dataset_id)[0]["id"]
    for name in ("drop", "restore", "drop"):
        act(alice, dataset_id, song_id, name)
    for _ in range(2):
        ok(alice("POST", f"/datasets/{dataset_id}/undo"))
    assert refusal(alice("POST", f"/datasets/{dataset_id}/undo"))[1] == "nothing_to_undo"
    assert songs(alice, dataset_id)[0]["is_dropped"] is True
    assert songs(alice, dataset_id)[0]["artist"] == ARTIST


def test_who_undoes_at_once_undoes_each_act_once(alice: Caller, desk: Desk, dataset_id: str) -> None:
    before = [columns(song) for song in desk.songs(dataset_id)]
    for song in songs(alice, dataset_id):
        act(alice, dataset_id, song["id"], "drop")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: alice("POST", f"/datasets/{dataset_id}/undo").status_code, range(8)))
    assert sorted(answers) == [200] * 3 + [409] * 5
    assert [columns(song) for song in desk.songs(dataset_id)] == before


def test_acts_at_once_are_all_kept(alice: Caller, dataset_id: str) -> None:
    ids = [song["id"] for song in songs(alice, dataset_id)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda song_id: act(alice, dataset_id, song_id, "drop"), ids))
    assert all(song["is_dropped"] for song in songs(alice, dataset_id))
    for _ in ids:
        ok(alice("POST", f"/datasets/{dataset_id}/undo"))
    assert not any(song["is_dropped"] for song in songs(alice, dataset_id))
