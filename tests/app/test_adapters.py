"""Voices that were trained: published when they are no worse or with a reason, one live of each title, one's own."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from bench.checkpoints import write_adapter
from contracts.bucket import open_bucket
from contracts.settings import Settings
from models import Adapter
from tests.app.builders import ok, refusal
from tests.app.conftest import Caller
from tests.app.test_generations import follow, start
from tests.app.trainings import (
    BARE,
    BETTER,
    WORSE,
    Version,
    begun,
    finish,
    trainable_version,
    voice,
)
from tests.inference.adapters import publish_adapter
from tests.patience import until
from tests.services import TINY, InferenceService

SHARED = "everybodys"


@pytest.fixture
def inference_url(inference: InferenceService) -> str:
    return inference.url


@pytest.fixture
def settings(settings: Settings, inference: InferenceService) -> Settings:
    """With the bucket that the inference service serves from."""
    return settings.model_copy(update={"bucket_url": f"file://{inference.home / 'bucket'}"})


@pytest.fixture
def version(alice: Caller, settings: Settings, engine: Engine) -> Version:
    return trainable_version(alice, settings, engine)


@pytest.fixture(scope="module")
def weights(inference: InferenceService, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter for the tiny checkpoint, as PEFT's files."""
    return write_adapter(inference.home / "tiny", tmp_path_factory.mktemp("weights"), seed=1, spread=3.0)


def live(engine: Engine) -> list[int]:
    """The numbers of the live versions."""
    with Session(engine) as session:
        return list(session.scalars(select(Adapter.number).where(Adapter.is_live).order_by(Adapter.number)))


def menu(caller: Caller) -> list[str]:
    """One's own voices in the menu; what is everybody's comes and goes with the service's list."""
    cards = ok(caller("GET", "/voices"))["voices"]
    return [card["name"] for card in cards if card["kind"] == "adapter" and card["name"] != SHARED]


def written(caller: Caller, voice_id: str) -> str:
    generation_id = start(caller, voice=voice_id)
    follow(caller, generation_id)
    return str(ok(caller("GET", f"/generations/{generation_id}"))["takes"][0]["text"])


def until_listed(caller: Caller, name: str) -> None:
    """The service looks for what is everybody's every few seconds."""

    def is_listed() -> bool:
        return name in {card["name"] for card in ok(caller("GET", "/voices"))["voices"]}

    until(is_listed, 20, f"{name} is not listed", every_s=0.2)


def test_it_works(
    alice: Caller, bob: Caller, version: Version, engine: Engine, settings: Settings, weights: Path
) -> None:
    voice_id = voice(alice, engine, settings, version)
    folder = Path(settings.bucket.removeprefix("file://"))
    publish_adapter(folder, voice_id, weights, TINY, owner=alice.user().id)
    assert menu(alice) == []
    tried = written(alice, voice_id)
    assert tried != written(alice, TINY), "its owner may try it before it is published"
    shown = ok(alice("POST", f"/adapters/{voice_id}/publish", {}))
    assert (shown["title"], shown["number"], shown["is_live"], shown["worse"]) == ("Harbour", 1, True, [])
    assert shown["published_at"] is not None
    cards = {card["name"]: card for card in ok(alice("GET", "/voices"))["voices"]}
    card = cards[voice_id]
    assert (card["kind"], card["title"], card["number"], card["base"]) == ("adapter", "Harbour", 1, TINY)
    assert (card["state"], card["num_parameters"]) == ("cold", cards[TINY]["num_parameters"])
    assert written(alice, voice_id) == tried
    assert menu(bob) == []
    status, code, words = refusal(bob("POST", "/generations", {"voice": voice_id, "prompt": "A line"}))
    assert (status, code) == (400, "unknown_voice")
    assert "Harbour" not in words
    listed = ok(alice("GET", "/adapters"))["adapters"]
    assert [(row["id"], row["card"]) for row in listed if not row["is_shared"]] == [(voice_id, None)]
    assert ok(alice("GET", f"/adapters/{voice_id}")) == shown


