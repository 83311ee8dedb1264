"""A progress bar for a terminal that also reads well in a log file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from inference.checkpoints import Progress as Report


@contextmanager
def progress_bar(title: str) -> Iterator[Report]:
    """A bar per step of the work, on stderr; where that is no terminal, one line when each step begins."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(f"{title}: {what}", total=total)
                if not console.is_terminal:
                    console.print(f"{title}: {what}", highlight=False)
            bars.update(tasks[what], completed=done, total=total)

        yield report
