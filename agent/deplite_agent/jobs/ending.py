"""Between the last step of a job and its report: artifacts are uploaded, while the result waits in the journal."""

import asyncio
import logging
import time

from deplite_agent.artifacts.delivery import Delivery, Sender, time_for
from deplite_agent.artifacts.owed import Owed, OwedFile
from deplite_agent.artifacts.patience import Patience
from deplite_agent.artifacts.storage import Storage
from deplite_agent.errors import RevokedError
from deplite_agent.jobs.journal import Journal
from deplite_agent.jobs.log import JobLog
from deplite_agent.jobs.plan import Plan
from deplite_agent.jobs.result import Result
from deplite_agent.transport import Transport

log = logging.getLogger(__name__)


class Ending:
    """What one job still does once its result is known; nothing, where it has no artifacts."""

    def __init__(self, journal: Journal, transport: Transport, storage: Storage, storage_seconds: float) -> None:
        """Make it.

        Args:
            journal: of the job.
            transport: calls to the server.
            storage: where artifacts go.
            storage_seconds: how long they wait for it while it alone is away.
        """
        self._journal, self._transport, self._storage = journal, transport, storage
        self._storage_seconds = storage_seconds
        self._file = OwedFile(journal.owed_path)
        self._owed: Owed | None = None
        self._log: JobLog | None = None
        self._uploading: asyncio.Task[None] | None = None
        self._stopped = False

    @property
    def owes(self) -> bool:
        """Whether the result has to wait, and the log to stay open."""
        return self._owed is not None or self._file.exists

    def owe(self, planned: Plan, job_log: JobLog, result: Result, passed: float) -> None:
        """Take note of the artifacts of a run that has just ended.

        Args:
            planned: what has run.
            job_log: its log; it stays open until `run` has ended.
            result: how it ended.
            passed: seconds since the claim: from there on the job's time counts.
        """
        wanted = planned.workflow.artifacts
        if wanted is None:
            return
        own, given = planned.workflow.timeout_minutes * 60, self._journal.life.order.job_seconds
        seconds = time_for(result.status, passed, own if given is None else min(own, given))
        self._log = job_log
        self._owed = Owed(
            folder=planned.working_directory.absolute(),
            patterns=wanted.paths,
            keep_days=wanted.keep_days,
            until=time.time() + seconds,
        )
        self._file.begin(self._owed)

    def resume(self, job_log: JobLog) -> None:
        """Go on with what an earlier process owed."""
        self._log, self._owed = job_log, self._file.read()
        if self._owed is None or self._owed.names is None:
            job_log.system("The agent ended before it had found the artifacts: they were not uploaded.", level="error")
            self._owed = None

    def forget(self) -> None:
        """Nothing is uploaded: the run did not come to its end."""
        self._owed = None
        self._file.done()

    def stop(self) -> None:
        """Upload nothing more: the job was stopped."""
        self._stopped = True
        if self._uploading is not None:
            self._uploading.cancel()

    async def run(self) -> None:
        """Upload what is owed and close the log; how it goes changes nothing about the result."""
        job_log, result = self._log, self._journal.life.result
        if job_log is None or result is None:
            return
        try:
            if self._owed is not None:
                await self._upload(self._owed, job_log)
            self.forget()
            job_log.completed(result.status)
        finally:
            job_log.close()

    async def _upload(self, owed: Owed, job_log: JobLog) -> None:
        life = self._journal.life
        sender = Sender(order=life.order, instance=life.instance, transport=self._transport, storage=self._storage)
        delivery = Delivery(owed, self._file, sender, job_log, Patience(self._storage_seconds))
        self._uploading = asyncio.create_task(delivery.run())
        if self._stopped:
            self._uploading.cancel()
        try:
            await asyncio.wait([self._uploading])
        except asyncio.CancelledError:  # this process ends; the next one goes on
            self._uploading.cancel()
            await asyncio.wait([self._uploading])
            raise
        if self._uploading.cancelled():
            job_log.system("The uploads were stopped: the job was cancelled.", level="warn")
            return
        error = self._uploading.exception()
        if error is not None and not isinstance(error, RevokedError):  # the report of the result meets that one, too
            log.error("artifacts failed by a fault of the agent", exc_info=error, extra={"action": "artifact_failed"})
            job_log.system(f"The artifacts failed by a fault of the agent ({type(error).__name__}).", level="error")
