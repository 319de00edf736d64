"""Asking for a job to stop: the wish is stored in its spec; the dispatcher, the agent and the sweeper do the rest."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from deplite.failpoints import failpoint
from deplite.kube.errors import NotFoundError as KubeNotFoundError
from deplite.kube.swap import swap
from deplite.resources.deployjob import Cancel, DeployJob
from deplite.resources.resource import Resource
from deplite_apiserver.errors import ConflictError, NotFoundError

log = logging.getLogger(__name__)


class JobStore(Protocol):
    """What is needed of `KubeClient`."""

    async def get(self, kind: type[DeployJob], namespace: str, name: str) -> DeployJob:
        """Return the job."""

    async def patch(
        self, kind: type[DeployJob], namespace: str, name: str, body: Mapping[str, Any], *, version: str | None = None
    ) -> DeployJob:
        """Merge into the job where `version` is still the present one."""


class Cancels:
    """The only writer of `DeployJob.spec.cancel`, but for people with kubectl."""

    def __init__(self, store: JobStore, note: Callable[[Resource], None]) -> None:
        """Make the writer.

        Args:
            store: where jobs are.
            note: is told each job that was written: the dispatcher acts on it.
        """
        self._store, self._note = store, note

    async def ask(self, namespace: str, name: str, uid: str, cancel: Cancel) -> DeployJob:
        """Store the wish in a job that has not ended, and return the job; one that has a wish already keeps it.

        Args:
            namespace: the organization.
            name: the job's id.
            uid: the beginning of the uid of the object that is meant.
            cancel: who asks, and why.

        Raises:
            NotFoundError: there is no such job any more.
            ConflictError: `job_finished`: it has ended.
            KubeError: nothing was stored.
        """

        async def wish(job: DeployJob) -> DeployJob:
            return job if job.spec.cancel is not None else await self._write(job, cancel)

        return await swap(lambda: self._present(namespace, name, uid), wish)

    async def _present(self, namespace: str, name: str, uid: str) -> DeployJob:
        try:
            job = await self._store.get(DeployJob, namespace, name)
        except KubeNotFoundError:
            raise NotFoundError from None
        if not job.metadata.uid.startswith(uid):
            raise NotFoundError
        refuse_finished(job)
        return job

    async def _write(self, job: DeployJob, cancel: Cancel) -> DeployJob:
        failpoint("apiserver.cancel.decided")
        version = job.metadata.resource_version
        body = {"spec": {"cancel": cancel.wire()}}
        written = await self._store.patch(DeployJob, job.namespace, job.name, body, version=version)
        failpoint("apiserver.cancel.written")
        self._note(written)
        log.info(
            "job %s is to stop: %s",
            job.name,
            cancel.reason,
            extra={"action": "cancel_asked", "jobId": job.name, "reason": cancel.reason},
        )
        return written


def refuse_finished(job: DeployJob) -> None:
    """Check that a job can still be stopped.

    Raises:
        ConflictError: `job_finished`.
    """
    if job.status.phase.finished:
        raise ConflictError("The job has ended; there is nothing to cancel.", code="job_finished")
