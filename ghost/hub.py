"""Checkpoints from the Hugging Face hub: only the files a checkpoint of ours is made of, never any code."""

from __future__ import annotations

from pathlib import Path

import httpx2
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

from inference.checkpoints import Progress, quiet

ANSWER_S = 10.0
TEXT_FILES = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
]
SAFE_WEIGHTS = ["model.safetensors", "model-*.safetensors", "model.safetensors.index.json"]
OLD_WEIGHTS = ["pytorch_model.bin", "pytorch_model-*.bin", "pytorch_model.bin.index.json"]


class HubAway(RuntimeError):
    """The hub cannot be reached, or it does not let us have this checkpoint."""

    def __init__(self, name: str, why: object) -> None:
        reason = str(why).strip().partition("\n")[0]
        super().__init__(
            f"{name} cannot be had from the Hugging Face hub: {reason}. "
            "Log in with `hf auth login` if it is gated, or fetch it elsewhere and give the directory"
        )


def download(name: str, progress: Progress = quiet) -> Path:
    """The directory of `name` in the hub's own cache, with `.bin` weights only where there are no safetensors.

    Raises:
        HubAway: it cannot be had.
    """
    progress("asking the hub", 0, 1)
    try:
        files = HfApi().model_info(name, timeout=ANSWER_S).siblings or []
        weights = SAFE_WEIGHTS if any(file.rfilename.endswith(".safetensors") for file in files) else OLD_WEIGHTS
        progress("asking the hub", 1, 1)
        return Path(snapshot_download(name, allow_patterns=[*TEXT_FILES, *weights]))
    except (httpx2.HTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, HFValidationError, OSError) as error:
        raise HubAway(name, error) from error
