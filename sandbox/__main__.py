"""`python -m sandbox`: the whole stack, until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator

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
            console.print("\nstopping everything ...", highlight=False)
            running.cancel()

    for wish in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if wish is not signal.SIGHUP or signal.getsignal(wish) is not signal.SIG_IGN:  # nohup means it
            asyncio.get_running_loop().add_signal_handler(wish, stop)
    try:
        await running
    except asyncio.CancelledError:
        console.print("stopped; nothing is left running", highlight=False)


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
