"""Datasets over the API: made, filled from lists, pastes and files, renamed, deleted and brought back."""

from __future__ import annotations

import io
import json
import zipfile
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, event, text

from app import dataset
from app.db import unit_of_work
from app.errors import NeedsAccount
from contracts.settings import Settings
from models import Dataset, Song, SongState
from tests.app.builders import (
    ARTIST,
    LAMP,
    SONGS,
    TIDE,
    Desk,
    bucket_files,
    filled,
    made,
    ok,
    refusal,
    songs,
    upload,
)
from tests.app.conftest import Caller

SOME_ID = UUID(int=7)


@pytest.fixture
def desk(engine: Engine, settings: Settings) -> Desk:
    return Desk(engine, settings)


def test_it_works(alice: Caller, desk: Desk) -> None:
    dataset_id = made(alice)
    listed = ok(
        alice("POST", f"/datasets/{dataset_id}/imports", {"kind": "tracks", "text": "Ada Quill - Low Tide\n???"}), 202
    )
    assert listed["job"]["words"] == "Import of a list of songs"
    shown = ok(alice("GET", f"/datasets/{dataset_id}"))
    assert (shown["job"]["id"], shown["job"]["state"]) == (listed["job"]["id"], "queued")
    assert shown["cannot_freeze"] == "There is no song in this dataset yet: bring some in."
    assert [row["name"] for row in ok(alice("GET", "/datasets"))["datasets"]] == ["Harbour"]


def test_what_was_pasted_becomes_a_song_and_the_revision_changes(alice: Caller, desk: Desk) -> None:
    dataset_id = made(alice)
    before = ok(alice("GET", f"/datasets/{dataset_id}"))["revision"]
    body = {"kind": "paste", "artist": ARTIST, "title": "Low Tide", "text": TIDE}
    ok(alice("POST", f"/datasets/{dataset_id}/imports", body), 202)
    desk.do()
    shown = ok(alice("GET", f"/datasets/{dataset_id}"))
    assert shown["revision"] != before
    assert (shown["counts"]["found"], shown["counts"]["total"], shown["counts"]["trainable"]) == (1, 1, 0)
    assert shown["rights"] == {"unknown": 1}
    assert shown["job"] is None
    assert shown["last_job"]["state"] == "done"
    assert "by what right" in shown["cannot_freeze"]


