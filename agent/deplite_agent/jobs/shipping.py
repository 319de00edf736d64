"""Brings a job's log and result to the server, however long it is away. One shipment a job, in order, by seq."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from deplite.failpoints import failpoint
from deplite.protocol.backoff import Backoff
from deplite.protocol.request import FINISHED_AGO_HEADER, JOB_UID_HEADER
from deplite_agent.errors import AwayError, RefusedError
from deplite_agent.files import sync, write_whole
from deplite_agent.jobs.journal import Journal
from deplite_agent.records import Record, decode_record, encode_record, read_records
from deplite_agent.transport import Transport

log = logging.getLogger(__name__)

MAX_BATCH_BYTES = 256 * 1024
MAX_BATCH_ITEMS = 1000
FLUSH_SECONDS = 5.0
FIRST_FLUSH_SECONDS = 0.3
"""The first lines go at once: the answer says whether somebody follows."""
PATIENCE_SECONDS = 15.0
NO_HEADERS: Mapping[str, str] = {}
_GONE = frozenset({404, 410})
_TOO_MUCH = frozenset({413, 422})


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Lines to send, and how far the spool is read then."""

    items: list[Record]
    offset: int
    next_seq: int
    """The number after the last one that was read, sent or not."""


class Shipment:
    """What one job still owes to the server."""

    def __init__(self, journal: Journal, transport: Transport, *, patience: float = PATIENCE_SECONDS) -> None:
        """Make it.

        Args:
            journal: the job's.
            transport: signs and sends.
            patience: seconds that the result waits for the log, should the server take that slowly or not at all.
        """
        self._patience = patience
        self.journal = journal
        self._transport = transport
        self._offset, self.next_seq = self._read_progress()
        """The bytes of the spool that the server has, and the number after the last one that it has."""
        self._more = asyncio.Event()
        self._flush = FIRST_FLUSH_SECONDS
        self._result_sent = False
        self._dropped = False
        self._held = False
        self._cut = False
        """The server keeps no more output of this job: only lines about the run itself are sent."""
        self._backoff = Backoff(first=0.5, most=20.0)
        self._result_next = False
        """Try the result before the log: the log alone was refused for a while, or is long."""
        self._ended_since: float | None = None

    def wake(self) -> None:
        """Say that there is something new."""
        self._more.set()

    def hold(self) -> None:
        """Keep the result back: there is still something to be said before it."""
        self._held = True

    def release(self) -> None:
        """Let the result go."""
        self._held = False
        self.wake()

    async def run(self) -> None:
        """Ship until the server has everything, or wants no more of it."""
        away_since: float | None = None
        while not self._finished():
            try:
                await self._round()
            except AwayError as error:
                now = asyncio.get_running_loop().time()
                away_since = away_since if away_since is not None else now
                self._result_next = now - away_since > self._patience and not self._result_next
                await asyncio.sleep(max(self._backoff.next(), error.retry_after))
            else:
                away_since = None
                self._backoff.reset()
                self._result_next = self._overdue()

    async def repeat(self) -> None:
        """Tell the result once more: the server asked for a job that has long ended here."""
        try:
            await self._send_result()
        except (AwayError, RefusedError) as error:
            log.info("the result of %s was not repeated: %s", self.journal.folder.name, error)

    def _finished(self) -> bool:
        """Whether nothing is left to send."""
        return self._dropped or (self._result_sent and not self._pending())

    async def _round(self) -> None:
        if self._result_next and self._ended and not self._result_sent:
            await self._send_result()
        elif self._pending():
            await self._until_due()
            await self._send_logs(self._batch())
        elif self._ended:
            await self._send_result()
        else:
            self._more.clear()
            await self._more.wait()

    @property
    def _ended(self) -> bool:
        return self.journal.life.result is not None and not self._held

    def _overdue(self) -> bool:
        """Whether the result has waited for the log long enough."""
        now = asyncio.get_running_loop().time()
        if self._ended and self._ended_since is None:
            self._ended_since = now
        return self._ended_since is not None and now - self._ended_since > self._patience

    async def _until_due(self) -> None:
        """Wait until a batch is full, old enough, or the last one."""
        deadline = asyncio.get_running_loop().time() + self._flush
        while not self._ended and self._pending() < MAX_BATCH_BYTES:
            self._more.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._more.wait()
            except TimeoutError:
                return

    async def _send_logs(self, batch: Batch) -> None:
        if not batch.items:  # not wanted, or damaged, or the torn end of a process that was killed
            self.next_seq = max(self.next_seq, batch.next_seq)
            self._advance(batch.offset if batch.offset > self._offset else self._offset + self._pending())
            return
        with contextlib.suppress(OSError):
            sync(self.journal.log_path)  # what the server has seen under a number must not be lost here
        try:
            answer = await self._call("logs", {"items": batch.items})
        except RefusedError as error:
            if error.status in _GONE:
                self._drop(error)
                return
            log.error("log lines were refused: %s", error, extra={"action": "log_refused"})
            answer = {}
        failpoint("agent.logs.answered")
        self.next_seq = max(self.next_seq, batch.next_seq)
        self._advance(batch.offset)
        match answer:
            case {"dropped": int(lines)} if lines > 0 and not self._cut:
                log.warning("job %s: its log is cut", self.journal.life.order.job_id, extra={"action": "log_cut"})
                self._cut = True
        match answer:
            case {"flushMs": int(wanted)} if 0 < wanted <= 60_000 and not isinstance(wanted, bool):
                self._flush = wanted / 1000
            case _:
                self._flush = FLUSH_SECONDS

    async def _send_result(self) -> None:
        result = self.journal.life.result
        if result is None:
            raise AssertionError("a job without a result is not reported")
        try:
            try:
                await self._call("result", result.body(), self._ago())
            except RefusedError as error:
                if error.status not in _TOO_MUCH or result.output is None:
                    raise
                log.error("the output was refused, the result goes without: %s", error, extra={"action": "no_output"})
                await self._call("result", replace(result, output=None).body(), self._ago())
        except RefusedError as error:
            if error.status in _GONE:
                self._drop(error)
                return
            # It ended otherwise there (409), or the server cannot use it: it has been heard, and will not change.
            log.warning("job %s: %s", self.journal.life.order.job_id, error, extra={"action": "result_refused"})
        failpoint("agent.result.answered")
        self._result_sent = True

    def _drop(self, error: RefusedError) -> None:
        log.warning("job %s: %s", self.journal.life.order.job_id, error, extra={"action": "job_gone"})
        self._dropped = True

    def _ago(self) -> dict[str, str]:
        """Return the header that says how long ago the job ended, however late the server hears of it."""
        return {FINISHED_AGO_HEADER: f"{max(0.0, time.time() - self.journal.life.ended_at):.3f}"}

    async def _call(
        self, what: str, body: dict[str, object], headers: Mapping[str, str] = NO_HEADERS
    ) -> dict[str, object]:
        life = self.journal.life
        return await self._transport.call(
            "POST",
            f"/agent/jobs/{life.order.job_id}/{what}",
            body,
            headers={**uid_header(life.order.job_uid), **headers},
            instance=life.instance,
        )

    def _batch(self) -> Batch:
        items: list[Record] = []
        offset, next_seq = self._offset, 0
        for record, after in read_records(self.journal.log_path, self._offset, most=MAX_BATCH_BYTES):
            offset = after
            if record is not None:
                next_seq = max(next_seq, record["seq"] + 1)
                if not self._cut or record["stream"] != "raw":
                    items.append(record)
            if len(items) == MAX_BATCH_ITEMS:
                break
        return Batch(items=items, offset=offset, next_seq=next_seq)

    def _pending(self) -> int:
        """Return the bytes of the spool that were not sent."""
        try:
            return max(0, self.journal.log_path.stat().st_size - self._offset)
        except OSError:
            return 0

    def _read_progress(self) -> tuple[int, int]:
        try:
            record = decode_record(self.journal.shipped_path.read_bytes().removesuffix(b"\n"))
        except OSError:
            record = None
        match record:
            case {"offset": int(offset), "seq": int(seq)}:
                # Else the spool is not what it was. From the beginning then: the server drops what it has by seq.
                return offset if _ends_line(self.journal.log_path, offset) else 0, seq
        return 0, 0

    def _advance(self, offset: int) -> None:
        self._offset = offset
        try:
            write_whole(self.journal.shipped_path, encode_record({"offset": offset, "seq": self.next_seq}))
        except OSError as error:
            log.warning("progress not kept: %s", error.strerror, extra={"action": "offset_lost"})


def _ends_line(path: Path, offset: int) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(max(0, offset - 1))
            return offset == 0 or file.read(1) == b"\n"
    except OSError:
        return False


def uid_header(uid: str) -> dict[str, str]:
    """Return the header that names the job beyond its id."""
    return {JOB_UID_HEADER: uid} if uid else {}
