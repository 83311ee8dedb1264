"""Manifests, and the only place that spells a bucket key.

An artefact exists when its manifest does: files are written first, the manifest last. A manifest names each file with
its size and SHA-256, so a reader can tell a whole artefact from a torn or altered one.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Architecture = Literal["gpt_neo", "gptj", "llama"]
MANIFEST = "manifest.json"
CHECKPOINTS = "checkpoints/"
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
