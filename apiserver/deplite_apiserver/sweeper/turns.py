"""Gives the jobs of concurrency groups their turns, one at a time: only the replica that holds the Lease does.

Who has a turn is in the job's own status, so a successor goes on from what is there. It acts at each change of a job of
a group, and at nothing else.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from deplite.kube.cache import Cache, Change
from deplite.kube.errors import KubeError
from deplite.kube.errors import NotFoundError as KubeNotFoundError
from deplite.resources.deployjob import Cancel
from deplite_apiserver.errors import ApiError
from deplite_apiserver.jobs.cancel import Cancels
from deplite_apiserver.jobs.transition import Admitted, Transitions, Verdict
from deplite_apiserver.jobs.view import JobView, LiveJob
from deplite_apiserver.sweeper.groups import step

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
"""Between tries while the Kubernetes API is away."""

GroupKey = tuple[str, str]
"""Namespace and group."""


class Held(Protocol):
    """What is needed of a Lease."""

    @property
    def held(self) -> bool:
        """Whether nobody else can hold it now."""


class Turns:
    """The groups of all organizations."""

    def __init__(
        self,
        *,
        lease: Held,
        jobs: Cache[JobView],
        transitions: Transitions,
        cancels: Cancels,
        now: Callable[[], datetime],
    ) -> None:
        """Watch the groups; `run` acts.

        Args:
            lease: must be held at each turn that is given.
            jobs: the cache of jobs.
            transitions: writes turns.
            cancels: takes the wish that a superseded job stops.
            now: the present moment in UTC.
        """
        self._lease, self._jobs, self._transitions, self._cancels = lease, jobs, transitions, cancels
        self._now = now
        self._due: set[GroupKey] = set()
        self._wake = asyncio.Event()
        jobs.subscribe(self._changed)

    async def run(self) -> None:
        """Act while the Lease is ours, for ever."""
        await self._catch_up()
        for job in self._jobs.by("unfinished", True):
            self._note(job)
        while True:
            await self._wake.wait()
            self._wake.clear()
            due, self._due = self._due, set()
            for key in due:
                await self._tend(key)

    async def _catch_up(self) -> None:
        """See what whoever held the Lease before has written, for a turn must not be given twice."""
        while True:
            try:
                return await self._jobs.catch_up()
            except KubeError as error:
                log.warning("groups: %s", error, extra={"action": "turns_failed"})
                await asyncio.sleep(RETRY_SECONDS)

    async def _tend(self, key: GroupKey) -> None:
        try:
            await self._settle(key)
        except KubeNotFoundError:
            return  # gone; the watch is about to say so
        except Exception as error:  # whatever it is, the jobs of this group and of all others must not wait for ever
            unforeseen = None if isinstance(error, KubeError) else error
            log.warning("group %s: %s", key[1], error, exc_info=unforeseen, extra={"action": "turns_failed"})
            self._due.add(key)
            self._wake.set()
            await asyncio.sleep(RETRY_SECONDS)

    async def _settle(self, key: GroupKey) -> None:
        found = step(job for job in self._jobs.by("group", key) if isinstance(job, LiveJob))
        if found.by is not None:
            for job in found.superseded:
                await self._supersede(job, found.by)
        if found.next is not None and self._lease.held:
            job = found.next
            given = await self._transitions.apply(job.namespace, job.name, Admitted(at=self._now()), uid=job.uid)
            if given is Verdict.APPLIED:
                log.info(
                    "job %s has its turn in %s", job.name, key[1], extra={"action": "turn_given", "jobId": job.name}
                )

    async def _supersede(self, job: LiveJob, by: LiveJob) -> None:
        try:
            await self._cancels.ask(job.namespace, job.name, job.uid, Cancel(by=by.name, reason="superseded"))
        except ApiError:
            return  # it has ended meanwhile, or is gone

    def _changed(self, change: Change[JobView]) -> None:
        for job in (change.old, change.new):
            if job is not None:
                self._note(job)

    def _note(self, job: JobView) -> None:
        if isinstance(job, LiveJob) and job.group is not None:
            self._due.add((job.namespace, job.group))
            self._wake.set()
