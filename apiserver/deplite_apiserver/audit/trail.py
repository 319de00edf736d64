"""Where records wait for the object store: in memory, for half a second, then as one object for each organization.

No request waits for this. What it costs: the records of the last moments before a kill -9 are lost, and while the store
is away longer than `MAX_WAITING` records can wait, further ones are only in the process's log (`audit_lost`). Each
record has its replica's number, so that a hole shows.
"""

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import Iterable

from deplite_apiserver.audit.record import AuditRecord
from deplite_apiserver.storage.objects import ObjectStore, StorageUnavailableError

log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
CLOSE_SECONDS = 1.0
MAX_WAITING = 10_000
"""Records; about 5 MB."""
MAX_BATCH = 1000
CONTENT_TYPE = "application/x-ndjson"


class Trail:
    """Appends: an object that was written is never written again, but by a repeat of the same bytes."""

    def __init__(self, store: ObjectStore, replica: str) -> None:
        """Make the trail; `run` writes what it is given.

        Args:
            store: the bucket.
            replica: a name that no other process ever has.
        """
        self._store, self._replica = store, replica
        self._fresh: list[tuple[int, AuditRecord]] = []
        self._sealed: deque[tuple[str, list[bytes]]] = deque()
        self._waiting, self._numbers, self._objects = 0, 0, 0
        self._writing = asyncio.Lock()

    def keep(self, record: AuditRecord) -> None:
        """Take a record; never waits, never fails."""
        self._numbers += 1
        if self._waiting >= MAX_WAITING:
            self._lose([self._line(self._numbers, record)])
            return
        self._waiting += 1
        self._fresh.append((self._numbers, record))

    async def run(self) -> None:
        """Write what waits, for ever."""
        pause = FLUSH_SECONDS
        while True:
            await asyncio.sleep(pause)
            try:
                await self.flush()
            except Exception as error:
                if not isinstance(error, StorageUnavailableError):  # nobody foresaw it; the next record may fare better
                    log.exception("audit records not stored yet", extra={"action": "audit_failed"})
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            else:
                pause = FLUSH_SECONDS

    async def flush(self) -> None:
        """Write what waits.

        Raises:
            StorageUnavailableError: not all of it; the rest waits on.
        """
        async with self._writing:
            self._seal()
            while self._sealed:
                key, lines = self._sealed[0]
                await self._store.put(key, b"".join(lines), CONTENT_TYPE)
                self._sealed.popleft()
                self._waiting -= len(lines)

    async def close(self) -> None:
        """Write what waits, if that takes no longer than a second; what remains is said in the log."""
        with contextlib.suppress(TimeoutError, StorageUnavailableError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.flush()
        self._seal()
        for _, lines in self._sealed:
            self._lose(lines)
        self._sealed.clear()

    def _seal(self) -> None:
        """Put fresh records into objects whose keys are decided: a repeat after a lost answer writes the same one."""
        groups: dict[str, list[tuple[int, AuditRecord]]] = {}
        for numbered in self._fresh:
            groups.setdefault(f"{numbered[1].organization}/{numbered[1].time:%Y-%m-%d}", []).append(numbered)
        self._fresh = []
        for folder, records in groups.items():
            for start in range(0, len(records), MAX_BATCH):
                batch = records[start : start + MAX_BATCH]
                self._objects += 1
                first = batch[0][1].time
                key = f"audit/{folder}/{first:%H%M%S.%f}-{self._replica}-{self._objects}.jsonl"
                self._sealed.append((key, [self._line(*numbered) for numbered in batch]))

    def _line(self, number: int, record: AuditRecord) -> bytes:
        wire = record.wire() | {"replica": self._replica, "number": number}
        return json.dumps(wire, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace") + b"\n"

    def _lose(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            log.error("audit record not stored: %s", line.decode().rstrip(), extra={"action": "audit_lost"})
