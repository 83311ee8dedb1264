"""Versions over the API: frozen, compared, rolled back, downloaded, deleted, and found by a song that they hold."""

from __future__ import annotations

import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine

from app import dataset_version
from app.db import unit_of_work
from app.song import sha_of
from contracts.manifest import dataset_key, dataset_manifest_key
from contracts.settings import Settings
from tests.app.builders import LAMP, Desk, bucket_files, filled, frozen, ok, refusal, songs, state_rights
from tests.app.conftest import Caller

NEW = "We sold the piano and burned the stool\nAnd nobody played it after school\nWe sold the piano\n"

OTHER = "Seven crows on the station roof\nWaiting for rain as a kind of proof\nSeven crows and a broken hoof\n"


@pytest.fixture
def desk(engine: Engine, settings: Settings) -> Desk:
    return Desk(engine, settings)


@pytest.fixture
def dataset_id(alice: Caller, desk: Desk) -> str:
    """Three songs of alice's, frozen once."""
    dataset_id = filled(alice, desk)
    frozen(alice, desk, dataset_id)
    return dataset_id


def replace(caller: Caller, desk: Desk, dataset_id: str, at: int, text: str) -> None:
    song_id = songs(caller, dataset_id)[at]["id"]
    ok(caller("POST", f"/datasets/{dataset_id}/songs/{song_id}", {"act": "replace", "text": text}))
    desk.do()


def test_it_works(alice: Caller, dataset_id: str, settings: Settings) -> None:
    found = ok(alice("GET", f"/datasets/{dataset_id}/versions"))["versions"]
    assert [version["number"] for version in found] == [1]
    shown = ok(alice("GET", f"/datasets/{dataset_id}/versions/1"))
    assert shown == found[0]
    assert (shown["counts"]["songs"], shown["rights"], shown["sources"]) == (3, {"mine": 3}, {"paste": 3})
    assert ok(alice("GET", f"/datasets/{dataset_id}"))["versions"] == 1
    assert dataset_manifest_key(UUID(dataset_id), 1) in set(bucket_files(settings))


def test_nothing_trainable_is_refused_with_the_reason(alice: Caller, desk: Desk) -> None:
    dataset_id = filled(alice, desk)
    status, code, message = refusal(alice("POST", f"/datasets/{dataset_id}/versions"))
    assert (status, code) == (409, "nothing_trainable")
    assert "by what right 3 songs may be used" in message
    state_rights(alice, dataset_id)
    ok(alice("POST", f"/datasets/{dataset_id}/versions"), 202)
    assert refusal(alice("POST", f"/datasets/{dataset_id}/versions"))[:2] == (409, "freezing")


def test_the_same_content_has_the_same_hash_and_an_edit_another(alice: Caller, desk: Desk, dataset_id: str) -> None:
    first = ok(alice("GET", f"/datasets/{dataset_id}/versions/1"))
    ok(alice("POST", f"/datasets/{dataset_id}/versions"), 202)
    desk.do()
    assert ok(alice("GET", f"/datasets/{dataset_id}/versions/2"))["content_sha256"] == first["content_sha256"]
    replace(alice, desk, dataset_id, 0, NEW)
    assert frozen(alice, desk, dataset_id)["content_sha256"] != first["content_sha256"]


def test_two_versions_are_compared(alice: Caller, desk: Desk, dataset_id: str) -> None:
    found = songs(alice, dataset_id)
    replace(alice, desk, dataset_id, 0, NEW)
    ok(alice("POST", f"/datasets/{dataset_id}/songs/{found[1]['id']}", {"act": "drop"}))
    body = {
        "kind": "paste",
        "artist": "",
        "title": "Brand New",
        "text": OTHER,
    }
    ok(alice("POST", f"/datasets/{dataset_id}/imports", body), 202)
    desk.do()
    frozen(alice, desk, dataset_id)
    diff = ok(alice("GET", f"/datasets/{dataset_id}/versions/1/diff/2"))
    assert [song["title"] for song in diff["removed"]] == ["A Lamp"]
    assert "Brand New" in [song["title"] for song in diff["added"]]
    assert "text" in next(song for song in diff["changed"] if song["title"] == "Low Tide")["fields"]
    back = ok(alice("GET", f"/datasets/{dataset_id}/versions/2/diff/1"))
    assert back["added"] == diff["removed"]
    assert alice("GET", f"/datasets/{dataset_id}/versions/1/diff/9").status_code == 404


def test_rolling_back_brings_everything_back_and_can_be_undone(alice: Caller, desk: Desk, dataset_id: str) -> None:
    first = ok(alice("GET", f"/datasets/{dataset_id}/versions/1"))
    found = songs(alice, dataset_id)
    replace(alice, desk, dataset_id, 0, NEW)
    ok(alice("POST", f"/datasets/{dataset_id}/songs/{found[1]['id']}", {"act": "drop"}))
    body = {"kind": "paste", "artist": "", "title": "Brand New", "text": NEW.replace("piano", "fiddle")}
    ok(alice("POST", f"/datasets/{dataset_id}/imports", body), 202)
    desk.do()
    edited = songs(alice, dataset_id)
    done = ok(alice("POST", f"/datasets/{dataset_id}/versions/1/restore"))
    assert done == {"restored": 2, "brought_back": 0, "dropped": 1}
    assert [(s["title"], s["is_dropped"]) for s in songs(alice, dataset_id)] == [
        ("Low Tide", False),
        ("A Lamp", False),
        ("Piano", False),
        ("Brand New", True),
    ]
    ok(alice("POST", f"/datasets/{dataset_id}/versions"), 202)
    desk.do()
    assert ok(alice("GET", f"/datasets/{dataset_id}/versions/2"))["content_sha256"] == first["content_sha256"]
    assert ok(alice("POST", f"/datasets/{dataset_id}/undo"))["undone"] == "Went back to version 1"
    assert songs(alice, dataset_id) == edited


