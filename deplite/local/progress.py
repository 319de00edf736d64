"""What a person sees while something takes time: one line a finished step, a spinner for each that is under way."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

LINE_SECONDS = 10.0
"""Between two lines of a long step where no bar can be shown: in a log file, or in CI."""


class Steps:
    """Shows steps that may run side by side; on a pipe it prints the finished ones only."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.stamped = False
        """Whether each sentence begins with the time, as in a log file."""
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the spinners as long as the block runs, if there is a terminal to show them on."""
        if not self.console.is_terminal:
            yield
            return
        with self._progress:
            yield

    def hide(self) -> None:
        """Show no spinner from now on; finished steps are still printed."""
        self._progress.stop()

    @contextmanager
    def step(self, title: str) -> Iterator["Step"]:
        """Show a step as long as the block runs, then its duration; an exception marks it as failed."""
        began = time.monotonic()
        task = self._progress.add_task(escape(title), total=None, note="")
        step = Step(self._progress, task)
        try:
            yield step
        except BaseException as error:
            self._progress.remove_task(task)
            if not isinstance(
                error, asyncio.CancelledError
            ):  # another step failed, or Ctrl-C: this one did nothing wrong
                self.console.print(f"[red]✗[/red] {escape(title)}", highlight=False, soft_wrap=True)
            raise
        self._progress.remove_task(task)
        seconds = time.monotonic() - began
        note = f"  {escape(step.note)}" if step.note else ""
        self.console.print(
            f"[green]✓[/green] {escape(title)}[dim]{note}  {seconds:.1f} s[/dim]", highlight=False, soft_wrap=True
        )

    def log(self, step: str, text: str) -> None:
        """Print one line of a job's log, behind the name of the workflow's step."""
        self.console.print(
            f"  [cyan]{escape(step):>10}[/cyan] [dim]│[/dim] {escape(text)}", highlight=False, soft_wrap=True
        )

    def say(self, text: str) -> None:
        """Print a sentence above the spinners."""
        stamp = f"{datetime.now():%Y-%m-%d %H:%M:%S} " if self.stamped else ""
        self.console.print(escape(stamp + text), highlight=False, soft_wrap=True)


class Step:
    """A step that is under way."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self._said = time.monotonic()
        self.note = ""
        """Shown behind the title once the step is done."""

    def advance(self, done: float, total: float, note: str) -> None:
        """Show a bar.

        Args:
            done: how much is done, in the unit of `total`.
            total: how much there is to do.
            note: what is being done or how long it will take.
        """
        self._progress.update(self._task, completed=done, total=total, note=escape(note))
        console = self._progress.console
        if not console.is_terminal and time.monotonic() - self._said >= LINE_SECONDS:
            self._said = time.monotonic()
            console.print(escape(f"{done / total:4.0%} {note}"), highlight=False, soft_wrap=True)
