"""What `make run` shows while it works: one line a step, with a bar where the end is known.

On a terminal the lines live; elsewhere each is printed when there is something to say. Knows nothing of the steps.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, Task, TaskID, TextColumn
from rich.text import Text

_QUARTERS = 4


class _BarWhenMeasured(BarColumn):
    def render(self, task: Task) -> RenderableType:  # type: ignore[override]  # rich says so for its own columns only
        return super().render(task) if task.fields["measured"] and not task.finished else Text()


class _Seconds(TextColumn):
    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        took = task.finished_time if task.finished else task.elapsed
        return Text(f"{took or 0.0:5.1f} s", style="dim")


class Step:
    """One piece of work in progress."""

    def __init__(self, steps: Steps, name: str, task: TaskID | None) -> None:
        self._steps, self._name, self._task = steps, name, task
        self._reached = ("", 0)

    def note(self, text: str) -> None:
        """Say what is going on now."""
        self._steps.show(self._task, self._name, text)

    def update(self, what: str, done: int, total: int) -> None:
        """How far we are with one part of the work; the parts come one after another."""
        if self._task is not None:
            # one unit is kept back: the line is finished when its block is, not with the last byte
            self._steps.live.update(self._task, note=what, completed=done, total=total + 1, measured=True)
            return
        reached = (what, done * _QUARTERS // max(total, 1))
        if reached != self._reached:
            self._reached = reached
            self.note(f"{what} {100 * done // max(total, 1)} %")


class Steps:
    """The steps of one start, several at a time."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}"),
            TextColumn("{task.fields[note]}", style="dim"),
            _BarWhenMeasured(bar_width=24),
            _Seconds(),
            console=console,
        )
        self._began = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Since the first step."""
        return time.monotonic() - self._began

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Keep the lines alive for the length of a `with` block."""
        if self.console.is_terminal:
            with self.live:
                yield
        else:
            yield

    @contextmanager
    def step(self, name: str, note: str) -> Iterator[Step]:
        """A line for one piece of work, ticked when the block ends well."""
        task = None
        if self.console.is_terminal:
            task = self.live.add_task(f"{name:<9}", total=None, note=note, measured=False)
        step = Step(self, name, task)
        if task is None:
            step.note(note)
        yield step
        if task is not None:
            self.live.update(task, completed=1, total=1)

    def show(self, task: TaskID | None, name: str, note: str) -> None:
        """Replace a line's note, or print one where lines cannot be replaced."""
        if task is not None:
            self.live.update(task, note=note)
        else:
            self.console.print(
                f"{self.elapsed_s:6.1f} s  {name:<9}  {note}", highlight=False, markup=False, soft_wrap=True
            )
