"""Every example in a docstring of `dashboards/` is true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import dashboards

MODULES = [f"dashboards.{module.name}" for module in pkgutil.iter_modules(dashboards.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_it_works(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0
