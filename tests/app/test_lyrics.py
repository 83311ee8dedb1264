"""Lyrics over the API: the library, saving without overwriting, versions, deleting and bringing back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from sqlalchemy import Engine

from app import lyric
from app.db import unit_of_work
from app.lyric import MAX_TEXT_CHARS
from models import Account
from tests.app.conftest import Caller

VERSE = "Midnight on the corner\nand the neon's running low"


def made(caller: Caller, text: str = VERSE, title: str = "Corner") -> str:
    answer = caller("POST", "/lyrics", {"title": title, "text": text})
    assert answer.status_code == 201, answer.json
    assert answer.json is not None
    return str(answer.json["id"])


def test_it_works(alice: Caller) -> None:
    lyric_id = made(alice)
    saved = alice("PATCH", f"/lyrics/{lyric_id}", {"text": VERSE + "\n", "revision": 1})
    assert saved.status_code == 200
    assert saved.json["revision"] == 2
    shelf = alice("GET", "/lyrics").json["lyrics"]
    assert [(row["title"], row["first_line"]) for row in shelf] == [("Corner", "Midnight on the corner")]
    assert alice("GET", f"/lyrics/{lyric_id}").json["text"] == VERSE + "\n"


def test_a_save_from_an_old_revision_overwrites_nothing_and_loses_nothing(alice: Caller) -> None:
    lyric_id = made(alice)
    alice("PATCH", f"/lyrics/{lyric_id}", {"text": "from the first window", "revision": 1})
    late = alice("PATCH", f"/lyrics/{lyric_id}", {"text": "from the second window", "revision": 1})
    assert late.status_code == 409
    assert late.json["error"]["code"] == "lyric_changed"
    assert late.json["current"]["text"] == "from the first window"
    kept = alice("GET", f"/lyrics/{lyric_id}/versions").json["versions"]
    assert "from the second window" in [version["text"] for version in kept]


def test_a_version_can_be_restored_and_that_can_be_undone(alice: Caller) -> None:
    lyric_id = made(alice)
    alice("PATCH", f"/lyrics/{lyric_id}", {"text": "one", "revision": 1})
    alice("PATCH", f"/lyrics/{lyric_id}", {"text": "two", "revision": 1})
    version = alice("GET", f"/lyrics/{lyric_id}/versions").json["versions"][0]
    restored = alice("POST", f"/lyrics/{lyric_id}/versions/{version['id']}/restore")
    assert restored.json["text"] == "two"
    assert alice("GET", f"/lyrics/{lyric_id}/versions").json["versions"][0]["text"] == "one"


def test_deleting_can_be_undone(alice: Caller) -> None:
    lyric_id = made(alice)
    assert alice("DELETE", f"/lyrics/{lyric_id}").status_code == 204
    assert alice("GET", f"/lyrics/{lyric_id}").status_code == 404
    assert alice("GET", "/lyrics").json["lyrics"] == []
    assert alice("POST", f"/lyrics/{lyric_id}/undelete").json["text"] == VERSE
    assert alice("GET", f"/lyrics/{lyric_id}").status_code == 200


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"text": "mine now"}),
        ("DELETE", "", None),
        ("POST", "/undelete", {}),
        ("GET", "/versions", None),
        ("POST", f"/versions/{UUID(int=7)}/restore", {}),
    ],
)
def test_nobody_else_sees_or_changes_it(
    alice: Caller, bob: Caller, charlie: Caller, method: str, suffix: str, body: dict[str, str] | None
) -> None:
    lyric_id = made(alice)
    for stranger in (bob, charlie):
        answer = stranger(method, f"/lyrics/{lyric_id}{suffix}", body)
        assert answer.status_code == 404
        assert answer.json["error"]["code"] == "not_found"
    assert alice("GET", f"/lyrics/{lyric_id}").json["text"] == VERSE
    assert bob("GET", "/lyrics").json["lyrics"] == []


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"text": "x" * (MAX_TEXT_CHARS + 1)}, "text_too_long", "text"),
        ({"text": "bell \x07"}, "not_text", "text"),
        ({"text": "half \ud800"}, "not_text", "text"),
        ({"title": "nul \x00"}, "not_text", "title"),
        ({"title": "t" * 201}, "title_too_long", "title"),
        ({"text": 7}, "bad_input", "text"),
        ({"words": "x"}, "bad_input", "words"),
        ({"revision": 0}, "bad_input", "revision"),
        ({"text": None, "revision": "1"}, "bad_input", "revision"),
    ],
)
def test_bad_input_names_the_field_and_changes_nothing(
    alice: Caller, body: dict[str, object], code: str, field: str
) -> None:
    lyric_id = made(alice)
    answer = alice("PATCH", f"/lyrics/{lyric_id}", body)
    assert answer.status_code == 400
    assert (answer.json["error"]["code"], answer.json["error"]["field"]) == (code, field)
    assert alice("GET", f"/lyrics/{lyric_id}").json["revision"] == 1


@pytest.mark.parametrize(
    "raw",
    [b"", b"\xff\xfe", b"{", b"[]", b"null", b'{"text": NaN}', b'{"text":' * 100_000],
    ids=lambda raw: repr(raw[:9]),
)
def test_a_body_that_is_no_json_object_is_refused(alice: Caller, raw: bytes) -> None:
    answer = alice("POST", "/lyrics", data=raw, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json["error"]["code"] == "bad_json"


def test_a_body_beyond_all_measure_is_refused(alice: Caller) -> None:
    answer = alice("POST", "/lyrics", data=b"x" * (3 << 20), content_type="application/json")
    assert answer.status_code == 413
    assert "MB" in answer.json["error"]["message"]


def test_a_full_library_says_so(alice: Caller, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(Account.__table__.update().values(max_lyrics=1))
    made(alice)
    answer = alice("POST", "/lyrics", {})
    assert answer.status_code == 402
    assert answer.json["error"]["code"] == "library_full"


def test_restoring_never_takes_a_title_away(alice: Caller) -> None:
    lyric_id = made(alice, title="")
    alice("PATCH", f"/lyrics/{lyric_id}", {"text": "one", "revision": 1})
    alice("PATCH", f"/lyrics/{lyric_id}", {"text": "two", "revision": 1})
    alice("PATCH", f"/lyrics/{lyric_id}", {"title": "Kettle Rain"})
    version = alice("GET", f"/lyrics/{lyric_id}/versions").json["versions"][0]
    assert version["title"] == ""
    restored = alice("POST", f"/lyrics/{lyric_id}/versions/{version['id']}/restore").json
    assert (restored["title"], restored["text"]) == ("Kettle Rain", "two")


def test_what_was_deleted_is_listed_apart(alice: Caller) -> None:
    lyric_id = made(alice)
    alice("DELETE", f"/lyrics/{lyric_id}")
    with unit_of_work() as session:
        assert [str(row.id) for row in lyric.deleted(session, alice.user().id)] == [lyric_id]
        assert lyric.find(session, alice.user().id) == []


def test_clearing_a_lyric_keeps_what_stood_there(alice: Caller) -> None:
    lyric_id = made(alice)
    alice("PATCH", f"/lyrics/{lyric_id}", {"text": "", "revision": 1})
    kept = alice("GET", f"/lyrics/{lyric_id}/versions").json["versions"]
    assert [(version["text"], version["reason"]) for version in kept] == [(VERSE, "edited")]


def test_the_same_conflict_is_kept_once_and_the_oldest_versions_make_room(
    alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.lyric.MAX_VERSIONS", 3)
    lyric_id = made(alice)
    for words in ("a", "a", "b", "c", "d"):
        assert alice("PATCH", f"/lyrics/{lyric_id}", {"text": words, "revision": 9}).status_code == 409
    kept = alice("GET", f"/lyrics/{lyric_id}/versions").json["versions"]
    assert [version["text"] for version in kept] == ["d", "c", "b"]


def test_bringing_back_needs_room(alice: Caller, engine: Engine) -> None:
    lyric_id = made(alice)
    alice("DELETE", f"/lyrics/{lyric_id}")
    with engine.begin() as connection:
        connection.execute(Account.__table__.update().values(max_lyrics=1))
    made(alice)
    assert alice("POST", f"/lyrics/{lyric_id}/undelete").status_code == 402


def test_without_a_revision_the_newest_is_changed_however_many_save(alice: Caller) -> None:
    lyric_id = made(alice)

    def save(number: int) -> int:
        return alice("PATCH", f"/lyrics/{lyric_id}", {"text": f"from {number}"}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(save, range(24))) == {200}
    assert alice("GET", f"/lyrics/{lyric_id}").json["revision"] == 25


def test_a_number_of_thousands_of_digits_is_bad_json(alice: Caller) -> None:
    answer = alice("POST", "/lyrics", data='{"text": ' + "9" * 5_000 + "}", content_type="application/json")
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "bad_json")
