"""All artifacts of one job: found, uploaded one after the other, and told about in its log.

Whatever fails here is a line of the log and never changes how the job ended.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any

from deplite.amounts import spelled_bytes
from deplite.failpoints import failpoint
from deplite.protocol.phases import ResultStatus
from deplite_agent.artifacts.owed import Owed, OwedFile
from deplite_agent.artifacts.patience import Patience
from deplite_agent.artifacts.patterns import Patterns
from deplite_agent.artifacts.search import LeavesError, search
from deplite_agent.artifacts.storage import Storage
from deplite_agent.artifacts.upload import Artifact, Upload, printable
from deplite_agent.errors import RefusedError, StorageAwayError
from deplite_agent.jobs.log import JobLog, Level
from deplite_agent.jobs.order import Order
from deplite_agent.jobs.shipping import uid_header
from deplite_agent.transport import Transport

log = logging.getLogger(__name__)

MARGIN_SECONDS = 30.0
"""Before the job's time is over: its result must be told within it, or the server would call it a timeout."""
LAST_SECONDS = 60.0
"""For a job whose time is over: a report of what took so long is still wanted."""
SAY_SECONDS = 15.0
"""Between two lines about a file that takes long."""
MAX_PROBLEMS = 20
"""Lines about what cannot be uploaded."""


@dataclass(frozen=True, kw_only=True)
class Sender:
    """What uploads of a job go through."""

    order: Order
    instance: str
    transport: Transport
    storage: Storage

    async def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Send one signed call for the job; errors as `Transport.call`."""
        headers = uid_header(self.order.job_uid)
        return await self.transport.call(method, path, body, headers=headers, instance=self.instance)


def time_for(status: str, passed: float, whole: float) -> float:
    """Return how many seconds uploads may take.

    Args:
        status: how the job ended.
        passed: seconds of the job's time that are over.
        whole: seconds that it has in all: by the workflow file or, where that is less, by the server.
    """
    within = max(0.0, whole - passed - min(MARGIN_SECONDS, whole / 10))
    return max(LAST_SECONDS, within) if status == ResultStatus.TIMEOUT.value else within


class Delivery:
    """The artifacts of one job."""

    def __init__(self, owed: Owed, owed_file: OwedFile, sender: Sender, job_log: JobLog, patience: Patience) -> None:
        """Make it.

        Args:
            owed: what to upload.
            owed_file: kept up to date for the process that comes after this one.
            sender: what uploads go through.
            job_log: open; knows the secrets of the job.
            patience: how long they wait for a store that is away.
        """
        self._owed, self._file, self._sender, self._log = owed, owed_file, sender, job_log
        self._patience = patience
        self._stored = 0
        self._said_at = 0.0

    async def run(self) -> None:
        """Upload what is owed, as long as the job's time allows."""
        try:
            async with asyncio.timeout(max(0.0, self._owed.until - time.time())):
                await self._deliver()
        except TimeoutError:
            self._fail(
                "The job's time left no more room for uploads: what is not named as uploaded is not there. "
                "Give the workflow a longer timeout-minutes, or its trigger a longer jobSeconds."
            )

    async def _deliver(self) -> None:
        owed = self._owed
        names = await self._search() if owed.names is None else owed.names
        left = [name for name in names if name not in owed.stored]
        for name in left:
            if not await self._one(name):
                break
        if left:
            many = "artifact" if len(left) == 1 else "artifacts"
            level: Level = "info" if self._stored == len(left) else "error"
            self._tell(f"{self._stored} of {len(left)} {many} uploaded", level=level)

    async def _search(self) -> tuple[str, ...]:
        owed = self._owed
        patterns = Patterns(owed.patterns)
        found = await asyncio.to_thread(search, owed.folder, patterns)
        for problem in found.problems[:MAX_PROBLEMS]:
            self._fail(f"Artifacts: {problem}")
        if not found.names:
            asked = ", ".join(owed.patterns)
            self._tell(f"No file for artifacts: nothing matches {asked}", level="warn")
            return ()
        self._file.found(tuple(name for name in found.names if self._shown(name) == name))
        failpoint("agent.artifacts.found")
        many = "artifact" if len(found.names) == 1 else "artifacts"
        self._tell(f"Uploading {len(found.names)} {many} ({spelled_bytes(found.size)})", level="info")
        return found.names

    async def _one(self, name: str) -> bool:
        """Upload one file; False where the next ones need not be tried."""
        owed = self._owed
        shown, began = self._shown(name), time.monotonic()
        self._said_at = began
        upload = Upload(
            Artifact(folder=owed.folder, name=name, shown=shown, keep_days=owed.keep_days),
            self._sender.order.job_id,
            self._sender.call,
            self._sender.storage,
            began=lambda file_id: self._note(name, file_id),
            waiting=lambda why: self._say(f"{shown} waits: {why}", level="warn"),
            sent=lambda done, size: self._say(f"{shown}: {done / size:.0%} of {spelled_bytes(size)}", level="info"),
            patience=self._patience,
            file_id=owed.files.get(name),
        )
        try:
            await upload.run()
        except RefusedError as error:
            self._fail(f"{shown} was not uploaded: {error}")
            if error.status in (404, 410):
                return False
        except StorageAwayError:
            self._fail(
                f"{shown} was not uploaded: the storage has been away for {self._patience.seconds / 60:.0f} minutes. "
                "What is not named as uploaded is not there; run the workflow again when the storage is back."
            )
            return False
        except LeavesError as error:
            self._fail(str(error))
        except OSError as error:
            self._fail(f"{shown} was not uploaded: it cannot be read ({error.strerror}).")
        else:
            self._stored += 1
            took = f"({spelled_bytes(upload.size)}, {time.monotonic() - began:.1f} s)"
            self._tell(f"Uploaded {shown} {took}", level="info")
        self._note(name)
        return True

    def _note(self, name: str, file_id: str | None = None) -> None:
        """Keep how far a file is; a name that holds a secret is not written down."""
        if self._shown(name) != name:
            return
        if file_id is None:
            self._file.stored(name)
        else:
            self._file.begun(name, file_id)

    def _say(self, text: str, *, level: Level) -> None:
        """Say how it goes, now and then."""
        if time.monotonic() - self._said_at >= SAY_SECONDS:
            self._said_at = time.monotonic()
            self._tell(text, level=level)

    def _tell(self, text: str, *, level: Level) -> None:
        """Say something in one line of the log, whatever a file's name holds."""
        self._log.summary(printable(text), level=level)

    def _fail(self, text: str) -> None:
        line = printable(text)
        log.warning("%s", self._log.masker.mask(line), extra={"action": "artifact_failed"})
        self._log.system(line, level="error")

    def _shown(self, name: str) -> str:
        """Return a name as it may leave this machine."""
        return self._log.masker.mask(name)