def test_a_job_that_ends_while_it_is_asked_for_is_not_taken_for_done_with_the_songs_of_before(
    alice: Caller, desk: Desk
) -> None:
    """A page that is told of no job asks no more: it must have been told of all songs then."""
    dataset_id = made(alice)
    ok(
        alice(
            "POST",
            f"/datasets/{dataset_id}/imports",
            {"kind": "paste", "artist": ARTIST, "title": "Low Tide", "text": TIDE},
        ),
        202,
    )
    counted: list[str] = []

    def end_the_job(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "count(*)" in statement and "FROM song" in statement and not counted:
            counted.append(statement)
            desk.do()

    event.listen(Engine, "after_cursor_execute", end_the_job)
    try:
        shown = ok(alice("GET", f"/datasets/{dataset_id}"))
    finally:
        event.remove(Engine, "after_cursor_execute", end_the_job)
    assert counted
    assert shown["job"] or shown["counts"]["total"] == 1
    shown = ok(alice("GET", f"/datasets/{dataset_id}"))
    assert (shown["job"], shown["counts"]["total"]) == (None, 1)


def test_a_list_tells_at_once_what_cannot_be_read(alice: Caller) -> None:
    dataset_id = made(alice)
    csv = 'artist,title\n"Ada Quill","Low Tide"\n"Ada Quill,"A Lamp\n'
    answer = ok(alice("POST", f"/datasets/{dataset_id}/imports", {"kind": "tracks", "text": csv}), 202)
    assert answer["problems"]
    assert all(problem["where"] and problem["message"] for problem in answer["problems"])


@pytest.mark.parametrize("nothing", ["", "\n\n", "artist,title\n"])
def test_a_list_without_a_song_is_refused(alice: Caller, nothing: str) -> None:
    dataset_id = made(alice)
    answer = alice("POST", f"/datasets/{dataset_id}/imports", {"kind": "tracks", "text": nothing})
    status, code, message = refusal(answer)
    assert (status, code) == (400, "no_tracks")
    assert "Artist - Title" in message
    assert ok(alice("GET", "/jobs"))["jobs"] == []


def test_a_dataset_that_would_grow_too_large_says_so(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.dataset.MAX_SONGS", 2)
    dataset_id = made(alice)
    three = "A - One\nB - Two\nC - Three"
    status, code, message = refusal(alice("POST", f"/datasets/{dataset_id}/imports", {"kind": "tracks", "text": three}))
    assert (status, code) == (402, "dataset_full")
    assert "up to 2 songs" in message


def test_a_file_is_read_into_songs_and_leaves_the_bucket(alice: Caller, desk: Desk, settings: Settings) -> None:
    dataset_id = made(alice)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        for title, words in SONGS.items():
            packed.writestr(f"{ARTIST} - {title}.txt", words)
    asked = ok(upload(alice, dataset_id, "harbour.zip", archive.getvalue()), 202)
    assert asked["job"]["words"] == "Import of harbour.zip"
    assert [key for key in bucket_files(settings) if key.startswith(f"uploads/{alice.user().id}/")]
    desk.do()
    assert len(songs(alice, dataset_id)) == len(SONGS)
    assert not list(bucket_files(settings))


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [
        ("song.exe", b"MZ", 400, "unknown_file"),
        ("", b"x\ny", 400, "unknown_file"),
        ("song.txt", b"", 400, "empty_file"),
        ("../../etc/passwd", b"x\ny", 400, "unknown_file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_at_once(
    alice: Caller, settings: Settings, name: str, content: bytes, status: int, code: str
) -> None:
    dataset_id = made(alice)
    assert refusal(upload(alice, dataset_id, name, content))[:2] == (status, code)
    assert not list(bucket_files(settings))
    assert ok(alice("GET", "/jobs"))["jobs"] == []


def test_a_file_may_be_larger_than_any_other_body_but_not_larger_than_its_limit(
    alice: Caller, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset_id = made(alice)
    ok(upload(alice, dataset_id, "long.txt", (TIDE * 60_000)[: 5 << 20].encode()), 202)
    kept = list(bucket_files(settings))
    monkeypatch.setattr("corpus.uploads.MAX_UPLOAD_BYTES", 3_000_000)
    status, code, message = refusal(upload(alice, dataset_id, "long.txt", b"x\n" * 2_000_000))
    assert (status, code) == (413, "too_large")
    assert "long.txt is larger than 3 MB" in message
    ok(upload(alice, dataset_id, "long.jsonl", b"{}\n" * 1_300_000), 202)  # these may be larger
    assert len(list(bucket_files(settings))) == len(kept) + 1


def test_a_file_beyond_all_measure_is_refused_unread(alice: Caller, settings: Settings) -> None:
    class Unread:
        def read(self, _size: int = -1) -> bytes:
            raise AssertionError("somebody reads it")

    dataset_id = made(alice)
    answer = alice(
        "POST",
        f"/datasets/{dataset_id}/uploads",
        content_type="multipart/form-data; boundary=x",
        environ_overrides={"CONTENT_LENGTH": str(300 << 20), "wsgi.input": Unread()},
    )
    assert refusal(answer)[:2] == (413, "too_large")
    assert not list(bucket_files(settings))


def test_an_upload_that_breaks_off_leaves_nothing(alice: Caller, settings: Settings) -> None:
    dataset_id = made(alice)
    begun = b'--x\r\nContent-Disposition: form-data; name="file"; filename="song.txt"\r\n\r\nThe tide is low\nand'
    for length in (len(begun), len(begun) + 1000):
        answer = alice(
            "POST",
            f"/datasets/{dataset_id}/uploads",
            input_stream=io.BytesIO(begun),
            content_type="multipart/form-data; boundary=x",
            environ_overrides={"CONTENT_LENGTH": str(length)},
        )
        assert refusal(answer)[:2] == (400, "cut_off")
    assert not list(bucket_files(settings))
    assert ok(alice("GET", "/jobs"))["jobs"] == []


def test_several_files_at_once_and_other_bodies_are_refused(alice: Caller, settings: Settings) -> None:
    dataset_id = made(alice)
    two = {"file": [(io.BytesIO(b"a\nb"), "a.txt"), (io.BytesIO(b"c\nd"), "b.txt")]}
    answer = alice("POST", f"/datasets/{dataset_id}/uploads", data=two, content_type="multipart/form-data")
    assert refusal(answer)[1] == "several_files"
    answer = alice("POST", f"/datasets/{dataset_id}/uploads", {"file": "x"})
    assert refusal(answer)[1] == "no_file"
    assert not list(bucket_files(settings))


def test_a_browser_sends_its_csrf_token_in_a_header_and_is_refused_without(
    server: Flask, browser: FlaskClient, submit: object, settings: Settings
) -> None:
    assert submit("/signup", email="dora@example.org", password="a long walk home").status_code == 303  # type: ignore[operator]
    browser.get("/login")
    token = browser.get_cookie("_csrf_token")
    assert token is not None
    headers = {"X-CSRFToken": token.decoded_value}
    dataset_id = browser.post("/api/v1/datasets", json={"name": "Harbour"}, headers=headers).json["id"]
    path = f"/api/v1/datasets/{dataset_id}/uploads"
    refused = browser.post(path, data={"file": (io.BytesIO(TIDE.encode()), "a.txt"), "csrf_token": "x"})
    assert (refused.status_code, refused.json["error"]["code"]) == (403, "csrf")
    taken = browser.post(path, data={"file": (io.BytesIO(TIDE.encode()), "a.txt")}, headers=headers)
    assert taken.status_code == 202


def test_what_is_blocked_is_looked_for_again(alice: Caller, desk: Desk, engine: Engine) -> None:
    dataset_id = filled(alice, desk)
    assert refusal(alice("POST", f"/datasets/{dataset_id}/imports", {"kind": "again"}))[:2] == (409, "none_blocked")
    with engine.begin() as connection:
        connection.execute(Song.__table__.update().values(state=SongState.BLOCKED, text=None, original=None))
    answer = ok(alice("POST", f"/datasets/{dataset_id}/imports", {"kind": "again"}), 202)
    assert answer["job"]["state"] == "queued"
    assert {song["state"] for song in songs(alice, dataset_id)} == {"wanted"}


def test_renaming_and_rules_are_saved_and_rules_can_be_undone(alice: Caller, desk: Desk) -> None:
    dataset_id = filled(alice, desk, {"Low Tide": "12 ContributorsLow Tide Lyrics[Verse 1]\n" + TIDE})
    assert "Contributors" not in desk.songs(dataset_id)[0].text
    rule = next(rule for rule in ok(alice("GET", f"/datasets/{dataset_id}"))["rules"] if "contribut" in rule["name"])
    saved = ok(alice("PATCH", f"/datasets/{dataset_id}", {"name": "  Low\n Harbour ", "rules_off": [rule["name"]]}))
    assert (saved["name"], saved["rules_off"]) == ("Low Harbour", [rule["name"]])
    assert saved["job"]["kind"] == "tidy"
    desk.do()
    assert "Contributors" in desk.songs(dataset_id)[0].text
    assert ok(alice("POST", f"/datasets/{dataset_id}/undo"))["undone"] == f"Rule off: {rule['title']}"
    desk.do()
    assert "Contributors" not in desk.songs(dataset_id)[0].text
    assert ok(alice("GET", f"/datasets/{dataset_id}"))["rules_off"] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": ""}, "no_name"),
        ({"name": "x" * 201}, "name_too_long"),
        ({"name": "bell \x07"}, "not_text"),
        ({"rules_off": ["no_such_rule"]}, "unknown_rule"),
        ({"rules_off": "all"}, "bad_input"),
        ({"title": "x"}, "bad_input"),
    ],
)
def test_bad_input_changes_nothing(alice: Caller, body: dict[str, object], code: str) -> None:
    dataset_id = made(alice)
    before = ok(alice("GET", f"/datasets/{dataset_id}"))
    assert refusal(alice("PATCH", f"/datasets/{dataset_id}", body))[:2] == (400, code)
    assert ok(alice("GET", f"/datasets/{dataset_id}")) == before


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"kind": "paste", "title": "One", "text": "only one line"}, "not_a_song"),
        ({"kind": "paste", "title": "Long", "text": "la\n" * 20_000}, "not_a_song"),
        ({"kind": "paste", "title": "", "text": LAMP}, "no_title"),
        ({"kind": "paste", "title": "x" * 400, "text": LAMP}, "title_too_long"),
        ({"kind": "paste", "title": "One", "text": "nul \x00\nline"}, "not_text"),
        ({"kind": "guess"}, "bad_input"),
    ],
)
def test_an_import_that_cannot_be_is_refused_with_words(alice: Caller, body: dict[str, str], code: str) -> None:
    dataset_id = made(alice)
    assert refusal(alice("POST", f"/datasets/{dataset_id}/imports", body))[:2] == (400, code)


