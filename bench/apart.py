"""Measures in a process of its own, so that no system profits by, or pays for, what another left behind."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def measured(measure: Callable[P, T], here: bool, *args: P.args, **kwargs: P.kwargs) -> T:
    """What `measure` finds, in a fresh process, or `here`, which is quicker and worth less."""
    if here:
        return measure(*args, **kwargs)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(measure, *args, **kwargs).result()
