"""Every example in a docstring of `training/` is true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import training

MODULES = [module.name for module in pkgutil.walk_packages(training.__path__, "training.") if not module.ispkg]


@pytest.mark.parametrize("name", MODULES)
def test_it_works(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0
