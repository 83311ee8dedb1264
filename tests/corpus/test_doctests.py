"""Every example in a docstring of `corpus/` is true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import corpus

MODULES = [module.name for module in pkgutil.walk_packages(corpus.__path__, "corpus.") if not module.ispkg]


@pytest.mark.parametrize("name", MODULES)
def test_it_works(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0
