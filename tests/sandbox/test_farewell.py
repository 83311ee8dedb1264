"""A stack whose terminal goes away stops, whoever keeps the kernel's word of it to himself."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from sandbox.__main__ import _call_when_hung_up


def test_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, ours = os.openpty()
    monkeypatch.setattr(sys, "stdin", os.fdopen(ours))

    async def hang_up() -> bool:
        stopped = asyncio.Event()
        watch = asyncio.ensure_future(_call_when_hung_up(stopped.set))
        await asyncio.sleep(0)
        assert not stopped.is_set()
        os.close(terminal)
        async with asyncio.timeout(10):
            await stopped.wait()
        await watch
        return True

    assert asyncio.run(hang_up())


def test_without_a_terminal_there_is_nothing_to_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(reading))
    os.close(writing)
    stopped: list[bool] = []
    asyncio.run(_call_when_hung_up(lambda: stopped.append(True)))
    assert stopped == []
