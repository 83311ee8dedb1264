"""Make `.venv` and put into it what a profile needs: `run` for `make run`, `dev` for tests and checks besides.

`python3 sandbox/install.py PROFILE` runs before anything is installed, so it uses the standard library alone. It does
nothing when the requirements are those that were installed last.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

OLDEST_PYTHON = (3, 11)
ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
PROFILES = {"run": "requirements-sandbox.txt", "dev": "requirements-dev.txt"}
LARGER = {"run": ("run", "dev"), "dev": ("dev",)}
"""Which installed profiles will do for one that is asked for."""


def main() -> None:
    """The command line."""
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:2]))
        sys.exit(f"Ghost Rhymes needs Python 3.11 or newer, and this is {found}: try `make run PYTHON=python3.12`")
    profile = sys.argv[1]
    wanted = _digest()
    if any(_stamp(name).exists() and _stamp(name).read_text() == wanted for name in LARGER[profile]):
        return
    began = time.monotonic()
    _make_venv()
    print("installing what is needed (once; some minutes without a package cache) ...", flush=True)
    constraints = ["-c", str(ROOT / "constraints.txt")]
    _pip(*constraints, "-r", str(ROOT / PROFILES[profile]))
    _pip("--no-deps", "-r", str(ROOT / "requirements-no-deps.txt"))
    _pip("--no-deps", "--no-build-isolation", "-e", str(ROOT))
    _stamp(profile).write_text(wanted)
    print(f"installed in {time.monotonic() - began:.0f} s", flush=True)


def _digest() -> str:
    """Of everything that decides what is installed, and of where: a moved `.venv` does not work."""
    digest = hashlib.sha256(f"{ROOT} {sys.version_info[:2]}".encode())
    for path in sorted([*ROOT.glob("requirements*.txt"), ROOT / "constraints.txt", ROOT / "pyproject.toml"]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _stamp(profile: str) -> Path:
    return VENV / f".installed-{profile}"


def _make_venv() -> None:
    """Make `.venv`, or keep the one that works with this version of Python."""
    question = [str(PYTHON), "-c", f"import sys, pip; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])})"]
    if PYTHON.exists() and subprocess.run(question, capture_output=True, check=False).returncode == 0:
        return
    print(f"making {VENV} ...", flush=True)
    if VENV.exists():
        shutil.rmtree(VENV)
    if subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=False).returncode != 0:
        sys.exit("could not make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv")


def _pip(*arguments: str) -> None:
    command = [str(PYTHON), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-compile"]
    if subprocess.run([*command, *arguments], check=False).returncode != 0:
        sys.exit("pip could not install what is needed; its own words are above")


if __name__ == "__main__":
    main()