def test_markup_in_names_is_text_like_any_other(alice: Caller, desk: Desk) -> None:
    name = "<script>alert('ghost')</script> & <b>"
    dataset_id = filled(alice, desk, {name: TIDE}, name=name)
    assert ok(alice("GET", f"/datasets/{dataset_id}"))["name"] == name
    assert songs(alice, dataset_id)[0]["title"] == name


def test_deleting_cancels_what_is_asked_for_and_can_be_undone(alice: Caller, desk: Desk, engine: Engine) -> None:
    dataset_id = filled(alice, desk)
    ok(alice("POST", f"/datasets/{dataset_id}/imports", {"kind": "tracks", "text": "A - B"}), 202)
    assert alice("DELETE", f"/datasets/{dataset_id}").status_code == 204
    assert alice("GET", f"/datasets/{dataset_id}").status_code == 404
    assert alice("DELETE", f"/datasets/{dataset_id}").status_code == 404
    assert ok(alice("GET", "/datasets"))["datasets"] == []
    with engine.connect() as connection:
        assert connection.scalar(text("select count(*) from job where state = 'cancelled'")) == 1
    back = ok(alice("POST", f"/datasets/{dataset_id}/undelete"))
    assert back["counts"]["total"] == len(SONGS)


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"name": "mine now"}),
        ("DELETE", "", None),
        ("POST", "/undelete", None),
        ("POST", "/undo", None),
        ("POST", "/imports", {"kind": "tracks", "text": "A - B"}),
        ("POST", "/imports", {"kind": "playlist", "link": "37i9dQZF1DXsandboxEdit"}),
        ("POST", "/imports", {"kind": "paste", "title": "x", "text": LAMP}),
        ("POST", "/imports", {"kind": "again"}),
        ("POST", "/uploads", None),
    ],
)
def test_nobody_else_sees_or_changes_it(
    alice: Caller, bob: Caller, charlie: Caller, desk: Desk, method: str, suffix: str, body: dict[str, str] | None
) -> None:
    dataset_id = filled(alice, desk)
    before = ok(alice("GET", f"/datasets/{dataset_id}"))
    for stranger in (bob, charlie):
        assert refusal(stranger(method, f"/datasets/{dataset_id}{suffix}", body))[:2] == (404, "not_found")
        assert refusal(upload(stranger, dataset_id, "a.txt", b"a\nb"))[0] == 404
        assert ok(stranger("GET", "/datasets"))["datasets"] == []
    assert ok(alice("GET", f"/datasets/{dataset_id}")) == before


