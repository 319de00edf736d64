"""Takes finished jobs out of the cluster step by step; `retirement` says which step is due."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from deplite.failpoints import failpoint
from deplite.kube.cache import Cache, Change
from deplite.kube.errors import ConflictError, NotFoundError
from deplite.resources.deployjob import DeployJob
from deplite.resources.resource import Resource
from deplite_apiserver.jobs.row import JobRow
from deplite_apiserver.jobs.view import FinishedJob, JobView
from deplite_apiserver.storage.archive import Archive
from deplite_apiserver.storage.history import History
from deplite_apiserver.storage.logstore import LogStore
from deplite_apiserver.storage.pieces import LogName
from deplite_apiserver.sweeper.retirement import Duty, Progress, duty

log = logging.getLogger(__name__)

RETRY_AFTER = 300.0
"""Seconds for which a job whose step failed is left alone: one that cannot be retired must not hold up the others."""
ENOUGH_FAILURES = 3
"""In one round: then it is not the jobs."""
_YIELD_EVERY = 1000
_FRESH = Progress()
_MERGED = Progress(merged_at=0.0, discarded=True)

Key = tuple[str, str, str]


class JobStore(Protocol):
    """What is needed of `KubeClient`."""

    async def get(self, kind: type[DeployJob], namespace: str, name: str) -> DeployJob:
        """Return the job."""

    async def delete(
        self, kind: type[Resource], namespace: str, name: str, *, uid: str | None = None, version: str | None = None
    ) -> None:
        """Delete one very object, as it was read."""


class Retirement:
    """What this process has done for each finished job, and does next. All of it may be done twice."""

    def __init__(
        self,
        *,
        store: JobStore,
        jobs: Cache[JobView],
        logs: LogStore,
        archive: Archive,
        history: History,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._store, self._jobs, self._logs, self._archive, self._history = store, jobs, logs, archive, history
        self._now, self._monotonic = now, monotonic
        self._progress: dict[Key, Progress] = {}
        self._parts: dict[Key, list[str]] = {}
        self._failed_at: dict[Key, float] = {}
        self._archived: dict[Key, str] = {}
        """The resourceVersion that was archived."""
        self._leaving: set[Key] = set()
        """Deleted, but held by a finalizer of somebody's: nothing more to do unless they change."""
        self._merging: Key | None = None
        jobs.subscribe(self._changed)
        logs.subscribe(self._appended)

    async def round(self) -> None:
        """Do what is due, until steps of several jobs fail: the store or the cluster may be away.

        One job that cannot be retired must not hold up the others.
        """
        failed: Exception | None = None
        failures = 0
        for number, job in enumerate(self._jobs.values()):
            if number % _YIELD_EVERY == _YIELD_EVERY - 1:
                await asyncio.sleep(0)  # a long list must not keep requests waiting
            if not isinstance(job, FinishedJob):
                continue
            due = duty(job, self._progress.get(_key(job), _FRESH), self._now(), self._monotonic())
            if due is Duty.NOTHING or _key(job) in self._leaving or self._waits(job):
                continue
            try:
                await self._do(due, job)
            except Exception as error:
                self._failed_at[_key(job)] = self._monotonic()
                failed, failures = error, failures + 1
                if failures >= ENOUGH_FAILURES:
                    break
        if failed is not None:
            raise failed

    def _waits(self, job: FinishedJob) -> bool:
        failed_at = self._failed_at.get(_key(job))
        return failed_at is not None and self._monotonic() - failed_at < RETRY_AFTER

    async def _do(self, due: Duty, job: FinishedJob) -> None:
        key = _key(job)
        match due:
            case Duty.MERGE_LOG:
                await self._merge(job)
            case Duty.DISCARD_PARTS:
                await self._logs.discard(self._parts.pop(key, []))
                self._progress[key] = _MERGED
            case Duty.ARCHIVE:
                await self._keep(job)
            case Duty.DELETE:
                await self._delete(job)

    async def _merge(self, job: FinishedJob) -> None:
        key = self._merging = _key(job)
        parts = await self._logs.merge(LogName(organization=job.namespace, storage_key=job.storage_key))
        self._parts[key] = parts
        if self._merging == key:  # else lines came meanwhile: once more
            self._progress[key] = Progress(merged_at=self._monotonic()) if parts else _MERGED
        self._merging = None

    async def _keep(self, job: FinishedJob) -> None:
        whole = await self._read(job)
        if whole is not None:
            failpoint("apiserver.job.archiving")
            await self._archive.put(whole)
            await self._history.put(job.namespace, JobRow.of(job))
            self._archived[_key(job)] = whole.metadata.resource_version
            self._progress[_key(job)] = replace(_MERGED, archived_at=self._monotonic())

    async def _delete(self, job: FinishedJob) -> None:
        whole = await self._read(job)
        if whole is None:
            return
        version = whole.metadata.resource_version
        if version != self._archived.get(_key(job)):  # a late result came since: it is to be archived, too
            await self._keep(job)
            return
        if whole.metadata.deletion_timestamp is not None:
            self._leaving.add(_key(job))
            return
        failpoint("apiserver.job.deleting")
        try:
            await self._store.delete(DeployJob, job.namespace, job.name, uid=whole.metadata.uid, version=version)
            log.info("job %s archived and deleted", job.name, extra={"action": "job_retired", "jobId": job.name})
        except (NotFoundError, ConflictError):
            return

    async def _read(self, job: FinishedJob) -> DeployJob | None:
        """Return the whole object if it is still this one."""
        try:
            whole = await self._store.get(DeployJob, job.namespace, job.name)
        except NotFoundError:
            return None
        return whole if whole.metadata.uid.startswith(job.uid8) else None

    def _changed(self, change: Change[JobView]) -> None:
        if isinstance(change.old, FinishedJob):
            self._leaving.discard(_key(change.old))
        if isinstance(change.old, FinishedJob) and (change.new is None or change.new.uid8 != change.old.uid8):
            self._progress.pop(_key(change.old), None)
            self._parts.pop(_key(change.old), None)
            self._failed_at.pop(_key(change.old), None)
            self._archived.pop(_key(change.old), None)

    def _appended(self, name: LogName, last: int) -> None:
        """Merge again what got late lines."""
        job_id, _, uid8 = name.storage_key.rpartition("-")
        key = name.organization, job_id, uid8
        self._progress.pop(key, None)
        if self._merging == key:
            self._merging = None


def _key(job: FinishedJob) -> Key:
    return job.namespace, job.name, job.uid8
