"""Manifests, and the only place that spells a bucket key.

An artefact exists when its manifest does: files are written first, the manifest last. A manifest names each file with
its size and SHA-256, so a reader can tell a whole artefact from a torn or altered one.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator

Architecture = Literal["gpt_neo", "gptj", "llama"]
MANIFEST = "manifest.json"
CHECKPOINTS = "checkpoints/"
ADAPTERS = "adapters/"
RUNS = "runs/"
DATASETS = "datasets/"
UPLOADS = "uploads/"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}[a-z0-9]")


class BadName(ValueError):
    """A name that cannot be part of a bucket key."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name[:80]!r} is not a checkpoint name: use 2 to 64 of a-z, 0-9, '.', '_' and '-', "
            "with a letter or digit at both ends"
        )


def checked_name(name: str) -> str:
    """`name` itself when it can stand in a bucket key.

    >>> checked_name("smollm2-135m-instruct")
    'smollm2-135m-instruct'

    Raises:
        BadName: it could escape its folder or confuse a reader.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise BadName(name)
    return name


def checkpoint_key(name: str, file: str) -> str:
    """Where a checkpoint's file lies in the bucket.

    >>> checkpoint_key("demo", "config.json")
    'checkpoints/demo/config.json'
    """
    return f"{CHECKPOINTS}{checked_name(name)}/{file}"


def checkpoint_manifest_key(name: str) -> str:
    """Where a checkpoint's manifest lies in the bucket."""
    return checkpoint_key(name, MANIFEST)


def dataset_folder(dataset_id: UUID) -> str:
    """Where everything of a dataset lies in the bucket."""
    return f"{DATASETS}{dataset_id}/"


def dataset_key(dataset_id: UUID, number: int, file: str) -> str:
    """Where a file of a dataset's version lies in the bucket; versions count from 1.

    >>> dataset_key(UUID(int=7), 2, "manifest.json")
    'datasets/00000000-0000-0000-0000-000000000007/v2/manifest.json'
    """
    return f"{dataset_folder(dataset_id)}v{number}/{file}"


def dataset_manifest_key(dataset_id: UUID, number: int) -> str:
    """Where the manifest of a dataset's version lies in the bucket."""
    return dataset_key(dataset_id, number, MANIFEST)


def adapter_key(adapter_id: str, file: str) -> str:
    """Where a file of an adapter lies in the bucket; `adapter_id` is a run's UUID, or the name of a shared adapter.

    >>> adapter_key("cowboy", "manifest.json")
    'adapters/cowboy/manifest.json'
    """
    return f"{ADAPTERS}{checked_name(adapter_id)}/{file}"


def adapter_manifest_key(adapter_id: str) -> str:
    """Where an adapter's manifest lies in the bucket."""
    return adapter_key(adapter_id, MANIFEST)


def run_folder(run_id: UUID) -> str:
    """Where everything lies that a run needs to go on from; cleared when the run is over."""
    return f"{RUNS}{run_id}/"


def attempt_folder(run_id: UUID, attempt: UUID) -> str:
    """Where one attempt at a run saves its states, so that two attempts never write to the same place."""
    return f"{run_folder(run_id)}{attempt}/"


def upload_key(user_id: UUID, upload_id: UUID) -> str:
    """Where a file that a user brought lies in the bucket until it is read."""
    return f"{UPLOADS}{user_id}/{upload_id}"


class FileEntry(BaseModel):
    """One file of an artefact. `path` is relative to the artefact's folder."""

    model_config = ConfigDict(frozen=True)

    path: str
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*", path) or ".." in path:
            raise ValueError(f"{path[:80]!r} is not a plain relative path")
        return path


class CheckpointManifest(BaseModel):
    """What a base checkpoint is, where it came from, and what its bytes must be."""

    kind: Literal["checkpoint"] = "checkpoint"
    version: Literal[1] = 1
    name: str
    title: str = Field(default="", description="what the voice menu shows; the name when empty")
    architecture: Architecture
    num_parameters: int = Field(ge=0)
    dtype: str
    licence: str = Field(min_length=1, description="the licence of the weights, and of what they were trained on")
    source: str = Field(description="where the weights came from")
    frame: str = Field(
        default="", description="text put before a prompt when the request is framed; may hold special tokens"
    )
    files: tuple[FileEntry, ...]
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))

    @field_validator("name")
    @classmethod
    def _name_is_safe(cls, name: str) -> str:
        return checked_name(name)


class AdapterManifest(BaseModel):
    """What an adapter is, whose it is, what it was made of, and what its bytes must be.

    `owner_id` is None for one that everybody may use. `base_sha256` tells the weights that it was trained on (see
    `weights_sha256`): on others it would do harm. `card` is what its page shows. `files` are PEFT's
    `adapter_config.json` and `adapter_model.safetensors`, in a folder of the attempt that made them, and `originality/`
    beside them: the index of the songs that it was trained on. `seal` is as a dataset's.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["adapter"] = "adapter"
    version: Literal[1] = 1
    adapter_id: str
    owner_id: UUID | None
    title: str
    number: int = Field(ge=1, description="which version of the title this is")
    base: str = Field(description="the checkpoint's name")
    base_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    architecture: Architecture
    lora_rank: int = Field(ge=1)
    licence: str = ""
    card: dict[str, Any] = Field(default_factory=dict)
    files: tuple[FileEntry, ...]
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    seal: str = ""

    @field_validator("adapter_id", "base")
    @classmethod
    def _name_is_safe(cls, name: str) -> str:
        return checked_name(name)

    def sealed(self) -> Self:
        """The same, with its seal."""
        return self.model_copy(update={"seal": _digest(self)})

    @property
    def is_whole(self) -> bool:
        """Whether the seal is that of the content."""
        return self.seal == _digest(self)


class DatasetManifest(BaseModel):
    """What a frozen dataset holds, by whose rights, and what its bytes must be.

    `content_sha256` is the same for the same songs, rights and rules, whenever and wherever they are frozen.
    `seal` is over everything else here: a manifest whose own bytes were altered says so.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["dataset"] = "dataset"
    version: Literal[1] = 1
    dataset_id: UUID
    number: int = Field(ge=1)
    name: str = Field(default="", description="what its owner called the dataset when it was frozen")
    content_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    counts: dict[str, int] = Field(description="`songs`, `lines`, `words`")
    splits: dict[str, int] = Field(description="songs by `train`, `validation` and `test`")
    sources: dict[str, int] = Field(description="songs by who gave the words")
    rights: dict[str, int] = Field(description="songs by the right that their owner stated")
    languages: dict[str, int] = Field(default_factory=dict)
    rules_off: tuple[str, ...] = Field(description="cleaning rules that were switched off, sorted")
    statistics: dict[str, Any] = Field(default_factory=dict, description="as `corpus.statistics` tells them")
    files: tuple[FileEntry, ...]
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    seal: str = ""

    def sealed(self) -> Self:
        """The same, with its seal."""
        return self.model_copy(update={"seal": _digest(self)})

    @property
    def is_whole(self) -> bool:
        """Whether the seal is that of the content."""
        return self.seal == _digest(self)


def weights_sha256(manifest: CheckpointManifest) -> str:
    """One name for a checkpoint's weights, whatever else of it has changed since."""
    weights = sorted((file.path, file.sha256) for file in manifest.files if file.path.endswith(".safetensors"))
    return hashlib.sha256(json.dumps(weights).encode()).hexdigest()


def _digest(manifest: BaseModel) -> str:
    content = manifest.model_dump(mode="json", exclude={"seal"})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
