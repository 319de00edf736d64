"""The log of one job on its way to the disk: cut into lines, masked, numbered, spooled."""

import contextlib
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from deplite_agent.jobs.lines import MAX_LINE, LineSplitter
from deplite_agent.jobs.masking import Masker
from deplite_agent.jobs.shipping import MAX_BATCH_ITEMS
from deplite_agent.records import Record, RecordFile, read_records

log = logging.getLogger(__name__)

Level = Literal["info", "warn", "error"]
_COMMAND = b"::add-mask::"
_ADD_MASK = re.compile(rb"::add-mask::(.+?)\r?\n?\Z")
_ESCAPES = ((b"%0D", b"\r"), (b"%0A", b"\n"), (b"%25", b"%"))


class JobLog:
    """Writes the spool; one writer a job. Whoever ships it is told of each write."""

    def __init__(
        self,
        path: Path,
        masker: Masker,
        told: Callable[[], None],
        *,
        make_room: Callable[[], None] = lambda: None,
        least: int = 0,
    ) -> None:
        """Open the spool; numbering goes on after what is there.

        Args:
            path: the spool.
            masker: knows the secrets; gets the ones that steps add.
            told: called after each write.
            make_room: called before the last words: the disk may be full.
            least: smaller numbers are taken, whatever the spool shows.
        """
        self.masker = masker
        self._make_room = make_room
        self._told = told
        self._next = next_seq(path, least)
        self._file = RecordFile(path)
        self._lost: tuple[int, int] | None = None

    def summary(self, text: str, *, step: str = "", level: Level = "info") -> None:
        """Write a line about the run itself."""
        name, content = self.masker.mask(step), self.masker.mask(text)
        self._write([{"stream": "summary", "level": level, "stepName": name, "content": content}])

    def system(self, text: str, *, level: Level) -> None:
        """Write a line about what the agent itself did, or could not do, for the job."""
        self._write([{"stream": "system", "level": level, "stepName": "", "content": self.masker.mask(text)}])

    def completed(self, status: str) -> None:
        """Write the last line: no step prints any more, so there is room for it."""
        self._make_room()
        self.summary(f"Workflow completed: {status}", level="info" if status == "success" else "error")

    def raw(self, step: str, *, shown: bool) -> "RawOutput":
        """Return where a step's output goes in; what is not shown never leaves this machine."""
        return RawOutput(self, step, shown=shown)

    def write_raw(self, step: str, lines: list[bytes]) -> None:
        """Write lines of output, masked already."""
        name = self.masker.mask(step)
        self._write([{"stream": "raw", "stepName": name, "content": line.decode("utf-8", "replace")} for line in lines])

    def sync(self) -> None:
        """Put all of it on the disk; a full disk has been dealt with line by line."""
        try:
            self._file.sync()
        except OSError as error:
            log.warning("the log could not be synced: %s", error.strerror, extra={"action": "log_sync"})

    def close(self) -> None:
        """Close the spool."""
        if self._lost is not None:
            with contextlib.suppress(OSError):
                self._file.append([_gap(*self._lost)])
                self._told()
        self.sync()
        self._file.close()

    def _write(self, items: list[Record]) -> None:
        if not items:
            return
        numbered = [{"seq": self._next + index} | item for index, item in enumerate(items)]
        self._next += len(items)
        first, last = numbered[0]["seq"], numbered[-1]["seq"]
        try:
            self._file.append(numbered if self._lost is None else [_gap(*self._lost), *numbered])
        except OSError as error:
            if self._lost is None:
                log.warning("log lines are lost: %s", error.strerror, extra={"action": "log_lost"})
            self._lost = (self._lost[0] if self._lost else first, last)
        else:
            self._lost = None
            self._told()


class RawOutput:
    """One step's output: finds the masks that it asks for, and shows the rest if it may be shown."""

    def __init__(self, job_log: JobLog, step: str, *, shown: bool) -> None:
        self._log = job_log
        self._step = step
        self._shown = shown
        self._held = b""
        """The beginning of a line that may become a command."""
        self._fresh = True
        """Whether a line begins with what comes next."""
        self._swallowing = False
        """Whether what comes next is the rest of a command that was longer than any line."""
        self._lines = LineSplitter()

    def feed(self, data: bytes) -> None:
        """Take what the step printed."""
        text = self._held + data
        start = text.rfind(b"\n") + 1
        may_be_command = start > 0 or self._fresh
        self._held = text[start:] if may_be_command and _begins_command(text[start:]) else b""
        self._take(text[: len(text) - len(self._held)])

    def close(self) -> None:
        """The step has printed all it ever will."""
        rest, self._held = self._held, b""
        self._take(rest)
        if self._shown:
            self._log.write_raw(self._step, [*self._lines.feed(self._log.masker.flush()), *self._lines.flush()])

    def _take(self, text: bytes) -> None:
        if _COMMAND in text or self._swallowing:
            for line in _lines(text):
                self._line(line)
        elif text:
            self._show(text)
            self._fresh = text.endswith(b"\n")

    def _line(self, line: bytes) -> None:
        ends = line.endswith(b"\n")
        if self._fresh and (found := _ADD_MASK.match(line)):
            self._log.masker.add(_unescaped(found[1]))
            self._swallowing = not ends
        elif self._swallowing:
            self._swallowing = not ends
        else:
            self._show(line)
        self._fresh = ends

    def _show(self, text: bytes) -> None:
        if self._shown:
            self._log.write_raw(self._step, list(self._lines.feed(self._log.masker.feed(text))))


def _begins_command(end: bytes) -> bool:
    return 0 < len(end) <= MAX_LINE and (end.startswith(_COMMAND) or _COMMAND.startswith(end))


def _lines(text: bytes) -> list[bytes]:
    *whole, rest = text.split(b"\n")
    return [line + b"\n" for line in whole] + ([rest] if rest else [])


def next_seq(path: Path, least: int = 0) -> int:
    """Return a number that no line of this spool ever had, nor one that the disk has lost of it.

    Args:
        path: the spool.
        least: the number after the last one that the server has.
    """
    following, end, damaged = least, 0, False
    for record, after in read_records(path):
        end, damaged = after, damaged or record is None
        if record is not None and isinstance(record.get("seq"), int):
            following = max(following, record["seq"] + 1)
    if damaged or (path.exists() and path.stat().st_size > end):
        return following + MAX_BATCH_ITEMS  # so many may have been sent whose answer never came
    return following


def _unescaped(value: bytes) -> bytes:
    for spelled, meant in _ESCAPES:
        value = value.replace(spelled, meant)
    return value


def _gap(first: int, last: int) -> Record:
    """Return the line that stands for the lost ones, under the seq of the first of them."""
    content = f"The lines {first} to {last} are lost: the disk of the agent was full."
    return {"seq": first, "stream": "system", "level": "warn", "stepName": "", "content": content}
