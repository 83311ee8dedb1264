"""Adapters serve their owner and nobody else, from the bucket, loaded when wanted and gone when deleted."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import torch
from safetensors.torch import load_file, save_file

from bench.checkpoints import write_adapter
from contracts.manifest import AdapterManifest
from lyrics.originality import OriginalityIndex
from tests.inference.adapters import publish_adapter
from tests.inference_service.conftest import SLOW, Serve, Served, events, eventually
from tests.inference_service.test_voices import code_of
from tests.services import TINY, publish_directory

ALICE, BOB = UUID(int=1), UUID(int=2)
SONG = "the lantern swings above the empty harbour wall tonight\nand nobody is left to read the names at all"


@pytest.fixture(scope="module")
def folders(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three adapters for the tiny checkpoint, as files."""
    home = tmp_path_factory.mktemp("adapters")
    return [write_adapter(tiny_folder, home / str(seed), seed=seed, spread=3.0) for seed in range(3)]


def publish(served: Served, folder: Path, *, owner: UUID | None = ALICE, name: str = "", base: str = TINY) -> str:
    """An adapter in the bucket; its id."""
    name = name or str(uuid4())
    publish_adapter(served.bucket, name, folder, base, owner=owner)
    return name


def text(served: Served, model: str, user: UUID | str = ALICE) -> str:
    return served.write(model=model, user=str(user), max_tokens=24, seed=3).choices[0].text


def in_memory(served: Served, name: str) -> int:
    """How many versions of an adapter the engine has."""
    return sum(key.startswith(name) for key in served.service.voices.resident()[TINY].engine.adapters())


def manifest_of(served: Served, name: str) -> Path:
    return served.bucket / "adapters" / name / "manifest.json"


def test_it_works(served: Served, folders: list[Path]) -> None:
    mine, other = publish(served, folders[0]), publish(served, folders[1])
    texts = {text(served, voice) for voice in (TINY, mine, other)}
    assert len(texts) == 3
    assert text(served, mine) in texts  # the same again, out of memory
    with served.streaming(model=mine, user=str(ALICE)) as answer:
        rows = [json.loads(row) for row in events(answer) if row != "[DONE]"]
    assert rows[0]["voice_load_ms"] == 0
    assert rows[0]["model"] == mine
    assert {row["voice_load_ms"] for row in rows[1:]} <= {None}
    assert mine not in served.voices()  # a person's adapters are not listed


def test_the_first_event_says_how_long_the_voice_was_loaded(serve: Serve, folders: list[Path]) -> None:
    served = serve()
    assert (served.write().voice_load_ms or 0) > 0
    assert served.write().voice_load_ms == 0
    mine = publish(served, folders[0])
    assert (served.write(model=mine, user=str(ALICE)).voice_load_ms or 0) > 0
    assert served.write(model=mine, user=str(ALICE)).voice_load_ms == 0


def test_an_adapter_is_unknown_to_all_but_its_owner(served: Served, folders: list[Path]) -> None:
    mine = publish(served, folders[0])
    assert text(served, mine)
    missing = served.post(model=str(uuid4()), user=str(BOB))
    for user in (str(BOB), "", str(ALICE).upper() + " "):
        answer = served.post(model=mine, user=user)
        assert code_of(answer) == (404, "unknown_voice")
        assert answer.json()["error"]["message"].replace(mine, "") == missing.json()["error"]["message"].replace(
            json.loads(missing.request.content)["model"], ""
        )
    assert served.post(model="../../home", user=str(BOB)).status_code == 404


def test_a_shared_adapter_serves_all_and_is_in_the_list(served: Served, folders: list[Path]) -> None:
    publish(served, folders[0], owner=None, name="cowboy")
    eventually(lambda: "cowboy" in served.voices(), "it is not listed")  # the list is asked for every two seconds
    card = served.voices()["cowboy"]
    assert (card["kind"], card["base"], card["number"], card["state"]) == ("adapter", TINY, 2, "cold")
    assert card["title"] == "A voice of the tests"
    assert text(served, "cowboy", BOB) == text(served, "cowboy", "")
    assert served.voices()["cowboy"]["state"] == "resident"
    assert served.voices()[TINY]["kind"] == "checkpoint"


def test_an_adapter_of_other_weights_is_refused_with_the_reason(
    serve: Serve, folders: list[Path], slow_folder: Path
) -> None:
    served = serve()
    mine = publish(served, folders[0])
    assert text(served, mine)
    publish_directory(slow_folder, served.bucket, TINY, served.home)  # the same name, other weights
    eventually(lambda: served.post(model=mine, user=str(ALICE)).status_code == 503, "it still serves")
    answer = served.post(model=mine, user=str(ALICE))
    assert code_of(answer) == (503, "voice_refused")
    assert "trained on other weights" in answer.json()["error"]["message"]
    assert served.write().choices[0].text
    gone = publish(served, folders[0])
    (served.bucket / "checkpoints" / TINY / "manifest.json").unlink()
    eventually(lambda: served.post(model=gone, user=str(ALICE)).status_code != 200, "it still serves")


