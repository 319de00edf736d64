"""Removes files whose time is over: the StoredFile first, then its object, so that no file is shown that is not there.

What a process that dies in between leaves of it is an object without a name, and those are the business of `strays`.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from deplite.kube.cache import Cache
from deplite.kube.errors import ConflictError, KubeError, NotFoundError, UnavailableError
from deplite.resources.resource import Resource
from deplite.resources.storedfile import StoredFile
from deplite_apiserver.clock import Clock
from deplite_apiserver.files.view import FileView, project
from deplite_apiserver.jobs.view import FinishedJob, JobView
from deplite_apiserver.sweeper.unhurried import unhurried

log = logging.getLogger(__name__)

UNCOMPLETED_AFTER = timedelta(hours=6)
"""An address for an upload is good for minutes, but what began in time may take hours on a slow line."""
JOB_ENDED_AFTER = timedelta(hours=1)
"""For whoever waited for the end of a job to fetch what it left."""


class FileStore(Protocol):
    """What is needed of `KubeClient`."""

    async def get(self, kind: type[StoredFile], namespace: str, name: str) -> StoredFile:
        """Return the file."""

    async def delete(
        self, kind: type[Resource], namespace: str, name: str, *, uid: str | None = None, version: str | None = None
    ) -> None:
        """Delete one very object, as it was read."""


class Bucket(Protocol):
    """What is needed of an object store."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are not there are no error."""


def over(file: FileView, job: JobView | None, now: datetime) -> bool:
    """Whether a file's time is over.

    Args:
        file: the file.
        job: the cluster's job of the name that the file says, if there is one.
        now: the present moment.
    """
    if file.leaving:  # its namespace is being emptied by others
        return False
    if not file.stored:
        return now - file.created_at >= UNCOMPLETED_AFTER
    match file.rule:
        case "ttl":
            return file.expires_at is not None and now >= file.expires_at
        case "on_job_end":
            ended = _ended_at(file, job)
            return ended is not None and now - ended >= JOB_ENDED_AFTER
        case "persistent":
            return False


def _ended_at(file: FileView, job: JobView | None) -> datetime | None:
    """Return when a file's job ended, or the file was stored if that was later; None: it has not."""
    came = file.stored_at or file.created_at
    if job is None or (file.job_uid is not None and file.job_uid != job.uid8):
        return came  # it has left the cluster
    return max(job.finished_at, came) if isinstance(job, FinishedJob) else None


class Files:
    """Goes through all files and removes those that are due."""

    def __init__(
        self, *, store: FileStore, bucket: Bucket, files: Cache[FileView], jobs: Cache[JobView], clock: Clock
    ) -> None:
        """Make it.

        Args:
            store: the Kubernetes API.
            bucket: where the objects are.
            files: the cache of files.
            jobs: the cache of jobs.
            clock: the time.
        """
        self._store, self._bucket, self._files, self._jobs, self._clock = store, bucket, files, jobs, clock

    async def round(self) -> None:
        """Remove those that are due; not while a cache may lack a job that goes on."""
        if not self._jobs.synced or self._jobs.failing:
            return
        async for file in unhurried(self._files.values()):
            if not self._over(file):
                continue
            try:
                await self._remove(file)
            except UnavailableError:
                raise
            except KubeError as error:  # this one cannot be removed: the others still can
                log.warning("file %s not removed: %s", file.id, error, extra={"action": "remove_failed"})

    def _over(self, file: FileView) -> bool:
        job = None if file.job is None else self._jobs.get(file.namespace, file.job)
        return over(file, job, self._clock.now())

    async def _remove(self, seen: FileView) -> None:
        """Remove a file if it is still as it seems: one that was completed just now was promised to somebody."""
        try:
            found = await self._store.get(StoredFile, seen.namespace, seen.name)
            file, version = project(found), found.metadata.resource_version
            if not self._over(file):
                return
            await self._store.delete(StoredFile, file.namespace, file.name, uid=file.uid, version=version)
        except (NotFoundError, ConflictError):  # somebody was faster
            return
        self._files.forget(file.namespace, file.name, file.uid)
        await self._bucket.delete([file.key])
        log.info("file %s removed: %s", file.id, file.rule, extra={"action": "file_removed", "rule": file.rule})
