"""A Chromium for the tests that walk through the pages: the one that is here, else one that can be installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> Path | None:
    """The program, or None where there is no Chromium."""
    for name in _NAMES:
        if found := shutil.which(name):
            return Path(found)
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    return own if own.exists() else None


def install() -> None:
    """Try Debian's package where we may, then Playwright's own."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        fetched = subprocess.run(["apt-get", "-qq", "update"], env=quiet, check=False)
        if fetched.returncode == 0:
            wanted = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", "chromium"]
            subprocess.run(wanted, env=quiet, stdout=subprocess.DEVNULL, check=False)
    if find() is None:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


def main() -> None:
    """The command line: `python -m sandbox.chromium`. Fails without a Chromium where `CI=true`."""
    if find() is None:
        print("there is no Chromium here; installing one for the tests that walk through the pages ...", flush=True)
        install()
    if find() is None:
        bar = "!" * 100
        print(
            f"{bar}\nNO CHROMIUM: THE WALKS THROUGH THE PAGES WILL NOT BE RUN. Install chromium and try again.\n{bar}"
        )
        sys.exit(os.environ.get("CI") == "true")


if __name__ == "__main__":
    main()