def test_what_is_worse_is_published_with_a_reason_only(
    alice: Caller, version: Version, engine: Engine, settings: Settings
) -> None:
    run_id = begun(alice, engine, version)["id"]
    finish(engine, settings, run_id, adapter=WORSE)
    status, code, words = refusal(alice("POST", f"/adapters/{run_id}/publish", {"reason": "  "}))
    assert (status, code) == (409, "is_worse")
    assert "2.500 bits a byte against 2.000" in words
    assert menu(alice) == []
    for reason in ("x" * 501, "no\x00text"):
        assert alice("POST", f"/adapters/{run_id}/publish", {"reason": reason}).status_code == 400
    shown = ok(alice("POST", f"/adapters/{run_id}/publish", {"reason": "It sounds  like me."}))
    assert (shown["reason"], len(shown["worse"])) == ("It sounds like me.", 1)
    assert menu(alice) == [run_id]


def test_it_is_measured_against_the_version_before(
    alice: Caller, version: Version, engine: Engine, settings: Settings
) -> None:
    run_id = begun(alice, engine, version)["id"]
    between = BARE.model_copy(update={"bits_per_byte": 1.7})
    finish(engine, settings, run_id, adapter=between, before=BETTER)
    assert "the version before" in refusal(alice("POST", f"/adapters/{run_id}/publish", {}))[2]


def test_one_of_a_title_is_live_and_the_one_before_takes_its_place(
    alice: Caller, version: Version, engine: Engine, settings: Settings
) -> None:
    first, second, third = (voice(alice, engine, settings, version) for _ in range(3))
    for voice_id in (first, second, third):
        ok(alice("POST", f"/adapters/{voice_id}/publish", {}))
    assert live(engine) == [3]
    ok(alice("POST", f"/adapters/{second}/publish", {}))
    assert live(engine) == [2], "published again, an earlier one is live"
    assert menu(alice)[0] == second
    assert set(menu(alice)) == {first, second, third}
    assert ok(alice("POST", f"/adapters/{second}/retire"))["is_live"] is False
    assert live(engine) == [1], "the one before is, though there is a later one"
    assert menu(alice) == [first, third]
    assert refusal(alice("POST", f"/adapters/{second}/retire"))[:2] == (409, "not_published")
    ok(alice("POST", f"/adapters/{third}/retire"))
    assert live(engine) == [1]
    assert alice("DELETE", f"/adapters/{first}").status_code == 204
    assert live(engine) == []
    assert menu(alice) == []


def test_a_deleted_voice_is_gone_and_its_run_stays(
    alice: Caller, version: Version, engine: Engine, settings: Settings, weights: Path
) -> None:
    voice_id = voice(alice, engine, settings, version)
    folder = Path(settings.bucket.removeprefix("file://"))
    publish_adapter(folder, voice_id, weights, TINY, owner=alice.user().id)
    assert written(alice, voice_id)
    assert alice("DELETE", f"/adapters/{voice_id}").status_code == 204
    assert list(open_bucket(settings.bucket).keys(f"adapters/{voice_id}/")) == []
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/download"), ("POST", "/retire")):
        assert alice(method, f"/adapters/{voice_id}{path}").status_code == 404, (method, path)
    assert refusal(alice("POST", "/generations", {"voice": voice_id, "prompt": "A line"}))[1] == "unknown_voice"
    run = ok(alice("GET", f"/runs/{voice_id}"))
    assert (run["state"], run["adapter_id"]) == ("done", None)
    with Session(engine) as session:
        assert session.get_one(Adapter, UUID(voice_id)).card == {}


def test_it_is_downloaded_as_peft_reads_it_and_every_byte_is_checked(
    alice: Caller, version: Version, engine: Engine, settings: Settings
) -> None:
    run_id = begun(alice, engine, version, "Süße „Töne“/..")["id"]
    content = finish(engine, settings, run_id)
    answer = alice("GET", f"/adapters/{run_id}/download")
    assert answer.mimetype == "application/zip"
    assert "filename*=UTF-8''S%C3%BC%C3%9Fe" in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert archive.testzip() is None
        found = {name: archive.read(name) for name in archive.namelist()}
    card = json.loads(found.pop("card.json"))
    assert found == content
    assert card == ok(alice("GET", f"/adapters/{run_id}"))["card"]
    bucket = open_bucket(settings.bucket)
    key = next(key for key in bucket.keys(f"adapters/{run_id}/") if key.endswith(".safetensors"))
    bucket.write(key, bucket.read(key)[:-1] + b"?")
    status, code, words = refusal(alice("GET", f"/adapters/{run_id}/download"))
    assert (status, code) == (409, "voice_torn")
    assert key in words