def test_a_flipped_bit_or_an_altered_manifest_is_refused(served: Served, folders: list[Path]) -> None:
    torn, altered, foreign = (publish(served, folders[0]) for _ in range(3))
    file = next(served.bucket.glob(f"adapters/{torn}/*/adapter_model.safetensors"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    answer = served.post(model=torn, user=str(ALICE))
    assert code_of(answer) == (503, "voice_refused")
    assert "the checksum" in answer.json()["error"]["message"]
    manifest = json.loads(manifest_of(served, altered).read_text())
    manifest_of(served, altered).write_text(json.dumps(manifest | {"owner_id": str(BOB)}))
    assert code_of(served.post(model=altered, user=str(ALICE))) == (404, "unknown_voice")
    answer = served.post(model=altered, user=str(BOB))
    assert code_of(answer) == (503, "voice_refused")
    assert "altered after it was sealed" in answer.json()["error"]["message"]
    manifest_of(served, foreign).write_bytes(manifest_of(served, torn).read_bytes())
    assert code_of(served.post(model=foreign, user=str(ALICE))) == (503, "voice_refused")
    assert served.write().choices[0].text


def hostile_tensors(tensors: dict[str, torch.Tensor], how: str) -> dict[str, torch.Tensor]:
    first = sorted(tensors)[0]
    if how == "shape":
        return tensors | {first: torch.zeros(4, 31)}
    if how == "not a number":
        return tensors | {first: torch.full_like(tensors[first], float("nan"))}
    if how == "huge":
        return tensors | {first: torch.full_like(tensors[first], 1e30)}
    if how == "integers":
        return tensors | {first: torch.zeros(tensors[first].shape, dtype=torch.int64)}
    if how == "half":
        return {name: tensor for name, tensor in tensors.items() if name != first}
    if how == "head":
        return tensors | {
            "base_model.model.lm_head.lora_A.weight": torch.zeros(4, 32),
            "base_model.model.lm_head.lora_B.weight": torch.zeros(257, 4),
        }
    if how == "bias":
        return tensors | {"base_model.model.model.layers.0.self_attn.q_proj.base_layer.bias": torch.zeros(32)}
    return {}


@pytest.mark.parametrize("how", ["shape", "not a number", "huge", "integers", "half", "head", "bias", "empty"])
def test_hostile_tensors_are_refused_and_the_others_go_on(
    served: Served, folders: list[Path], tmp_path: Path, how: str
) -> None:
    folder = tmp_path / "hostile"
    folder.mkdir()
    (folder / "adapter_config.json").write_bytes((folders[0] / "adapter_config.json").read_bytes())
    save_file(
        hostile_tensors(load_file(folders[0] / "adapter_model.safetensors"), how), folder / "adapter_model.safetensors"
    )
    answer = served.post(model=publish(served, folder), user=str(ALICE))
    assert code_of(answer) == (503, "voice_refused")
    assert "lora_A" in answer.text or how in {"not a number", "huge", "half", "head", "bias", "empty"}
    assert served.write().choices[0].text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"r": 65}, "its rank is 65"),
        ({"r": True}, "its rank is True"),
        ({"r": 8}, "has shape"),
        ({"peft_type": "IA3"}, "is not that of a LoRA"),
        ({"use_dora": True}, "it uses use_dora"),
        ({"bias": "all"}, "it uses bias"),
        ({"rank_pattern": {"q_proj": 2}}, "it uses rank_pattern"),
        ({"fan_in_fan_out": True}, "it uses fan_in_fan_out"),
        ({"modules_to_save": ["lm_head"]}, "it uses modules_to_save"),
        ({"something_new": 1}, "it uses something_new"),
        ({"init_lora_weights": "pissa_niter_16"}, "changes the base weights"),
        ({"lora_alpha": 1e300}, "too large"),
        ({"lora_alpha": "8"}, "which is no number"),
    ],
)
def test_a_config_that_asks_for_more_than_plain_lora_is_refused(
    served: Served, folders: list[Path], tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    config = json.loads((folders[0] / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | changes))
    (folder / "adapter_model.safetensors").write_bytes((folders[0] / "adapter_model.safetensors").read_bytes())
    answer = served.post(model=publish(served, folder), user=str(ALICE))
    assert code_of(answer) == (503, "voice_refused")
    assert words in answer.json()["error"]["message"]


def test_a_pickle_in_an_adapter_is_never_fetched(served: Served, folders: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    folder.mkdir()
    for file in folders[0].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "adapter_model.bin").write_bytes(b"anything")
    answer = served.post(model=publish(served, folder), user=str(ALICE))
    assert code_of(answer) == (503, "voice_refused")
    assert "only .safetensors" in answer.json()["error"]["message"]


def test_the_adapter_idle_longest_makes_room(serve: Serve, folders: list[Path]) -> None:
    served = serve(inference_max_adapters=2)
    names = [publish(served, folder) for folder in folders]
    wanted = [text(served, name) for name in (*names[:2], names[0], names[2])]
    adapters = served.service.voices.resident()[TINY].adapters
    assert sorted(adapters.names()) == sorted([names[0], names[2]])
    assert served.metric("adapters", voice=TINY) == 2
    assert [text(served, name) for name in names] == [wanted[0], wanted[1], wanted[3]]


def test_an_adapter_that_is_writing_is_not_evicted(serve: Serve, slow_folder: Path, tmp_path: Path) -> None:
    served = serve(voices=(SLOW,), inference_max_adapters=1)
    first, second = (
        publish(served, write_adapter(slow_folder, tmp_path / str(seed), seed=seed), base=SLOW) for seed in range(2)
    )
    with served.writing(model=first, user=str(ALICE)):
        answer = served.post(model=second, user=str(ALICE))
        assert code_of(answer) == (503, "voices_busy")
        assert served.post(model=SLOW).status_code == 200
    eventually(lambda: served.post(model=second, user=str(ALICE)).status_code == 200, "it is still in use")


def test_a_deleted_adapter_serves_no_more_and_leaves_no_files(served: Served, folders: list[Path]) -> None:
    mine = publish(served, folders[0])
    assert text(served, mine)
    assert (served.home / "cache" / "adapters" / mine).is_dir()
    manifest_of(served, mine).unlink()
    eventually(lambda: served.post(model=mine, user=str(ALICE)).status_code == 404, "it still serves", timeout_s=5)
    assert in_memory(served, mine) == 0
    assert not (served.home / "cache" / "adapters" / mine).exists()


def test_a_new_version_under_the_same_id_takes_over(served: Served, folders: list[Path]) -> None:
    mine = publish(served, folders[0])
    before = text(served, mine)
    publish(served, folders[1], name=mine)
    eventually(lambda: text(served, mine) != before, "the old one still serves")
    assert in_memory(served, mine) == 1


def test_with_the_bucket_away_resident_adapters_go_on(serve: Serve, folders: list[Path]) -> None:
    served = serve()
    mine, cold = publish(served, folders[0]), publish(served, folders[1])
    before = text(served, mine)
    away = served.home / "away"
    served.bucket.rename(away)
    eventually(lambda: code_of(served.post(model=cold, user=str(ALICE))) == (503, "bucket_away"), "nobody noticed")
    assert text(served, mine) == before
    away.rename(served.bucket)
    eventually(lambda: served.post(model=cold, user=str(ALICE)).status_code == 200, "it did not come back")


def test_many_who_want_a_cold_adapter_share_one_load(served: Served, folders: list[Path]) -> None:
    mine = publish(served, folders[0])
    texts: list[str] = []
    threads = [threading.Thread(target=lambda: texts.append(text(served, mine))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts) == 8
    assert len(set(texts)) == 1
    assert in_memory(served, mine) == 1


def test_a_form_is_kept_from_reciting_the_songs_of_the_adapter(
    served: Served, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = write_adapter(tiny_folder, tmp_path / "learned")
    OriginalityIndex.build(SONG.split("\n"), "Cowboy's songs").save(folder / "originality")
    mine = publish(served, folder)
    form = {"scheme": "X", "syllables": 11}
    prompt = "the lantern swings above the empty "

    def lines(**body: object) -> list[dict[str, object]]:
        answer = served.write(model=mine, user=str(ALICE), form=form, prompt=prompt, n=4, **body)
        return [line.model_dump() for choice in answer.choices for line in choice.lines]

    evidence = lines()
    assert evidence
    for line in evidence:
        assert "empty harbour" not in str(line["text"])
        nearest = line["nearest"]
        assert isinstance(nearest, dict)
        assert nearest["index"] == "Cowboy's songs"
        assert nearest["line"] == SONG.split("\n")[0]
    impossible = served.post(model=mine, user=str(ALICE), prompt=prompt, form={"scheme": "X", "syllables": 2})
    assert code_of(impossible) == (422, "impossible_form")
    offers = impossible.json()["error"]["offers"]
    assert offers
    assert "originality" not in json.dumps(offers)  # it is no part of what was asked


def test_a_free_text_does_not_recite_the_songs_of_the_adapter(
    served: Served, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = write_adapter(tiny_folder, tmp_path / "learned")
    how = {"user": str(ALICE), "max_tokens": 200, "temperature": 0.5, "seed": 2}
    song = served.write(model=publish(served, folder), **how).choices[0].text
    index = OriginalityIndex.build([song], "what it would write")
    assert index.runs(song, 6)
    index.save(folder / "originality")
    held = served.write(model=publish(served, folder), **how).choices[0].text
    assert len(held) > 50
    assert not index.runs(held, 6)


def test_the_seal_is_what_a_worker_writes(served: Served, folders: list[Path]) -> None:
    mine = publish(served, folders[0])
    assert AdapterManifest.model_validate_json(manifest_of(served, mine).read_bytes()).is_whole
