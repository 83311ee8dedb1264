"""Every example in a docstring of `lyrics/` is true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import lyrics

MODULES = [module.name for module in pkgutil.iter_modules(lyrics.__path__, "lyrics.") if not module.ispkg]


@pytest.mark.parametrize("name", MODULES)
def test_it_works(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0
