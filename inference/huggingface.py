"""A Hugging Face directory (or a GGUF file) from the outside: is it something an engine can serve, and as which files?

What comes out is always safetensors, a config and tokenizer files. Old `.bin` pickles are read with `weights_only`,
so that they can hold tensors and nothing else. Knows nothing of buckets, engines or HTTP.
"""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections import Counter
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tokenizers import pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from contracts.manifest import Architecture
from inference.checkpoints import CheckpointError, Progress, quiet

WEIGHTS, WEIGHTS_INDEX = "model.safetensors", "model.safetensors.index.json"
OLD_WEIGHTS, OLD_WEIGHTS_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
)
# Buffers that old checkpoints carry along with their weights; every network makes its own.
BUFFERS = (".attn.bias", ".attn.masked_bias", ".attn.attention.bias", ".attn.attention.masked_bias", ".inv_freq")


class Unsupported(CheckpointError):
    """A directory that no engine of ours can serve; the message says what is wrong with it and what would do."""


@dataclass(frozen=True)
class Prepared:
    """The files of a checkpoint-to-be, by their path in the checkpoint, and what its manifest has to say of them."""

    files: dict[str, Path]
    architecture: Architecture
    num_parameters: int
    dtype: str


def prepare(source: Path, scratch: Path, progress: Progress = quiet) -> Prepared:
    """Check a Hugging Face directory from the outside in, converting in `scratch` what cannot be published as it is.

    Raises:
        Unsupported: the architecture, the tokenizer or the weights are not what an engine can serve.
    """
    config = _read_config(source)
    files = {"config.json": source / "config.json"}
    if (source / "generation_config.json").is_file():
        files["generation_config.json"] = source / "generation_config.json"
    files |= _tokenizer_files(source, scratch, int(config.get_text_config().vocab_size))
    weights = _weight_files(source, scratch, progress)
    num_parameters, dtype = _check_weights(config, weights)
    return Prepared(files | weights, config.model_type, num_parameters, dtype)


def unpack_llama(packed: Path, target: Path, progress: Progress) -> None:
    """A quantised GGUF file of a Llama network, as a bf16 Hugging Face directory."""
    progress("reading", 0, 3)
    tokenizer = AutoTokenizer.from_pretrained(packed.parent, gguf_file=packed.name)
    # transformers drops the GGUF's `pre: smollm`, which splits numbers into digits before the bytes are looked up.
    # Source: tokenizer.json of HuggingFaceTB/SmolLM2-135M-Instruct, and `llama_vocab` of llama.cpp.
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.save_pretrained(target)
    progress("reading", 1, 3)
    with redirect_stderr(io.StringIO()):  # its own progress bar would write across ours
        quantised = AutoModelForCausalLM.from_pretrained(packed.parent, gguf_file=packed.name, dtype=torch.bfloat16)
    progress("reading", 2, 3)
    settings = quantised.config.to_dict()
    settings.pop("quantization_config", None)
    network = LlamaForCausalLM(LlamaConfig(**settings)).to(torch.bfloat16)
    network.load_state_dict(quantised.state_dict())
    network.save_pretrained(target)
    progress("reading", 3, 3)


def _read_config(source: Path) -> Any:
    """The directory's transformers config; `Any` because its class depends on the architecture."""
    try:
        content = json.loads((source / "config.json").read_text())
    except FileNotFoundError:
        raise Unsupported(f"{source} holds no config.json; it is not a Hugging Face checkpoint") from None
    except (OSError, ValueError) as error:
        raise Unsupported(f"{source / 'config.json'} cannot be read: {error}") from None
    architecture = content.get("model_type") if isinstance(content, dict) else None
    if architecture not in get_args(Architecture):
        known = ", ".join(get_args(Architecture))
        raise Unsupported(f"{source} is of the architecture {architecture!r}; only {known} can be served")
    if content.get("quantization_config"):
        raise Unsupported(f"{source} holds quantised weights; give a checkpoint in fp32, fp16 or bf16")
    try:
        return AutoConfig.from_pretrained(source, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, TypeError) as error:
        raise Unsupported(f"{source / 'config.json'} cannot be read: {error}") from None


def _tokenizer_files(source: Path, scratch: Path, vocab_size: int) -> dict[str, Path]:
    """The tokenizer's files; one that has only `vocab.json` and `merges.txt` gets its `tokenizer.json` made."""
    if not any((source / file).is_file() for file in ("tokenizer.json", "vocab.json", "tokenizer.model")):
        raise Unsupported(
            f"{source} holds no tokenizer: put its tokenizer.json, or vocab.json and merges.txt, beside it"
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, TypeError, KeyError, ImportError) as error:
        raise Unsupported(f"the tokenizer of {source} cannot be read: {error}") from None
    if not tokenizer.is_fast:
        raise Unsupported(f"the tokenizer of {source} has no fast form; save it as tokenizer.json first")
    if len(tokenizer) > vocab_size:
        raise Unsupported(f"the tokenizer of {source} has {len(tokenizer)} tokens, its network only {vocab_size}")
    where = source
    if not (source / "tokenizer.json").is_file():
        where = scratch / "tokenizer"
        tokenizer.save_pretrained(where)
    return {file: where / file for file in TOKENIZER_FILES if (where / file).is_file()}


