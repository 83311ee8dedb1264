"""Kept lines become songs of the voice's dataset, by their writer's right, and train its next version."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app import store
from app.beginnings import CARDS, COMPARISONS, OUR_OWN, beginnings
from app.db import unit_of_work
from contracts.manifest import dataset_manifest_key
from contracts.settings import Settings
from corpus import version
from corpus.version import FrozenSong
from models import DatasetVersion
from tests.app.builders import Desk, filled, frozen, made, ok, refusal, songs
from tests.app.conftest import Caller
from tests.app.loop import adapter_of, wrote


@pytest.fixture
def desk(engine: Engine, settings: Settings) -> Desk:
    return Desk(engine, settings)


@pytest.fixture
def harbour(alice: Caller, desk: Desk) -> tuple[str, str]:
    """A frozen dataset, and the voice that was trained on it."""
    dataset_id = filled(alice, desk)
    frozen(alice, desk, dataset_id)
    return dataset_id, adapter_of(alice, "Harbour", dataset_id=dataset_id, version_id=version_id_of(desk, dataset_id))


def version_id_of(desk: Desk, dataset_id: str) -> UUID:
    with Session(desk.engine) as session:
        found = session.scalar(select(DatasetVersion.id).where(DatasetVersion.dataset_id == UUID(dataset_id)))
        assert found is not None
        return found


def keep(caller: Caller, voice: str, text: str, *, prompt: str = "A line\n", verdict: str = "kept") -> dict[str, Any]:
    body = {"generation_id": wrote(caller, text, prompt=prompt, voice=voice), "verdict": verdict}
    said: dict[str, Any] = ok(caller("POST", "/feedback", body), 201)
    return said


def test_it_works(alice: Caller, desk: Desk, harbour: tuple[str, str]) -> None:
    dataset_id, voice = harbour
    keep(alice, voice, "And the gulls know every name", prompt="The harbour sleeps\n")
    keep(alice, voice, "A rope around the morning")
    keep(alice, voice, "No no no", verdict="rejected")
    assert refusal(alice("POST", f"/adapters/{voice}/improve", {"attest": "yes"}))[0] == 400
    answer = ok(alice("POST", f"/adapters/{voice}/improve", {"attest": True}), 202)
    assert (answer["dataset_id"], answer["kept"], answer["job"]["kind"]) == (dataset_id, 2, "freeze")
    desk.do()
    shown = ok(alice("GET", f"/datasets/{dataset_id}/versions"))["versions"][0]
    assert (shown["number"], shown["sources"]["feedback"], shown["rights"]) == (2, 2, {"mine": 5})
    with store.bucket() as bucket:
        held = list(version.read(bucket, dataset_manifest_key(UUID(dataset_id), 2)))
    kept = {song.text: song for song in held if song.source == "feedback"}
    first = kept["And the gulls know every name"]
    assert (first.prompt, first.rights, first.split) == ("The harbour sleeps\n", "mine", "train")
    assert first.attested_by == str(alice.user().id)
    assert b'"prompt":"The harbour sleeps\\n"' in first.as_line()
    assert all(song.prompt == "" for song in held if song.source != "feedback")
    counts = ok(alice("GET", f"/feedback?voice={voice}"))
    assert (counts["kept"], counts["unused"], counts["words"]) == (2, 0, "0 added to the feedback for v2")


def test_the_writers_edit_is_what_trains(alice: Caller, harbour: tuple[str, str]) -> None:
    dataset_id, voice = harbour
    said = keep(alice, voice, "And the gulls no every nam")
    body = {"generation_id": said["generation_id"], "verdict": "kept", "text": "And the gulls know every name"}
    ok(alice("POST", "/feedback", body), 201)
    ok(alice("POST", f"/adapters/{voice}/improve", {"attest": True}), 202)
    found = [song for song in songs(alice, dataset_id) if song["source"] == "feedback"]
    assert [song["title"].startswith("Kept lines, ") for song in found] == [True]
    words = ok(alice("GET", f"/datasets/{dataset_id}/songs/{found[0]['id']}"))["text"]
    assert words == "And the gulls know every name"


def test_nothing_goes_in_twice_and_nothing_without_the_writers_word(
    alice: Caller, desk: Desk, harbour: tuple[str, str]
) -> None:
    _, voice = harbour
    path = f"/adapters/{voice}/improve"
    assert refusal(alice("POST", path, {"attest": True}))[:2] == (409, "nothing_to_improve")
    keep(alice, voice, "A rope around the morning")
    assert refusal(alice("POST", path, {}))[:2] == (400, "not_attested")
    ok(alice("POST", path, {"attest": True}), 202)
    assert refusal(alice("POST", path, {"attest": True}))[:2] == (409, "nothing_to_improve")
    keep(alice, voice, "Another rope around the evening")
    assert refusal(alice("POST", path, {"attest": True}))[:2] == (409, "freezing")
    assert ok(alice("GET", f"/feedback?voice={voice}"))["unused"] == 1  # nothing was marked by what was refused
    desk.do()
    assert ok(alice("POST", path, {"attest": True}), 202)["kept"] == 1


def test_it_can_be_undone_like_any_act(alice: Caller, desk: Desk, harbour: tuple[str, str]) -> None:
    dataset_id, voice = harbour
    keep(alice, voice, "A rope around the morning")
    ok(alice("POST", f"/adapters/{voice}/improve", {"attest": True}), 202)
    desk.do()
    assert ok(alice("POST", f"/datasets/{dataset_id}/undo"))["undone"] == "Brought in 1 kept line"
    found = next(song for song in songs(alice, dataset_id) if song["source"] == "feedback")
    assert found["is_dropped"]


def test_a_voice_whose_dataset_is_gone_says_so(alice: Caller, harbour: tuple[str, str]) -> None:
    dataset_id, voice = harbour
    keep(alice, voice, "A rope around the morning")
    assert alice("DELETE", f"/datasets/{dataset_id}").status_code == 204
    status, code, words = refusal(alice("POST", f"/adapters/{voice}/improve", {"attest": True}))
    assert (status, code) == (409, "nothing_to_improve")
    assert "bring it back" in words


def test_beginnings_are_of_songs_that_no_version_trains_on(alice: Caller, bob: Caller) -> None:
    dataset_id = UUID(made(alice))
    held = [
        FrozenSong(
            f"song {n}", "", f"Song {n}", f"Line {n}\nTwo\nThree\n\nBridge {n}\nOver\nIt\n", "paste", "", "mine", ""
        )
        for n in range(200)
    ]
    split_of_line = {song.text.split("\n")[at]: song.split for song in held for at in (0, 4)}
    with store.bucket() as bucket:
        manifest = version.freeze(held, bucket=bucket, dataset_id=dataset_id, number=1)
        version.publish(bucket, manifest)
    with unit_of_work() as session:
        row = DatasetVersion(
            dataset_id=dataset_id,
            number=1,
            content_sha256=manifest.content_sha256,
            manifest=manifest.model_dump(mode="json"),
        )
        session.add(row)
        session.flush()
        version_id = row.id
    voice = adapter_of(alice, "Harbour", dataset_id=str(dataset_id), version_id=version_id)
    with unit_of_work() as session:
        for part in (CARDS, COMPARISONS):
            drawn = beginnings(session, alice.user().id, [voice], part, 30, seed=1)
            known = [split_of_line[text.split("\n")[0]] for text in drawn if text.split("\n")[0] in split_of_line]
            assert len(known) >= 10
            assert set(known) == {part}
            assert len(drawn) == 30
            assert all(text.count("\n") == 2 and text.endswith("\n") for text in drawn)
            assert drawn == beginnings(session, alice.user().id, [voice], part, 30, seed=1)
        # A voice of somebody else tells nothing of its songs.
        strange = beginnings(session, bob.user().id, [voice], COMPARISONS, 10, seed=1)
        assert {text.strip() for text in strange} <= set(OUR_OWN[::2])
        both = [set(beginnings(session, bob.user().id, [], part, 40, seed=1)) for part in (CARDS, COMPARISONS)]
        assert not both[0] & both[1]
