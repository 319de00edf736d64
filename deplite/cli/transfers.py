"""What a person sees while a file is on its way: a bar on a terminal, else a line now and then. All of it on stderr."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.text import Text

from deplite.amounts import spelled_bytes
from deplite.client.files import Told
from deplite.local.progress import LINE_SECONDS


def shown(text: str) -> str:
    """Return a text that somebody else chose, as it can be printed."""
    return "".join(char if char.isprintable() else "?" for char in text)


@contextmanager
def transfer(console: Console, name: str) -> Iterator[Told]:
    """Show one file on its way as long as the block runs."""
    if console.is_terminal:
        with _bar(console) as progress:
            yield _Bar(progress, name)
    else:
        yield _Lines(console, name)


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=24), DownloadColumn(True))
    return Progress(*columns, TransferSpeedColumn(), TimeRemainingColumn(), console=console, transient=True)


class _Bar:
    def __init__(self, progress: Progress, name: str) -> None:
        self._progress, self._name = progress, shown(name)
        self._task = progress.add_task(self._name, total=None)
        self._what = ""

    def __call__(self, what: str, done: int, size: int) -> None:
        if what != self._what:
            self._what = what
            self._progress.reset(self._task, total=size, description=f"{what} {self._name}")
        self._progress.update(self._task, completed=done)


class _Lines:
    def __init__(self, console: Console, name: str) -> None:
        self._console, self._name = console, shown(name)
        self._said = time.monotonic()

    def __call__(self, what: str, done: int, size: int) -> None:
        if time.monotonic() - self._said >= LINE_SECONDS:
            self._said = time.monotonic()
            line = f"{what} {self._name}: {done / max(size, 1):.0%} of {spelled_bytes(size)}"
            self._console.print(Text(line), soft_wrap=True)
