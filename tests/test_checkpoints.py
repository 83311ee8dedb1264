"""Checkpoints from a Hugging Face directory into the bucket and back, by the `ghost checkpoints` command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from click.testing import Result
from gcp_storage_emulator.server import create_server
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPTJConfig, GPTNeoConfig, PreTrainedConfig
from typer.testing import CliRunner

from contracts.bucket import Bucket, LocalBucket, open_bucket
from contracts.manifest import CheckpointManifest, checkpoint_manifest_key
from contracts.settings import load_settings
from ghost.cli import app
from inference.checkpoints import CheckpointCorrupt, fetch, list_checkpoints, publish
from inference.convert import SMOLLM2, smollm2
from inference.engine import Engine
from inference.huggingface import Unsupported, prepare
from tests.services import free_port, make_tiny_checkpoint

Ghost = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data directory of this test's own."""
    monkeypatch.setenv("GHOST_HOME", str(tmp_path / "home"))
    load_settings.cache_clear()
    yield tmp_path / "home"
    load_settings.cache_clear()


@pytest.fixture
def ghost(home: Path) -> Ghost:
    """The command, run in this process."""
    return lambda *arguments: CliRunner().invoke(app, ["checkpoints", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture(scope="session")
def _tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    make_tiny_checkpoint(folder)
    return folder


@pytest.fixture
def tiny(_tiny: Path, tmp_path: Path) -> Path:
    """A small Llama directory that the test may spoil."""
    return Path(shutil.copytree(_tiny, tmp_path / "tiny"))


def add(ghost: Ghost, source: Path | str, name: str = "demo") -> Result:
    return ghost("add", source, "--name", name, "--licence", "MIT", "--title", "A demo", "--frame", "Song:\n")


def rewrite_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))


