"""All jobs of this agent: taken on, stopped, found again after a restart."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

from deplite.failpoints import failpoint
from deplite.protocol.backoff import Backoff
from deplite_agent.errors import AwayError, RefusedError, RevokedError
from deplite_agent.jobs.job import Job, Tools, stop_result
from deplite_agent.jobs.journal import Journal, State
from deplite_agent.jobs.order import Order
from deplite_agent.jobs.result import Result, crashed, rejected
from deplite_agent.jobs.shipping import Shipment, uid_header

log = logging.getLogger(__name__)

KEPT_SECONDS = 24 * 60 * 60.0
"""How long the journal of a job that is over is kept: so long a repeated event is known for one."""


class Desk:
    """The jobs of one process."""

    def __init__(self, folder: Path, instance: str, tools: Tools, *, now: Callable[[], float] = time.time) -> None:
        """Make the desk.

        Args:
            folder: where the journals are.
            instance: this process, as the server knows it.
            tools: what every job uses.
            now: unix seconds.
        """
        self._now = now
        self._folder = folder
        self._instance = instance
        self._tools = tools
        self._jobs: dict[str, Job] = {}
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._refused: set[str] = set()
        """Jobs that the disk did not take, until the server has heard so."""
        self._closing = False

    def recover(self) -> None:
        """Go on with every job of earlier processes."""
        for folder in self._folders():
            try:
                journal = Journal.read(folder)
                if journal is not None and journal.life.state is not State.REPORTED:
                    self._start(journal)
                elif journal is None and not Journal.lost(folder):
                    Journal.discard(folder)
            except OSError as error:
                self._unreadable(folder.name, error)
        self.prune()

    def prune(self) -> None:
        """Forget jobs that have been over for a day."""
        for folder in (path for path in self._folders() if path.name not in self._jobs):
            try:
                journal = Journal.read(folder)
                touched_at = journal.life.touched_at if journal is not None else folder.stat().st_mtime
            except OSError as error:
                self._unreadable(folder.name, error)
                continue
            if self._now() - touched_at > KEPT_SECONDS:
                Journal.discard(folder)

    def take(self, order: Order) -> None:
        """Take a job on; one that is known already is only told about again."""
        if self._closing:
            return
        if (job := self._jobs.get(order.key)) is not None:
            self._spawn(job.repeat_claim())
            return
        if order.key in self._refused:
            return
        try:
            known = Journal.read(self._folder / order.key)
            if known is None and Journal.lost(self._folder / order.key):
                known = Journal.salvage(self._folder / order.key, order, self._instance)
        except OSError as error:
            self._unreadable(order.key, error)  # it may have run: only a disk that can be read tells
            return
        if known is None:
            self._begin(order)
        elif known.life.result is None:
            self._start(known)
        else:
            self._spawn(Shipment(known, self._tools.transport).repeat())

    def cancel(self, job_id: str, job_uid: str, reason: str) -> None:
        """Stop a job, wherever it is; one that is unknown or over stays as it is."""
        for job in self._jobs.values():
            order = job.journal.life.order
            if order.job_id == job_id and job_uid in ("", order.job_uid):
                log.info("job %s is stopped: %s", job_id, reason, extra={"action": "cancel"})
                job.stop(stop_result(reason))

    def stop_all(self, result: Result) -> None:
        """End every job with this result."""
        for job in self._jobs.values():
            job.stop(result)

    async def drain(self, seconds: float, delivery: float) -> None:
        """Take nothing on; let what runs end, and stop what does not in time; deliver what can be delivered.

        A job whose claim is under way counts as one that runs: the server may have given it to us already.

        Args:
            seconds: how long jobs may go on.
            delivery: how many seconds results and logs may take after that; the rest waits on the disk.
        """
        self._closing = True
        running = [job for job in self._jobs.values() if job.claiming or job.working]
        log.info("takes no new job; %d have %g s to end", len(running), seconds, extra={"action": "draining"})
        self._leave(job for job in self._jobs.values() if job not in running)
        try:
            async with asyncio.timeout(seconds):
                await self._until_ended()
        except TimeoutError:
            self._leave(job for job in self._jobs.values() if job.claiming)
            for job in self._working():
                job.stop(crashed("The agent was stopped while the job ran."))
            await self._until_ended()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=delivery)
        await self.close()

    def _leave(self, jobs: Iterable[Job]) -> None:
        """Drop jobs that have not begun; they wait on the disk for the next start."""
        for job in jobs:
            if job.journal.life.state is State.ACCEPTED:
                self._lives[job.journal.folder.name].cancel()

    async def close(self) -> None:
        """End everything now: running steps are stopped, what is not delivered waits on the disk."""
        self._closing = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _until_ended(self) -> None:
        for job in list(self._jobs.values()):
            if job.claiming or job.working:
                await job.ended.wait()

    def _working(self) -> list[Job]:
        return [job for job in self._jobs.values() if job.working]

    def _begin(self, order: Order) -> None:
        try:
            journal = Journal.create(self._folder, order, self._instance)
        except OSError as error:
            log.error("job %s cannot be taken on: %s", order.job_id, error.strerror, extra={"action": "disk"})
            self._refused.add(order.key)
            self._spawn(self._refuse(order, f"The agent's disk does not take the job's journal: {error.strerror}."))
            return
        failpoint("agent.job.accepted")
        self._start(journal)

    async def _refuse(self, order: Order, message: str) -> None:
        """Tell the server until it has heard; meanwhile the job is not taken on, should it come again."""
        backoff = Backoff(first=0.5, most=20.0)
        path, headers = f"/agent/jobs/{order.job_id}/result", uid_header(order.job_uid)
        try:
            while True:
                try:
                    await self._tools.transport.call("POST", path, rejected(message).body(), headers=headers)
                    return
                except AwayError as error:
                    await asyncio.sleep(max(backoff.next(), error.retry_after))
        except RefusedError as error:
            log.warning("job %s: %s", order.job_id, error, extra={"action": "refuse_failed"})
        finally:
            self._refused.discard(order.key)

    def _folders(self) -> list[Path]:
        return sorted(path for path in self._folder.iterdir() if path.is_dir())

    def _unreadable(self, key: str, error: OSError) -> None:
        log.error("the journal of %s: %s", key, error.strerror, extra={"action": "disk"})

    def _start(self, journal: Journal) -> None:
        job = Job(journal, self._tools)
        key = journal.folder.name
        self._jobs[key] = job
        task = self._lives[key] = self._spawn(job.live())
        task.add_done_callback(lambda _: self._over(key))

    def _over(self, key: str) -> None:
        del self._lives[key]
        self._jobs.pop(key).journal.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, RevokedError):  # `Transport.until_revoked` passes that on
            log.error("a job's task failed", exc_info=error, extra={"action": "job_failed"})
