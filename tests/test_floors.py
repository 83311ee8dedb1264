"""What the walls between the rooms promise at run time: the light processes stay light."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "transformers", "tokenizers", "safetensors")
NOBODY_HOME = "postgresql+psycopg2://nobody:nothing@127.0.0.1:1/nowhere"


def loaded_by(statement: str, tmp_path: Path) -> set[str]:
    """The modules of a fresh interpreter after a statement."""
    settings = {"GHOST_HOME": str(tmp_path), "DATABASE_URL": NOBODY_HOME, "SECRET_KEY": "k", "SERVICE_SECRET": "s"}
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}; import sys; print('loaded:', *sys.modules)"],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("loaded:")[2].split())


def test_it_works(tmp_path: Path) -> None:
    assert "json" in loaded_by("import json", tmp_path)


@pytest.mark.parametrize(
    "statement",
    ["import wsgi", "import worker.cpu", "import worker.gpu", "import ghost.cli", "import sandbox.stack"],
)
def test_no_torch_comes_along(statement: str, tmp_path: Path) -> None:
    assert not loaded_by(statement, tmp_path) & set(HEAVY)


def test_the_inference_service_brings_neither_flask_nor_a_database(tmp_path: Path) -> None:
    assert not loaded_by("import inference.server", tmp_path) & {"flask", "sqlalchemy", "psycopg2", "dash"}


@pytest.mark.parametrize("statement", ["import worker.cpu", "import worker.gpu"])
def test_the_workers_bring_no_flask(statement: str, tmp_path: Path) -> None:
    assert not loaded_by(statement, tmp_path) & {"flask", "dash", "app"}
