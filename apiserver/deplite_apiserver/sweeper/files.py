"""Removes files whose time is over: the StoredFile first, then its object, so that no file is shown that is not there.

What a process that dies in between leaves of it is an object without a name, and those are the business of `strays`.
"""

from datetime import datetime, timedelta

from deplite.kube.cache import Cache
from deplite_apiserver.clock import Clock
from deplite_apiserver.files.view import FileView
from deplite_apiserver.jobs.view import FinishedJob, JobView
from deplite_apiserver.sweeper.removal import Bucket, FileStore, Removal
from deplite_apiserver.sweeper.unhurried import unhurried

UNCOMPLETED_AFTER = timedelta(hours=6)
"""An address for an upload is good for minutes, but what began in time may take hours on a slow line."""
JOB_ENDED_AFTER = timedelta(hours=1)
"""For whoever waited for the end of a job to fetch what it left."""


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
        self._removal = Removal(store=store, bucket=bucket, files=files)
        self._files, self._jobs, self._clock = files, jobs, clock

    async def round(self) -> None:
        """Remove those that are due; not while a cache may lack a job that goes on."""
        if not self._jobs.synced or self._jobs.failing:
            return
        async for file in unhurried(self._files.values()):
            if self._over(file):
                await self._removal.of(file, self._over, file.rule)

    def _over(self, file: FileView) -> bool:
        job = None if file.job is None else self._jobs.get(file.namespace, file.job)
        return over(file, job, self._clock.now())