def test_a_guest_is_asked_to_sign_up(server: Flask, engine: Engine) -> None:
    from app.auth import ensure_writer

    with server.test_request_context("/"), unit_of_work() as session:
        guest = ensure_writer(session)
        for ask in (lambda: dataset.create(session, guest.id, "x"), lambda: dataset.find(session, guest.id)):
            with pytest.raises(NeedsAccount, match="Sign up"):
                ask()
    with engine.connect() as connection:
        assert connection.scalar(text("select count(*) from dataset")) == 0


def test_a_shelf_of_datasets_is_full_some_day(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.dataset.MAX_DATASETS", 1)
    dataset_id = made(alice)
    assert refusal(alice("POST", "/datasets", {"name": "x"}))[:2] == (402, "too_many_datasets")
    alice("DELETE", f"/datasets/{dataset_id}")
    made(alice)
    assert alice("POST", f"/datasets/{dataset_id}/undelete").status_code == 402


def test_the_deleted_are_listed_apart(alice: Caller, engine: Engine) -> None:
    dataset_id = made(alice)
    alice("DELETE", f"/datasets/{dataset_id}")
    with unit_of_work() as session:
        assert [str(row.id) for row in dataset.deleted(session, alice.user().id)] == [dataset_id]
        assert session.get_one(Dataset, UUID(dataset_id)).deleted_at is not None


def test_a_jsonl_of_songs_comes_in(alice: Caller, desk: Desk) -> None:
    dataset_id = made(alice)
    lines = [json.dumps({"artist": ARTIST, "title": title, "text": words}) for title, words in SONGS.items()]
    ok(upload(alice, dataset_id, "songs.jsonl", "\n".join(lines).encode()), 202)
    desk.do()
    assert {song["title"] for song in songs(alice, dataset_id)} == set(SONGS)