def as_bin(folder: Path, *, shards: int = 1) -> dict[str, torch.Tensor]:
    """Turn a safetensors directory into the old format, with a buffer such as old GPT-Neo files carry."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    stored = tensors | {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}
    if shards == 1:
        torch.save(stored, folder / "pytorch_model.bin")
        return tensors
    names = [f"pytorch_model-{i + 1:05d}-of-{shards:05d}.bin" for i in range(shards)]
    where = {key: names[i % shards] for i, key in enumerate(stored)}
    for name in names:
        torch.save({key: tensor for key, tensor in stored.items() if where[key] == name}, folder / name)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return tensors


def test_it_works(ghost: Ghost, home: Path, tiny: Path) -> None:
    added = add(ghost, tiny)
    assert added.exit_code == 0, added.stderr
    assert added.stdout.startswith("demo: llama, ")
    listed = json.loads(ghost("ls", "--json").stdout)
    assert [(row["name"], row["licence"], row["title"], row["frame"]) for row in listed] == [
        ("demo", "MIT", "A demo", "Song:\n")
    ]
    assert "demo  llama" in ghost("ls").stdout
    verified = ghost("verify")
    assert (verified.exit_code, verified.stdout) == (0, "demo  whole\n")


def test_what_is_fetched_can_be_served(ghost: Ghost, home: Path, tiny: Path) -> None:
    add(ghost, tiny)
    bucket = LocalBucket(home / "bucket")
    directory = fetch(bucket, list_checkpoints(bucket)["demo"], home / "cache")
    engine = Engine.load(directory, dtype="float32", device="cpu", num_slots=2, max_len=64, max_waiting=0)
    assert engine.encode("hello") == engine.encode("hello", frame="")
    engine.stop()


@pytest.mark.parametrize("shards", [1, 3])
def test_old_pickles_become_the_same_tensors_in_safetensors(tiny: Path, tmp_path: Path, shards: int) -> None:
    tensors = as_bin(tiny, shards=shards)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    prepared = prepare(tiny, scratch)
    found: dict[str, torch.Tensor] = {}
    for path, file in prepared.files.items():
        assert not path.endswith(".bin")
        if path.endswith(".safetensors"):
            found |= load_file(file)
    assert {key: tensor.tolist() for key, tensor in found.items()} == {k: t.tolist() for k, t in tensors.items()}


@pytest.mark.parametrize(
    "config",
    [
        GPTNeoConfig(
            vocab_size=257,
            hidden_size=32,
            num_layers=2,
            num_heads=2,
            attention_types=[[["global", "local"], 1]],
            max_position_embeddings=64,
            bos_token_id=None,
            eos_token_id=None,
        ),
        GPTJConfig(
            vocab_size=300, n_embd=32, n_layer=2, n_head=2, rotary_dim=4, n_positions=64, tie_word_embeddings=False
        ),
    ],
    ids=lambda config: config.model_type,
)
def test_the_other_architectures_come_in_by_pickle_too(
    ghost: Ghost, home: Path, tiny: Path, config: PreTrainedConfig
) -> None:
    (tiny / "generation_config.json").unlink()
    network = AutoModelForCausalLM.from_config(config)
    network.save_pretrained(tiny)
    tensors = load_file(tiny / "model.safetensors")
    (tiny / "model.safetensors").unlink()
    buffers = {"transformer.h.0.attn.attention.bias": torch.ones(1), "transformer.h.0.attn.masked_bias": torch.ones(1)}
    torch.save(tensors | buffers, tiny / "pytorch_model.bin")
    added = add(ghost, tiny)
    assert added.exit_code == 0, added.stderr
    bucket = LocalBucket(home / "bucket")
    listing = list_checkpoints(bucket)["demo"]
    assert listing.manifest is not None
    assert listing.manifest.architecture == config.model_type
    assert listing.manifest.num_parameters == network.num_parameters()
    directory = fetch(bucket, listing, home / "cache")
    Engine.load(directory, dtype="float32", device="cpu", num_slots=2, max_len=64, max_waiting=0).stop()


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, (str(self.mark),))


def test_a_pickle_that_would_run_code_is_refused_and_runs_none(ghost: Ghost, home: Path, tiny: Path) -> None:
    (tiny / "model.safetensors").unlink()
    torch.save({"weight": Bomb(tiny / "ran")}, tiny / "pytorch_model.bin")
    refused = add(ghost, tiny)
    assert refused.exit_code == 1
    assert "holds more than tensors, and loading it could run its code: refused" in refused.stderr
    assert not (tiny / "ran").exists()
    assert ghost("ls", "--json").stdout.strip() == "[]"


def _without(file: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).unlink()


def _spoil_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"not safetensors at all")


def _drop_a_tensor(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _drop_the_tokenizer(folder: Path) -> None:
    for file in folder.glob("*token*"):
        file.unlink()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_without("config.json"), "holds no config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json cannot be read"),
        (lambda folder: rewrite_config(folder, model_type="bert"), "'bert'; only gpt_neo, gptj, llama can be served"),
        (lambda folder: rewrite_config(folder, vocab_size=100), "has 257 tokens, its network only 100"),
        (lambda folder: rewrite_config(folder, hidden_size=64), "config.json asks for"),
        (lambda folder: rewrite_config(folder, quantization_config={"quant_method": "gptq"}), "quantised weights"),
        (_drop_the_tokenizer, "holds no tokenizer"),
        (_without("model.safetensors"), "holds no weights"),
        (_spoil_weights, "is not a safetensors file"),
        (_drop_a_tensor, "the weights lack 'model.norm.weight'"),
    ],
)
def test_a_directory_that_cannot_be_served_is_refused_in_one_line(
    ghost: Ghost, home: Path, tiny: Path, spoil: Callable[[Path], None], says: str
) -> None:
    spoil(tiny)
    refused = add(ghost, tiny)
    assert refused.exit_code == 1
    assert says in refused.stderr
    last = refused.stderr.strip().splitlines()[-1]
    assert last.startswith("ghost: ")
    assert ghost("ls", "--json").stdout.strip() == "[]"


def test_an_index_cannot_name_files_outside_its_directory(tiny: Path, tmp_path: Path) -> None:
    as_bin(tiny, shards=2)
    (tmp_path / "secret.bin").write_bytes(b"x")
    (tiny / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": {"a": "../secret.bin"}}))
    with pytest.raises(Unsupported, match="which is not there"):
        prepare(tiny, tmp_path)


@pytest.mark.parametrize("name", ["", "A", "a", "../up", "a/b", "-a", "a" * 65])
def test_a_bad_name_is_refused_before_anything_is_read(ghost: Ghost, home: Path, name: str) -> None:
    refused = ghost("add", "/nowhere", f"--name={name}", "--licence", "MIT")
    assert refused.exit_code == 1
    assert "is not a checkpoint name" in refused.stderr


def test_one_flipped_bit_is_found(ghost: Ghost, home: Path, tiny: Path) -> None:
    add(ghost, tiny)
    flip_a_bit(home / "bucket/checkpoints/demo/model.safetensors")
    found = ghost("verify", "demo")
    assert found.exit_code == 1
    assert "the checksum of model.safetensors is not the one in its manifest" in found.stderr


def test_a_change_that_restores_the_modification_time_is_seen(ghost: Ghost, home: Path, tiny: Path) -> None:
    add(ghost, tiny)
    bucket = LocalBucket(home / "bucket")
    listing = list_checkpoints(bucket)["demo"]
    fetch(bucket, listing, home / "cache")
    file = home / "bucket/checkpoints/demo/model.safetensors"
    before = file.stat()
    flip_a_bit(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(CheckpointCorrupt, match=r"the checksum of model\.safetensors"):
        fetch(bucket, listing, home / "cache")


def test_an_untouched_file_is_hashed_once(ghost: Ghost, home: Path, tiny: Path) -> None:
    add(ghost, tiny)
    bucket = LocalBucket(home / "bucket")
    listing = list_checkpoints(bucket)["demo"]
    hashed: list[int] = []
    fetch(bucket, listing, home / "cache", lambda _what, done, _total: hashed.append(done))
    assert hashed
    hashed.clear()
    fetch(bucket, listing, home / "cache", lambda _what, done, _total: hashed.append(done))
    assert not hashed


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("change", ["missing", "short"])
def test_a_torn_file_is_found(ghost: Ghost, home: Path, tiny: Path, change: str) -> None:
    add(ghost, tiny)
    file = home / "bucket/checkpoints/demo/tokenizer.json"
    if change == "missing":
        file.unlink()
    else:
        os.truncate(file, 10)
    found = ghost("verify")
    assert found.exit_code == 1
    assert "tokenizer.json" in found.stderr


def test_adding_again_replaces_all_of_it(ghost: Ghost, home: Path, tiny: Path) -> None:
    bucket = LocalBucket(home / "bucket")
    as_bin(tiny, shards=2)
    add(ghost, tiny)
    first = list_checkpoints(bucket)["demo"]
    for file in tiny.glob("pytorch_model*"):
        file.unlink()
    make_tiny_checkpoint(tiny)
    add(ghost, tiny)
    second = list_checkpoints(bucket)["demo"]
    assert first.digest != second.digest
    assert {key.rpartition("/")[2] for key in bucket.keys("checkpoints/demo/")} == {
        "manifest.json",
        *(entry.path for entry in second.manifest.files if second.manifest),  # type: ignore[union-attr]
    }
    assert ghost("verify").exit_code == 0


def test_a_crash_before_the_manifest_leaves_no_checkpoint(home: Path, tiny: Path) -> None:
    bucket = LocalBucket(home / "bucket")
    (home / "bucket").mkdir(parents=True)

    class PowerCut(Exception):
        pass

    def cut(_what: str, done: int, total: int) -> None:
        if done > total // 2:
            raise PowerCut

    with pytest.raises(PowerCut):
        publish(bucket, manifest_of("demo"), prepare(tiny, tiny).files, cut)
    assert list_checkpoints(bucket) == {}


def manifest_of(name: str) -> CheckpointManifest:
    return CheckpointManifest(
        name=name, architecture="llama", num_parameters=1, dtype="float32", licence="MIT", source="test", files=()
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"not json", "its manifest cannot be read"),
        (manifest_of("other").model_dump_json().encode(), "its manifest belongs to 'other'"),
        (manifest_of("demo").model_dump_json().encode(), "it holds no config.json"),
        (
            manifest_of("demo")
            .model_dump_json()
            .replace('"files":[]', '"files":[{"path":"w.bin","size_bytes":1,"sha256":"' + "0" * 64 + '"}]')
            .encode(),
            "it holds 'w.bin'; only safetensors, json and txt are ever read",
        ),
    ],
)
def test_a_manifest_that_cannot_be_used_is_listed_with_its_reason(
    ghost: Ghost, home: Path, content: bytes, says: str
) -> None:
    bucket = LocalBucket(home / "bucket")
    bucket.write(checkpoint_manifest_key("demo"), content)
    bucket.write("checkpoints/.hidden!/manifest.json", content)
    listings = list_checkpoints(bucket)
    assert list(listings) == ["demo"]
    assert says in listings["demo"].reason
    assert says in ghost("ls").stdout
    assert ghost("verify").exit_code == 1


def test_from_gcs_it_is_downloaded_once_and_checked(tiny: Path, tmp_path: Path) -> None:
    port = free_port()
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket="ghost")
    server.start()
    try:
        bucket: Bucket = open_bucket("gs://ghost/prefix", emulator_host=f"http://127.0.0.1:{port}")
        publish(bucket, manifest_of("demo"), prepare(tiny, tmp_path).files)
        listing = list_checkpoints(bucket)["demo"]
        steps: list[str] = []
        directory = fetch(bucket, listing, tmp_path / "cache", lambda what, _done, _total: steps.append(what))
        assert (directory / "model.safetensors").read_bytes() == (tiny / "model.safetensors").read_bytes()
        assert "downloading" in steps
        steps.clear()
        fetch(bucket, listing, tmp_path / "cache", lambda what, _done, _total: steps.append(what))
        assert steps == []
        flip_a_bit(directory / "model.safetensors")  # a bad disk: it is fetched anew
        fetch(bucket, listing, tmp_path / "cache", lambda what, _done, _total: steps.append(what))
        assert "downloading" in steps
        bucket.write("checkpoints/demo/config.json", b"{}")
        with pytest.raises(CheckpointCorrupt, match=r"config\.json has 2 bytes"):
            fetch(bucket, listing, tmp_path / "other-cache")
    finally:
        server.stop()


def test_the_demo_is_made_only_once(home: Path) -> None:
    bucket = LocalBucket(home / "bucket")
    bucket.write(checkpoint_manifest_key(SMOLLM2), manifest_of(SMOLLM2).model_dump_json().encode())
    assert smollm2(bucket) is False


class Hub(BaseHTTPRequestHandler):
    """The few answers of a Hugging Face hub that a download asks for, out of one directory."""

    folder: ClassVar[Path]
    asked: ClassVar[list[str]] = []
    COMMIT: ClassVar[str] = "0123456789abcdef0123456789abcdef01234567"

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, *_arguments: object) -> None:
        return

    def _answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0]
        self.asked.append(path)
        name = path.rpartition("/")[2]
        headers = {"X-Repo-Commit": self.COMMIT}
        if path.startswith("/api/models/someone/tiny"):
            files = [file for file in self.folder.iterdir() if file.is_file()]
            tree = [{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": "0" * 40} for f in files]
            siblings = [{"rfilename": file.name} for file in files]
            about = {"id": "someone/tiny", "sha": self.COMMIT, "siblings": siblings}
            content = json.dumps(tree if "/tree/" in path else about).encode()
            headers["Content-Type"] = "application/json"
        elif path.startswith("/someone/tiny/resolve/") and (self.folder / name).is_file():
            content = (self.folder / name).read_bytes()
            headers["ETag"] = f'"{name}-{len(content)}"'
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        for header, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(header, value)
        self.end_headers()
        if body:
            self.wfile.write(content)


def ghost_process(home: Path, endpoint: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as its own process, since the hub's address is read when its client is imported."""
    environment = os.environ | {"GHOST_HOME": str(home), "HF_ENDPOINT": endpoint, "HF_HOME": str(home / "hf")}
    return subprocess.run(
        [sys.executable, "-m", "ghost", *arguments], env=environment, capture_output=True, text=True, timeout=120
    )


