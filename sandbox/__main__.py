"""`python -m sandbox`: the whole stack, until Ctrl-C."""

from __future__ import annotations

import asyncio
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

from rich.console import Console

from sandbox.stack import Stack, StackFailed, check_ports, plan, sole_user, write_stack_file


async def _until_told(stack: Stack, console: Console) -> None:
    """Run the stack until it fails or somebody wants it to end."""
    running = asyncio.ensure_future(stack.run())
    told = False

    def stop() -> None:
        nonlocal told
        if not told:
            told = True
            running.cancel()
            _say(console, "\nstopping everything ...")

    for wish in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if wish is not signal.SIGHUP or signal.getsignal(wish) is not signal.SIG_IGN:  # nohup means it
            asyncio.get_running_loop().add_signal_handler(wish, stop)
    watch = asyncio.ensure_future(_call_when_hung_up(stop))
    try:
        await running
    except asyncio.CancelledError:
        _say(console, "stopped; nothing is left running")
    finally:
        watch.cancel()


async def _call_when_hung_up(stop: Callable[[], None]) -> None:
    """Call `stop` when our terminal has gone: the kernel tells a session's leader alone, and `make` may be that."""
    if not sys.stdin.isatty():
        return
    poll = select.poll()
    poll.register(sys.stdin.fileno(), 0)
    while not poll.poll(0):
        await asyncio.sleep(1.0)
    stop()


def _say(console: Console, text: str) -> None:
    with suppress(OSError):  # the terminal may be what has gone
        console.print(text, highlight=False)


def _flat(failures: BaseExceptionGroup[StackFailed]) -> Iterator[StackFailed]:
    for failure in failures.exceptions:
        if isinstance(failure, BaseExceptionGroup):
            yield from _flat(failure)
        else:
            yield failure


def main() -> None:
    """The command line."""
    console = Console()
    try:
        settled = plan()
        with sole_user(settled.home):
            check_ports(settled.settings, inference=settled.runs_inference)
            write_stack_file(settled.home, settled.shared)
            console.print(
                f"\n  [bold]Ghost Rhymes[/]  [dim]data in {settled.home}[/]\n", highlight=False, soft_wrap=True
            )
            asyncio.run(_until_told(Stack(settled, console), console))
    except* StackFailed as failures:
        for failure in sorted({str(failure) for failure in _flat(failures)}):
            console.print(f"\n{failure}", style="red", highlight=False, markup=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
