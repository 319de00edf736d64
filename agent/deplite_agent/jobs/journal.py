"""The journal of one job: what was promised and done, on the disk before it is true.

`accepted → claimed → starting … → exited → reported`. What is found in it after a crash decides how the job goes on;
a job that was ever `starting` is never started again; where the disk hides whether it was, it is taken to have been.
"""

import contextlib
import logging
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from deplite_agent.files import make_private, reserve, sync, write_whole
from deplite_agent.jobs.order import Order
from deplite_agent.jobs.result import Result
from deplite_agent.records import RecordFile, encode_record, read_records

log = logging.getLogger(__name__)

RESERVED_BYTES = 64 * 1024
"""Kept free on the disk for a job's last words and its result: whatever its steps print, these can be written."""


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
    ended_at: float = 0.0
    """Unix seconds of the result by this machine's clock."""
    touched_at: float = 0.0
    """Unix seconds of the last record."""


def advance(life: Life, record: Mapping[str, Any]) -> Life:
    """Return a life with one more record.

    Raises:
        ValueError: it is no record, or does not follow this life.
    """
    at = float(record.get("at", life.touched_at))
    match record:
        case {"state": "starting", "group": int(group)} if life.state in (State.CLAIMED, State.STARTING):
            return replace(life, state=State.STARTING, groups=(*life.groups, group), touched_at=at)
        case {"state": "exited", "result": dict(result)} if life.result is None:
            return replace(life, state=State.EXITED, result=Result(**result), ended_at=at, touched_at=at)
        case {"state": "claimed"} if life.state is State.ACCEPTED:
            return replace(life, state=State.CLAIMED, touched_at=at)
        case {"state": "reported"} if life.state is State.EXITED:
            return replace(life, state=State.REPORTED, touched_at=at)
    raise ValueError("no record that follows")