def test_what_is_everybodys_is_listed_shown_and_had_by_all(
    alice: Caller, charlie: Caller, engine: Engine, settings: Settings, weights: Path
) -> None:
    bucket, folder = open_bucket(settings.bucket), Path(settings.bucket.removeprefix("file://"))
    card = {"of": "public-domain songs"}
    publish_adapter(folder, SHARED, weights, TINY, owner=None, title="Everybody's", number=1, card=card)
    publish_adapter(folder, "somebodys", weights, TINY, owner=uuid4())
    try:
        for caller in (alice, charlie):
            shown = ok(caller("GET", f"/adapters/{SHARED}"))
            assert (shown["title"], shown["is_shared"], shown["card"]) == ("Everybody's", True, card)
            until_listed(caller, SHARED)
            assert [row["id"] for row in ok(caller("GET", "/adapters"))["adapters"]] == [SHARED]
            assert caller("GET", "/adapters/somebodys").status_code == 404
            assert caller("GET", "/adapters/no-such").status_code == 404
            assert caller("GET", "/adapters/..%2Fcheckpoints").status_code == 404
            with zipfile.ZipFile(io.BytesIO(caller("GET", f"/adapters/{SHARED}/download").data)) as archive:
                had = archive.read("adapter_model.safetensors")
            assert (
                hashlib.sha256(had).digest()
                == hashlib.sha256((weights / "adapter_model.safetensors").read_bytes()).digest()
            )
            assert caller("DELETE", f"/adapters/{SHARED}").status_code in (404, 405)
        altered = json.loads(bucket.read(f"adapters/{SHARED}/manifest.json")) | {"title": "Mine"}
        bucket.write(f"adapters/{SHARED}/manifest.json", json.dumps(altered).encode())
        assert refusal(alice("GET", f"/adapters/{SHARED}"))[:2] == (409, "voice_torn")
    finally:
        for name in (SHARED, "somebodys"):
            for key in list(bucket.keys(f"adapters/{name}/")):
                bucket.delete(key)


def test_nobody_elses_voice_exists(
    alice: Caller, bob: Caller, charlie: Caller, version: Version, engine: Engine, settings: Settings
) -> None:
    voice_id = voice(alice, engine, settings, version)
    ok(alice("POST", f"/adapters/{voice_id}/publish", {}))
    for stranger in (bob, charlie):
        for method, path in (
            ("GET", ""), ("GET", "/download"), ("POST", "/publish"), ("POST", "/retire"), ("DELETE", ""),
        ):  # fmt: skip
            assert stranger(method, f"/adapters/{voice_id}{path}", {}).status_code == 404, (method, path)
        assert [row for row in ok(stranger("GET", "/adapters"))["adapters"] if not row["is_shared"]] == []
        assert menu(stranger) == []
    assert live(engine) == [1]


def test_two_who_publish_at_once_leave_one_live(
    alice: Caller, version: Version, engine: Engine, settings: Settings
) -> None:
    made = [voice(alice, engine, settings, version) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda voice_id: alice("POST", f"/adapters/{voice_id}/publish", {}), made))
    assert {answer.status_code for answer in answers} == {200}
    assert len(live(engine)) == 1
    assert len(menu(alice)) == 4


def test_a_voice_whose_base_is_gone_says_so_in_the_menu(
    alice: Caller, version: Version, engine: Engine, settings: Settings
) -> None:
    voice_id = voice(alice, engine, settings, version)
    ok(alice("POST", f"/adapters/{voice_id}/publish", {}))
    with Session(engine) as session, session.begin():
        session.get_one(Adapter, UUID(voice_id)).base = "gone-with-the-wind"
    card = next(card for card in ok(alice("GET", "/voices"))["voices"] if card["name"] == voice_id)
    assert (card["state"], card["reason"]) == (
        "refused",
        "its base gone-with-the-wind is not on this server any more",
    )
    assert refusal(alice("POST", "/generations", {"voice": voice_id, "prompt": "A line"}))[1] == "voice_refused"
