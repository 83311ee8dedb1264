"""Voices come and go: loaded when wanted, refused when corrupt, evicted when idle, loaded anew after a failure."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import httpx

from tests.inference_service.conftest import SLOW, Serve, Served, eventually
from tests.patience import until
from tests.services import TINY, publish_directory


def spoil(served: Served, name: str) -> None:
    """Flip a bit of a checkpoint's weights."""
    file = served.bucket / "checkpoints" / name / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_it_works(serve: Serve) -> None:
    served = serve(voices=("aa", "bb"))
    assert {name: card["state"] for name, card in served.voices().items()} == {"aa": "cold", "bb": "cold"}
    assert served.write(model="aa").choices[0].text
    assert {name: card["state"] for name, card in served.voices().items()} == {"aa": "resident", "bb": "cold"}


def test_many_who_want_a_cold_voice_share_one_load(serve: Serve) -> None:
    served = serve()
    texts: list[str] = []
    threads = [threading.Thread(target=lambda: texts.append(served.write().choices[0].text)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts) == 8
    assert len(set(texts)) == 1
    assert served.metric("loads_total") == 1


def test_a_corrupt_voice_is_refused_and_the_others_keep_serving(serve: Serve, tiny_folder: Path) -> None:
    served = serve(voices=("good", "spoilt"))
    spoil(served, "spoilt")
    assert code_of(served.post(model="spoilt")) == (503, "voice_refused")
    card = served.voices()["spoilt"]
    assert card["state"] == "refused"
    assert "the checksum of model.safetensors is not the one in its manifest" in card["reason"]
    assert served.write(model="good").choices[0].text
    assert code_of(served.post(model="spoilt", stream=True)) == (503, "voice_refused")
    assert served.metric("loads_total", outcome="refused") == 1
    publish_directory(tiny_folder, served.bucket, "spoilt", served.home)  # added again: it is tried again
    eventually(lambda: served.post(model="spoilt").status_code == 200, "it is still refused")
    assert served.voices()["spoilt"]["state"] == "resident"


def test_whole_files_that_make_no_network_are_refused_with_the_reason(serve: Serve, tiny_folder: Path) -> None:
    served = serve(voices=("good", "odd"))
    folder = served.bucket / "checkpoints" / "odd"
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = [entry for entry in manifest["files"] if "token" not in entry["path"]]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert code_of(served.post(model="odd")) == (503, "voice_refused")
    assert "it cannot be loaded" in served.voices()["odd"]["reason"]
    assert served.write(model="good").choices[0].text


def test_a_manifest_that_cannot_be_read_is_shown_as_refused(serve: Serve) -> None:
    served = serve()
    (served.bucket / "checkpoints/torn").mkdir()
    (served.bucket / "checkpoints/torn/manifest.json").write_text("{")
    card = served.voices()["torn"]
    assert (card["state"], card["id"]) == ("refused", "torn")
    assert "manifest cannot be read" in card["reason"]


def test_the_voice_idle_longest_makes_room(serve: Serve) -> None:
    served = serve(voices=("aa", "bb", "cc"), inference_max_resident=2)
    for name in ("aa", "bb", "aa", "cc"):
        served.write(model=name)
    assert {name: card["state"] for name, card in served.voices().items()} == {
        "aa": "resident",
        "bb": "cold",
        "cc": "resident",
    }


def test_a_voice_that_is_writing_is_not_evicted(serve: Serve) -> None:
    served = serve(voices=(SLOW, "bb"), inference_max_resident=1)
    with served.writing() as lines:
        answer = served.post(model="bb")
        assert code_of(answer) == (503, "voices_busy")
        assert int(answer.headers["retry-after"]) > 0
        assert [line for line in lines if line][-1] == "data: [DONE]"
    assert served.write(model="bb").choices[0].text
    assert served.voices()[SLOW]["state"] == "cold"


def test_with_the_bucket_away_resident_voices_go_on(serve: Serve) -> None:
    served = serve(voices=("aa", "bb"))
    served.write(model="aa")
    away = served.home / "away"
    served.bucket.rename(away)
    eventually(lambda: code_of(served.post(model="bb")) == (503, "bucket_away"), "nobody noticed")
    assert served.write(model="aa").choices[0].text
    assert served.voices()["aa"]["state"] == "resident"
    eventually(lambda: "out of reach" in served.voices()["bb"]["reason"], "the menu does not say so")
    assert httpx.get(f"{served.url}/ready").status_code == 200
    away.rename(served.bucket)
    eventually(lambda: served.post(model="bb").status_code == 200, "it did not come back")


def test_a_checkpoint_added_later_is_found(serve: Serve, tiny_folder: Path) -> None:
    served = serve(voices=())
    answer = httpx.get(f"{served.url}/ready")
    assert code_of(answer) == (503, "not_ready")
    assert "no checkpoint is in the bucket" in answer.json()["error"]["message"]
    publish_directory(tiny_folder, served.bucket, TINY, served.home)
    eventually(lambda: httpx.get(f"{served.url}/ready").status_code == 200, "it was not found")
    assert served.write().choices[0].text


def test_it_is_not_ready_before_its_preloads_are(serve: Serve, tiny_folder: Path) -> None:
    served = serve(inference_preload=f"{TINY},later")
    eventually(lambda: served.voices()[TINY]["state"] == "resident", "the preload was not loaded")
    answer = httpx.get(f"{served.url}/ready")
    assert code_of(answer) == (503, "not_ready")
    assert "'later', to be loaded at the start, is not in the bucket" in answer.json()["error"]["message"]
    publish_directory(tiny_folder, served.bucket, "later", served.home)
    eventually(lambda: httpx.get(f"{served.url}/ready").status_code == 200, "it did not become ready")
    assert served.voices()["later"]["state"] == "resident"


def test_an_engine_that_breaks_ends_its_streams_with_an_error_and_is_loaded_anew(serve: Serve) -> None:
    served = serve(voices=(SLOW,))
    with served.writing() as lines:
        # The engine is broken for real: its runner is taken away, so that the next step cannot run.
        del served.service.voices.resident()[SLOW].engine.runner
        rows = [line for line in lines if line]
    error = json.loads(rows[-1].removeprefix("data: "))["error"]
    assert error["code"] == "engine_failed"
    assert error["retry_after_s"] == 1
    # On a busy machine its bucket may be out of reach for a moment, which is no failed text.
    anew = until(lambda: (answer := served.post(model=SLOW)).is_success and answer, why="it is not loaded anew")
    assert anew
    assert anew.json()["choices"][0]["text"]
    assert served.metric("loads_total", outcome="loaded") == 2
    assert served.metric("requests_total", outcome="failed") == 1


def test_a_new_version_of_a_voice_takes_over_while_the_old_one_finishes(serve: Serve, slow_folder: Path) -> None:
    served = serve(voices=(SLOW,))
    with served.writing() as lines:
        publish_directory(slow_folder, served.bucket, SLOW, served.home)
        eventually(lambda: bool(served.write(model=SLOW)) and served.metric("loads_total") == 2, "it was not taken")
        assert [line for line in lines if line][-1] == "data: [DONE]"