def test_a_hub_name_brings_weights_and_texts_and_no_code(home: Path, tiny: Path) -> None:
    (tiny / "modeling_evil.py").write_text("raise SystemExit")
    torch.save({}, tiny / "pytorch_model.bin")
    Hub.folder, Hub.asked[:] = tiny, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    arguments = ("checkpoints", "add", "someone/tiny", "--name", "from-hub", "--licence", "MIT")
    try:
        done = ghost_process(home, endpoint, *arguments)
        assert done.returncode == 0, done.stderr
        missing = ghost_process(home, endpoint, "checkpoints", "add", "no/one", "--name", "xx", "--licence", "MIT")
    finally:
        server.shutdown()
    fetched = {path.rpartition("/")[2] for path in Hub.asked if "/resolve/" in path}
    assert {"config.json", "tokenizer.json", "model.safetensors"} <= fetched
    assert not [name for name in fetched if name.endswith((".py", ".bin"))]
    manifest = list_checkpoints(LocalBucket(home / "bucket"))["from-hub"].manifest
    assert manifest is not None
    assert manifest.source == "someone/tiny"
    assert missing.returncode == 1
    assert missing.stderr.strip().splitlines()[-1].startswith("ghost: no/one cannot be had from the Hugging Face hub")


def test_a_hub_out_of_reach_is_said_in_one_line(home: Path) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    done = ghost_process(home, endpoint, "checkpoints", "add", "someone/tiny", "--name", "xx", "--licence", "MIT")
    assert done.returncode == 1
    assert "someone/tiny cannot be had from the Hugging Face hub" in done.stderr
    assert "Traceback" not in done.stderr