def test_a_version_is_downloaded_as_text_lines_and_archive(alice: Caller, dataset_id: str) -> None:
    path = f"/datasets/{dataset_id}/versions/1/download"
    text = alice("GET", f"{path}?as=txt")
    assert LAMP.splitlines()[0] in text.text
    assert "Harbour%20v1.txt" in text.headers["Content-Disposition"]
    lines = [json.loads(line) for line in alice("GET", f"{path}?as=jsonl").text.splitlines()]
    assert {line["rights"] for line in lines} == {"mine"}
    assert all(line["attested_by"] == str(alice.user().id) and line["attested_at"] for line in lines)
    with zipfile.ZipFile(io.BytesIO(alice("GET", path).data)) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        assert manifest["rights"] == {"mine": 3}
        assert sum(name.startswith("songs/") for name in archive.namelist()) == 3
    assert refusal(alice("GET", f"{path}?as=exe"))[:2] == (400, "unknown_kind")


def test_a_flipped_byte_is_noticed_by_every_way_to_open_it(alice: Caller, dataset_id: str, settings: Settings) -> None:
    folder = Path(settings.bucket.removeprefix("file://"))
    shard = next(key for key in bucket_files(settings) if key.endswith(".jsonl"))
    whole = (folder / shard).read_bytes()
    (folder / shard).write_bytes(whole[:50] + bytes([whole[50] ^ 1]) + whole[51:])
    before = songs(alice, dataset_id)
    for method, suffix in (("GET", ""), ("GET", "/download?as=txt"), ("GET", "/diff/1"), ("POST", "/restore")):
        status, code, message = refusal(alice(method, f"/datasets/{dataset_id}/versions/1{suffix}"))
        assert (status, code) == (409, "version_torn"), suffix
        assert shard in message
    assert songs(alice, dataset_id) == before


def test_deleting_takes_it_out_of_the_bucket_and_its_number_is_not_given_again(
    alice: Caller, desk: Desk, dataset_id: str, settings: Settings
) -> None:
    assert alice("DELETE", f"/datasets/{dataset_id}/versions/1").status_code == 204
    assert not [key for key in bucket_files(settings) if key.startswith(dataset_key(UUID(dataset_id), 1, ""))]
    for method, suffix in (("GET", ""), ("GET", "/download"), ("POST", "/restore"), ("DELETE", "")):
        assert alice(method, f"/datasets/{dataset_id}/versions/1{suffix}").status_code == 404
    assert frozen(alice, desk, dataset_id)["number"] == 2


def test_a_bucket_that_is_away_is_said_and_nothing_is_lost(alice: Caller, dataset_id: str, settings: Settings) -> None:
    folder = Path(settings.bucket.removeprefix("file://"))
    folder.rename(folder.with_name("elsewhere"))
    for method, suffix in (("GET", ""), ("GET", "/download"), ("DELETE", "")):
        assert refusal(alice(method, f"/datasets/{dataset_id}/versions/1{suffix}"))[:2] == (503, "bucket_away")
    folder.with_name("elsewhere").rename(folder)
    assert ok(alice("GET", f"/datasets/{dataset_id}/versions/1"))["number"] == 1


def test_a_song_is_found_in_every_version_that_holds_it(
    alice: Caller, bob: Caller, desk: Desk, dataset_id: str
) -> None:
    theirs = filled(bob, desk, {"Another Name": LAMP})
    frozen(bob, desk, theirs)
    lamp = songs(alice, dataset_id)[1]["id"]
    assert ok(alice("GET", f"/datasets/{dataset_id}/songs/{lamp}"))["versions"] == [1]
    text = ok(alice("GET", f"/datasets/{dataset_id}/songs/{lamp}"))["text"]
    replace(alice, desk, dataset_id, 1, NEW)
    frozen(alice, desk, dataset_id)
    with unit_of_work() as session:
        holders = dataset_version.holders(session, sha_of(text))
        nobody = dataset_version.holders(session, sha_of("never written"))
    assert [(str(h.dataset_id), h.number, h.user_id, h.is_deleted) for h in holders] == [
        (dataset_id, 1, alice.user().id, False),
        (theirs, 1, bob.user().id, False),
    ]
    assert nobody == []


@pytest.mark.parametrize(
    ("method", "suffix"),
    [
        ("GET", "/versions"),
        ("POST", "/versions"),
        ("GET", "/versions/1"),
        ("DELETE", "/versions/1"),
        ("GET", "/versions/1/diff/1"),
        ("POST", "/versions/1/restore"),
        ("GET", "/versions/1/download?as=jsonl"),
    ],
)
def test_nobody_else_sees_or_changes_a_version(
    alice: Caller, bob: Caller, charlie: Caller, dataset_id: str, method: str, suffix: str
) -> None:
    for stranger in (bob, charlie):
        assert refusal(stranger(method, f"/datasets/{dataset_id}{suffix}"))[:2] == (404, "not_found")
    assert ok(alice("GET", f"/datasets/{dataset_id}/versions/1"))["number"] == 1


def test_freezing_is_asked_for_once_however_many_ask(alice: Caller, dataset_id: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: alice("POST", f"/datasets/{dataset_id}/versions").status_code, range(6)))
    assert sorted(answers) == [202] + [409] * 5
