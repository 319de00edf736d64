"""Finding a job for whoever asks: absent and foreign alike are not found."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from deplite.kube.cache import Cache
from deplite.kube.errors import NotFoundError as KubeNotFoundError
from deplite.resources.apitoken import Grant
from deplite.resources.deployjob import DeployJob
from deplite_apiserver.errors import GoneError, NotFoundError
from deplite_apiserver.jobs.view import JobView
from deplite_apiserver.storage.archive import Archive
from deplite_apiserver.tokens.grants import reaches

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")

Found = TypeVar("Found")


class Find(Protocol):
    """Looks something up in a cache; on a miss, once more when the cache has caught up."""

    async def __call__(self, cache: Cache[Any], look: Callable[[], Found | None]) -> Found | None:
        """Return what was found."""


class JobReader(Protocol):
    """What is needed of `KubeClient`."""

    async def get(self, kind: type[DeployJob], namespace: str, name: str) -> DeployJob:
        """Return the job."""


class Lookup:
    """Reads jobs: cached, whole, or from the archive."""

    def __init__(self, *, store: JobReader, jobs: Cache[JobView], find: Find, archive: Archive) -> None:
        self._store, self._jobs, self._find, self._archive = store, jobs, find, archive

    async def view(self, namespace: str, job_id: str) -> JobView:
        """Return what is cached of a job.

        Raises:
            NotFoundError: there is none in the organization.
        """
        if not _NAME.fullmatch(job_id):
            raise NotFoundError
        found: JobView | None = await self._find(self._jobs, lambda: self._jobs.get(namespace, job_id))
        if found is None:
            raise NotFoundError
        return found

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
        """
        job = await self.view(namespace, job_id)
        if job.agent != agent:
            raise NotFoundError
        if uid is not None and not uid.startswith(job.uid8):
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
        def look() -> JobView | None:
            return next((job for job in self._jobs.by("id", job_id) if reader.belongs_to(job.namespace)), None)

        found: JobView | None = await self._find(self._jobs, look)
        if found is None:
            return None
        try:
            return await self._store.get(DeployJob, found.namespace, found.name)
        except KubeNotFoundError:
            return None

    async def _in_archive(self, reader: "Reader", job_id: str) -> DeployJob | None:
        for namespace in reader.organizations():
            if (job := await self._archive.get(namespace, job_id)) is not None:
                return job
        return None


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
