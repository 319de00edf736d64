"""Finding a job for whoever asks: absent and foreign alike are not found.

What the cache does not hold is asked for by its name: another replica may have made it a moment ago, and an agent that
is told "not found" of a job never runs it. Ids that are junk may not cost much: an agent has so many such questions a
second, and for somebody of several organizations the cache catches up first, in rounds that all share.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from deplite.kube.cache import Cache
from deplite.kube.errors import NotFoundError as KubeNotFoundError
from deplite.resources.apitoken import Grant
from deplite.resources.deployjob import DeployJob
from deplite_apiserver.errors import GoneError, NotFoundError, UnavailableError
from deplite_apiserver.jobs.view import JobView, project
from deplite_apiserver.limits.pace import Pace
from deplite_apiserver.storage.archive import Archive
from deplite_apiserver.tokens.grants import reaches

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")

ASKED_PER_SECOND = 25
"""How often the API server is asked for jobs of one agent that the cache lacks; the agent repeats what gets 503."""

Places = Sequence[str] | None
"""The organizations that have a job of some id; None: none is known."""


class JobReader(Protocol):
    """What is needed of `KubeClient`."""

    async def get(self, kind: type[DeployJob], namespace: str, name: str) -> DeployJob:
        """Return the job."""


class Lookup:
    """Reads jobs: cached, whole, or from the archive."""

    def __init__(
        self,
        *,
        store: JobReader,
        jobs: Cache[JobView],
        find: Callable[[Callable[[], Places]], Awaitable[Places]],
        archive: Archive,
    ) -> None:
        """Make it.

        Args:
            store: where jobs are.
            jobs: the cache of jobs.
            find: looks something up in that cache, and on a miss again once it has caught up.
            archive: where jobs are that have left the cluster.
        """
        self._store, self._jobs, self._find, self._archive = store, jobs, find, archive
        self._asking = Pace(ASKED_PER_SECOND)

    async def of_agent(self, namespace: str, agent: str, job_id: str, uid: str | None) -> JobView:
        """Return a job of an agent.

        Args:
            namespace: the agent's organization.
            agent: its object name.
            job_id: the job's id.
            uid: what the agent believes the job's uid to be; None where it does not say.

        Raises:
            NotFoundError: there is none, or it is another agent's.
            GoneError: the id belongs to a newer job.
            UnavailableError: this agent asked for too many that are not known.
            KubeError: the cluster cannot be asked.
        """
        job = self._jobs.get(namespace, job_id)
        if job is None or not _meant(job, uid):
            if not self._asking.allows((namespace, agent)):
                raise UnavailableError(retry_after=1)
            job = await self._asked(namespace, job_id)
        if job is None or job.agent != agent:
            raise NotFoundError
        if not _meant(job, uid):
            raise GoneError
        return job

    async def whole(self, reader: "Reader", job_id: str) -> DeployJob:
        """Return a job that a caller may read, from the cluster or the archive.

        Raises:
            NotFoundError: there is none, or it is none of the caller's business.
        """
        if not _NAME.fullmatch(job_id):
            raise NotFoundError
        job = await self._in_cluster(reader, job_id) or await self._in_archive(reader, job_id)
        if job is None or not reader.granted(job):
            raise NotFoundError
        return job

    async def _in_cluster(self, reader: "Reader", job_id: str) -> DeployJob | None:
        def known() -> Places:
            return [one.namespace for one in self._jobs.by("id", job_id) if reader.belongs_to(one.namespace)] or None

        own = reader.organizations()
        for namespace in known() or (own if len(own) <= 1 else await self._find(known)) or ():
            if (job := await self._get(namespace, job_id)) is not None:
                return job
        return None

    async def _asked(self, namespace: str, job_id: str) -> JobView | None:
        job = await self._get(namespace, job_id) if _NAME.fullmatch(job_id) else None
        return None if job is None else project(job)

    async def _get(self, namespace: str, job_id: str) -> DeployJob | None:
        try:
            return await self._store.get(DeployJob, namespace, job_id)
        except KubeNotFoundError:
            return None

    async def _in_archive(self, reader: "Reader", job_id: str) -> DeployJob | None:
        for namespace in reader.organizations():
            if (job := await self._archive.get(namespace, job_id)) is not None:
                return job
        return None


def _meant(job: JobView, uid: str | None) -> bool:
    return uid is None or uid.startswith(job.uid8)


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Who reads, as far as reading a job is concerned."""

    belongs_to: Callable[[str], bool]
    """Whether the caller belongs to an organization."""
    organizations: Callable[[], Sequence[str]]
    """The organizations that the caller belongs to."""
    grants: Sequence[Grant] | None
    """The caller's grants; None for people."""

    def granted(self, job: DeployJob) -> bool:
        """Whether the caller's grants reach a job of an organization of theirs."""
        return self.grants is None or reaches(self.grants, trigger=job.spec.trigger, agent=job.spec.agent)