def _weight_files(source: Path, scratch: Path, progress: Progress) -> dict[str, Path]:
    if (source / WEIGHTS_INDEX).is_file():
        shards = _shards(source, WEIGHTS_INDEX)
        return {WEIGHTS_INDEX: source / WEIGHTS_INDEX} | {shard: source / shard for shard in shards}
    if (source / WEIGHTS).is_file():
        return {WEIGHTS: source / WEIGHTS}
    if (source / OLD_WEIGHTS_INDEX).is_file():
        return _unpickle(source, _shards(source, OLD_WEIGHTS_INDEX), scratch, progress)
    if (source / OLD_WEIGHTS).is_file():
        return _unpickle(source, [OLD_WEIGHTS], scratch, progress)
    raise Unsupported(f"{source} holds no weights: neither {WEIGHTS} nor {OLD_WEIGHTS}, whole or in shards")


def _shards(source: Path, index: str) -> list[str]:
    try:
        shards = sorted(set(json.loads((source / index).read_text())["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise Unsupported(f"{source / index} cannot be read: {error!r}") from None
    for shard in shards:
        if Path(shard).name != shard or not (source / shard).is_file():
            raise Unsupported(f"{source / index} names {shard!r}, which is not there")
    return shards


def _unpickle(source: Path, pickles: list[str], scratch: Path, progress: Progress) -> dict[str, Path]:
    """Old `.bin` files as safetensors, shard by shard."""
    files: dict[str, Path] = {}
    weight_map: dict[str, str] = {}
    for i, name in enumerate(pickles):
        progress("converting", i, len(pickles))
        tensors = _read_pickle(source / name)
        shard = WEIGHTS if len(pickles) == 1 else f"model-{i + 1:05d}-of-{len(pickles):05d}.safetensors"
        files[shard] = scratch / shard
        # Clones: safetensors wants each tensor to own its bytes, and tied weights share theirs.
        kept = {key: t.contiguous().clone() for key, t in tensors.items() if not key.endswith(BUFFERS)}
        save_file(kept, files[shard], metadata={"format": "pt"})
        weight_map |= dict.fromkeys(kept, shard)
        progress("converting", i + 1, len(pickles))
    if len(pickles) > 1:
        files[WEIGHTS_INDEX] = scratch / WEIGHTS_INDEX
        files[WEIGHTS_INDEX].write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return files


def _read_pickle(file: Path) -> dict[str, torch.Tensor]:
    try:
        tensors = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except pickle.UnpicklingError:
        raise Unsupported(
            f"{file.name} is a pickle that holds more than tensors, and loading it could run its code: refused. "
            "Ask its maker for safetensors"
        ) from None
    except (OSError, EOFError, RuntimeError) as error:
        raise Unsupported(f"{file.name} cannot be read: {error}") from None
    if not isinstance(tensors, dict) or not all(isinstance(t, torch.Tensor) for t in tensors.values()):
        raise Unsupported(f"{file.name} is not a dictionary of tensors")
    return tensors


def _check_weights(config: Any, files: dict[str, Path]) -> tuple[int, str]:
    """The number of parameters and their most common dtype, once every tensor of the network is there in its shape."""
    with torch.device("meta"):
        network = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    tied = set(network.all_tied_weights_keys) if config.tie_word_embeddings else set()
    found: dict[str, list[int]] = {}
    dtypes: Counter[str] = Counter()
    for path, file in files.items():
        if not path.endswith(".safetensors"):
            continue
        try:
            with safe_open(file, framework="pt") as tensors:
                for key in tensors.keys():  # noqa: SIM118 - a safetensors file is no dictionary
                    found[key] = tensors.get_slice(key).get_shape()
                    dtypes[tensors.get_slice(key).get_dtype()] += 1
        except (SafetensorError, OSError) as error:
            raise Unsupported(f"{file.name} is not a safetensors file: {error}") from None
    prefix = f"{network.base_model_prefix}."
    for key, parameter in network.named_parameters(remove_duplicate=False):
        shape = found.get(key, found.get(key.removeprefix(prefix)))
        if shape is None and key not in tied:
            raise Unsupported(f"the weights lack {key!r}, which config.json asks for")
        if shape is not None and list(shape) != list(parameter.shape):
            raise Unsupported(f"{key!r} has the shape {list(shape)}, config.json asks for {list(parameter.shape)}")
    dtype = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}.get(dtypes.most_common(1)[0][0])
    if dtype is None:
        raise Unsupported(f"the weights are {dtypes.most_common(1)[0][0]}; give a checkpoint in fp32, fp16 or bf16")
    return sum(parameter.numel() for parameter in network.parameters()), dtype