class Journal:
    """One job's folder: its journal, and beside it the log that waits to be shipped."""

    def __init__(self, folder: Path, life: Life, *, sound: bytes | None = None) -> None:
        """Make a journal; use `create` or `read`.

        Args:
            folder: where it is.
            life: what it says.
            sound: what is whole of a damaged file; None where all of it is.
        """
        self.folder = folder
        self.life = life
        self._sound = sound
        self._file: RecordFile | None = None
        self._owed: dict[str, Any] | None = None
        """The record of the result, should the disk not have taken it yet."""

    @property
    def log_path(self) -> Path:
        """The log's spool."""
        return self.folder / "log"

    @property
    def shipped_path(self) -> Path:
        """How much of the spool the server has, and which numbers are taken."""
        return self.folder / "shipped"

    @property
    def owed_path(self) -> Path:
        """Which artifacts are still to be uploaded."""
        return self.folder / "owed"

    @classmethod
    def create(cls, jobs: Path, order: Order, instance: str) -> "Journal":
        """Begin a job's journal; `settle` puts it on the disk.

        Raises:
            OSError: the disk is full or broken.
        """
        folder = jobs / order.key
        cls.discard(folder)  # nothing that can be read was there
        journal = cls(folder, Life(order=order, instance=instance, touched_at=time.time()))
        try:
            make_private(folder)
            reserve(folder / "reserve", RESERVED_BYTES)
            journal._put(_first_record(journal.life), sync=False)
        except OSError:
            journal.remove()
            raise
        return journal

    @classmethod
    def read(cls, folder: Path) -> "Journal | None":
        """Return the journal in a folder; None where not even its first record is whole: nothing was promised then."""
        path = folder / "journal"
        life: Life | None = None
        end = 0
        for record, after in read_records(path):
            try:
                life = _following(life, record)
            except (ValueError, TypeError):
                break  # what follows a damaged record is not to be trusted
            end = after
        if life is None:
            return None
        content = path.read_bytes()
        journal = cls(folder, life, sound=content[:end] if len(content) > end else None)
        if life.state in (State.ACCEPTED, State.CLAIMED) and (journal._sound is not None or _has_log(folder)):
            journal.life = replace(life, state=State.STARTING)
        if journal._sound is not None:
            journal.life = replace(journal.life, groups=_groups(path))
        return journal

    def settle(self) -> None:
        """Put what was written so far on the disk, names included; may run in a thread.

        Raises:
            OSError: the disk is broken.
        """
        if self._file is not None:
            self._file.sync()
        sync(self.folder)
        sync(self.folder.parent)

    @staticmethod
    def lost(folder: Path) -> bool:
        """Whether a job may have run here whose journal cannot be read, not even its order."""
        try:
            return _has_log(folder) or b"\n" in (folder / "journal").read_bytes()
        except FileNotFoundError:
            return False

    @classmethod
    def salvage(cls, folder: Path, order: Order, instance: str) -> "Journal":
        """Return the journal of a lost job whose order came again: it is taken to have been starting."""
        life = Life(order=order, instance=instance, touched_at=time.time())
        begun = replace(life, state=State.STARTING, groups=_groups(folder / "journal"))
        return cls(folder, begun, sound=encode_record(_first_record(life)))

    def claimed(self) -> None:
        """Say that the server gave the job to this process.

        Not synced: a machine that loses it to a power cut has the order, and claims again under the same instance.
        """
        self._write({"state": State.CLAIMED}, sync=False)

    def starting(self, group: int) -> None:
        """Say that a process group is about to run a step."""
        self._write({"state": State.STARTING, "group": group})

    def make_room(self) -> None:
        """Give back the room that was kept: the steps have ended."""
        with contextlib.suppress(OSError):
            (self.folder / "reserve").unlink(missing_ok=True)

    def exited(self, result: Result) -> None:
        """Keep the result; on a broken disk in memory only, which is better than not at all."""
        self.make_room()
        now = time.time()
        record = {"state": State.EXITED, "result": result.record(), "at": now}
        try:
            self._put(record, sync=True)
        except OSError as error:
            log.error("a result is not on the disk: %s", error.strerror, extra={"action": "journal_failed"})
            self._owed = record
        self.life = replace(self.life, state=State.EXITED, result=result, ended_at=now, touched_at=now)

    def reported(self) -> None:
        """Say that nothing is left to do; the journal stays for a while, so that the job is known if it comes again."""
        try:
            if self._owed is not None:
                self._put(self._owed, sync=True)
            self._write({"state": State.REPORTED})
        except OSError as error:
            log.error("a journal is not closed: %s", error.strerror, extra={"action": "journal_failed"})
            self.close()
            return  # the log stays too: it shows that the job has started, whatever else did not get to the disk
        self.close()
        for path in (self.log_path, self.folder / "reserve"):  # what was shipped stays: its numbers are taken
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

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

    def _write(self, record: dict[str, Any], *, sync: bool = True) -> None:
        stamped = record | {"at": time.time()}
        self._put(stamped, sync=sync)
        self.life = advance(self.life, stamped)

    def _put(self, record: dict[str, Any], *, sync: bool) -> None:
        path = self.folder / "journal"
        if self._sound is not None:
            # In one step: what was damaged said that the job must not run, until this record says how it ended.
            write_whole(path, self._sound + encode_record(record))
            self._sound = None
            return
        if self._file is None:
            self._file = RecordFile(path)
        self._file.append([record])
        if sync:
            self._file.sync()


def _has_log(folder: Path) -> bool:
    try:
        return (folder / "log").stat().st_size > 0
    except OSError:
        return False


def _first_record(life: Life) -> dict[str, Any]:
    at = life.touched_at
    return {"state": State.ACCEPTED, "order": life.order.record(), "instance": life.instance, "at": at}


def _groups(path: Path) -> tuple[int, ...]:
    """Return the process groups of all records that are whole, also of those after a damaged one."""
    records = (record for record, _ in read_records(path) if record is not None)
    return tuple(group for record in records if isinstance(group := record.get("group"), int))


def _following(life: Life | None, record: Mapping[str, Any] | None) -> Life:
    """Return a life with one more record, or the one that the first record begins.

    Raises:
        ValueError: the record is damaged.
        TypeError: it was written by another version, with other fields.
    """
    match record:
        case None:
            raise ValueError("a damaged record")
        case {"state": "accepted", "order": dict(order), "instance": str(instance)} if life is None:
            return Life(order=Order.from_record(order), instance=instance, touched_at=float(record.get("at", 0.0)))
        case _ if life is not None:
            return advance(life, record)
    raise ValueError("a journal begins with its order")
