"""A log as it grows: followers are woken when lines are stored here, and look each second for what came elsewhere."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from deplite.kube.cache import Callback, Change
from deplite.resources.deployjob import DeployJob
from deplite_apiserver.errors import RateLimitedError, UnavailableError
from deplite_apiserver.jobs.view import JobView
from deplite_apiserver.logs.distant import DistantFollowers
from deplite_apiserver.logs.lines import LogLine
from deplite_apiserver.shared.bells import NoBells
from deplite_apiserver.storage.logstore import LogStore
from deplite_apiserver.storage.objects import StorageUnavailableError
from deplite_apiserver.storage.pieces import LogName

LOOK_SECONDS = 1.0
"""How often a follower looks by itself: lines may come in through another replica."""
SETTLE_SECONDS = 3.0
"""A log is over when its job is and no line came for so long: some agents send the result before the last lines."""
MAX_FOLLOWERS = 1000
MAX_OF_CALLER = 20
"""So that nobody takes all the places."""
PAGE_LINES = 1000


class Jobs(Protocol):
    """What is needed of the cache of jobs."""

    def get(self, namespace: str, name: str) -> JobView | None:
        """Return a job."""

    def subscribe(self, callback: Callback[JobView]) -> object:
        """Call back at each change."""


@dataclass(frozen=True, kw_only=True)
class End:
    """The last thing that a follower hears."""

    status: str
    """The job's, as REST says it."""
    next_seq: int


class Followers:
    """Who follows which log."""

    def __init__(
        self,
        logs: LogStore,
        jobs: Jobs,
        *,
        distant: DistantFollowers | None = None,
        look_seconds: float = LOOK_SECONDS,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        """Make it, and have it hear of lines and jobs.

        Args:
            logs: where lines are stored.
            jobs: the cache of jobs.
            distant: logs that are followed here and grow elsewhere; None: there is no elsewhere.
            look_seconds: how often a follower looks by itself.
            settle_seconds: how long a log is quiet before it is over.
        """
        self._logs, self._jobs = logs, jobs
        self._look_seconds, self._settle_seconds = look_seconds, settle_seconds
        self._wakes: dict[LogName, set[asyncio.Event]] = {}
        self._callers: Counter[str] = Counter()
        self._stopping = False
        self._distant = distant or DistantFollowers(NoBells())
        logs.subscribe(lambda name, _: self._wake(name))
        self._distant.subscribe(self._wake)
        jobs.subscribe(self._changed)

    def follow(
        self, job: DeployJob, from_seq: int, *, caller: str = "", allowed: Callable[[], bool] = lambda: True
    ) -> AsyncGenerator[Sequence[LogLine] | End, None]:
        """Return the lines of a job's log from a seq on as they come, and at last its end.

        Args:
            job: the job.
            from_seq: where to begin.
            caller: who follows.
            allowed: asked before each look whether they still may; they are let go without an end once they may not.

        Raises:
            RateLimitedError: the caller follows as many logs as one may.
            UnavailableError: too many follow already.
        """
        if self._callers[caller] >= MAX_OF_CALLER:
            raise RateLimitedError(f"You follow {MAX_OF_CALLER} logs already; close one.", retry_after=10)
        if self._callers.total() >= MAX_FOLLOWERS:
            raise UnavailableError("Too many logs are followed here; try again.", retry_after=10)
        return self._heard(job, from_seq, caller, allowed)

    def stop(self) -> None:
        """Let everybody go: the process is about to end. They come back with the last seq that they saw."""
        self._stopping = True
        for name in self._wakes:
            self._wake(name)

    async def _heard(
        self, job: DeployJob, from_seq: int, caller: str, allowed: Callable[[], bool]
    ) -> AsyncGenerator[Sequence[LogLine] | End, None]:
        name = LogName(organization=job.namespace, storage_key=job.storage_key)
        wake = asyncio.Event()
        self._wakes.setdefault(name, set()).add(wake)
        self._callers[caller] += 1
        try:
            async for found in self._follow(job, name, from_seq, wake, allowed):
                yield found
        finally:
            self._callers[caller] -= 1
            self._callers += Counter()  # drops those at 0
            self._wakes[name].discard(wake)
            if not self._wakes[name]:
                del self._wakes[name]

    async def _follow(
        self, job: DeployJob, name: LogName, from_seq: int, wake: asyncio.Event, allowed: Callable[[], bool]
    ) -> AsyncIterator[Sequence[LogLine] | End]:
        quiet_since = asyncio.get_running_loop().time()
        ended: str | None = None
        while not self._stopping and allowed():
            wake.clear()
            self._distant.follow(name)
            ended = self._end_of(job) or ended
            gone = ended is None and self._view(job) is None
            lines = await self._read(name, from_seq)
            now = asyncio.get_running_loop().time()
            if lines:
                from_seq, quiet_since = lines[-1]["seq"] + 1, now
                yield lines
            elif lines is not None and (ended or gone) and now - quiet_since >= self._settle_seconds:
                if ended is not None:
                    yield End(status=ended, next_seq=from_seq)
                return  # of a job that is gone before it was seen to end, whoever comes back hears more
            else:
                await self._wait(wake)

    async def _read(self, name: LogName, from_seq: int) -> list[LogLine] | None:
        """Return what there is; None while the object store is away or has no place for us, which ends nothing."""
        try:
            return await self._logs.read(name, from_seq, PAGE_LINES)
        except (StorageUnavailableError, RateLimitedError):
            return None

    def _end_of(self, job: DeployJob) -> str | None:
        """Return the status that the job ended with, if it has."""
        phase = job.status.phase if (view := self._view(job)) is None else view.phase
        return phase.wire if phase.finished else None

    def _view(self, job: DeployJob) -> JobView | None:
        """Return what is cached of the job; None once it left the cluster."""
        view = self._jobs.get(job.namespace, job.name)
        return view if view is not None and view.uid8 == job.metadata.uid[:8] else None

    async def _wait(self, wake: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(self._look_seconds):
                await wake.wait()
        except TimeoutError:
            return

    def _changed(self, change: Change[JobView]) -> None:
        if change.old is not None and (change.new is None or change.new.finished):
            self._wake(LogName(organization=change.old.namespace, storage_key=change.old.storage_key))

    def _wake(self, name: LogName) -> None:
        for wake in self._wakes.get(name, ()):
            wake.set()
