"""The journal of one job: what was promised and done, on the disk before it is true.

`accepted → claimed → starting … → exited → reported`. What is found in it after a crash decides how the job goes on;
a job that was ever `starting` is never started again.
"""

import logging
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from deplite_agent.files import make_private, sync_folder
from deplite_agent.jobs.order import Order
from deplite_agent.jobs.result import Result
from deplite_agent.records import RecordFile, read_records

log = logging.getLogger(__name__)


class State(StrEnum):
    """How far a job has come."""

    ACCEPTED = "accepted"
    """Known; nothing has been claimed."""
    CLAIMED = "claimed"
    """The server gave it to this process; no process of the job was started."""
    STARTING = "starting"
    """A process of the job was, or was about to be, started."""
    EXITED = "exited"
    """It has a result."""
    REPORTED = "reported"
    """The server has the result, or wants none."""


@dataclass(frozen=True, kw_only=True)
class Life:
    """What a journal says."""

    order: Order
    instance: str
    """The process of this agent that claims, or claimed, the job."""
    state: State = State.ACCEPTED
    groups: tuple[int, ...] = ()
    """Process groups that were started."""
    result: Result | None = None
    touched_at: float = 0.0
    """Unix seconds of the last record."""


def advance(life: Life, record: Mapping[str, Any]) -> Life:
    """Return a life with one more record."""
    at = float(record.get("at", life.touched_at))
    match record:
        case {"state": "starting", "group": int(group)}:
            return replace(life, state=State.STARTING, groups=(*life.groups, group), touched_at=at)
        case {"state": "exited", "result": dict(result)}:
            return replace(life, state=State.EXITED, result=Result(**result), touched_at=at)
        case {"state": "claimed" | "reported" as state}:
            return replace(life, state=State(state), touched_at=at)
    return life


class Journal:
    """One job's folder: its journal, and beside it the log that waits to be shipped."""

    def __init__(self, folder: Path, life: Life) -> None:
        self.folder = folder
        self.life = life
        self._file: RecordFile | None = None

    @property
    def log_path(self) -> Path:
        """The log's spool."""
        return self.folder / "log"

    @property
    def shipped_path(self) -> Path:
        """How much of the spool the server has."""
        return self.folder / "shipped"

    @classmethod
    def create(cls, jobs: Path, order: Order, instance: str) -> "Journal":
        """Begin a job's journal.

        Raises:
            OSError: the disk is full or broken.
        """
        folder = jobs / order.key
        make_private(folder)
        journal = cls(folder, Life(order=order, instance=instance))
        try:
            journal._write({"state": State.ACCEPTED, "order": order.record(), "instance": instance})
            sync_folder(jobs)
        except OSError:
            journal.remove()
            raise
        return journal

    @classmethod
    def read(cls, folder: Path) -> "Journal | None":
        """Return the journal in a folder; None where not even its first record is whole: nothing was promised then."""
        life: Life | None = None
        for record, _ in read_records(folder / "journal"):
            if record is None:
                break  # what follows a damaged record is not to be trusted
            life = advance(life, record) if life is not None else _begun(record)
            if life is None:
                return None
        return cls(folder, life) if life is not None else None

    def claimed(self) -> None:
        """Say that the server gave the job to this process."""
        self._write({"state": State.CLAIMED})

    def starting(self, group: int) -> None:
        """Say that a process group is about to run a step."""
        self._write({"state": State.STARTING, "group": group})

    def exited(self, result: Result) -> None:
        """Keep the result; on a full disk in memory only, which is better than not at all."""
        try:
            self._write({"state": State.EXITED, "result": result.record()})
        except OSError as error:
            log.error("a result is not on the disk: %s", error.strerror, extra={"action": "journal_failed"})
            self.life = replace(self.life, state=State.EXITED, result=result)

    def reported(self) -> None:
        """Say that nothing is left to do; the journal stays for a while, so that the job is known if it comes again."""
        try:
            self._write({"state": State.REPORTED})
        except OSError as error:
            log.error("a journal is not closed: %s", error.strerror, extra={"action": "journal_failed"})
        self.close()
        self.log_path.unlink(missing_ok=True)
        self.shipped_path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Forget the job."""
        self.close()
        self.discard(self.folder)

    @staticmethod
    def discard(folder: Path) -> None:
        """Remove a journal's folder."""
        shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, record: dict[str, Any]) -> None:
        if self._file is None:
            self._file = RecordFile(self.folder / "journal")
            sync_folder(self.folder)
        stamped = record | {"at": time.time()}
        self._file.append([stamped])
        self._file.sync()
        self.life = advance(self.life, stamped)


def _begun(record: Mapping[str, Any]) -> Life | None:
    match record:
        case {"state": "accepted", "order": dict(order), "instance": str(instance)}:
            return Life(order=Order.from_record(order), instance=instance, touched_at=float(record.get("at", 0.0)))
    return None
