"""Requests that wait for the end of a job: woken by the cache's watch, on whichever replica they wait."""

import asyncio
from typing import Protocol

from deplite.kube.cache import Callback, Change
from deplite_apiserver.jobs.view import JobView


class JobChanges(Protocol):
    """What is needed of the cache of jobs."""

    def get(self, namespace: str, name: str) -> JobView | None:
        """Return a job."""

    def subscribe(self, callback: Callback[JobView]) -> object:
        """Call back at each change."""


class Waiters:
    """Who waits for which job."""

    def __init__(self, jobs: JobChanges) -> None:
        self._jobs = jobs
        self._ends: dict[tuple[str, str], set[asyncio.Event]] = {}
        self._stopping = False
        jobs.subscribe(self._changed)

    async def ended(self, namespace: str, name: str, timeout: float) -> bool:
        """Wait at most `timeout` seconds for the end of a job; says whether it ended."""
        key, end = (namespace, name), asyncio.Event()
        waiting = self._ends.setdefault(key, set())
        waiting.add(end)
        try:
            if self._finished(namespace, name) or self._stopping:
                return self._finished(namespace, name)
            async with asyncio.timeout(timeout):
                await end.wait()
        except TimeoutError:
            pass
        finally:
            waiting.discard(end)
            if not waiting:
                self._ends.pop(key, None)
        return self._finished(namespace, name)

    def stop(self) -> None:
        """Let everybody go: the process is about to end, and they are told that the job goes on."""
        self._stopping = True
        for waiting in self._ends.values():
            for end in waiting:
                end.set()

    def _finished(self, namespace: str, name: str) -> bool:
        job = self._jobs.get(namespace, name)
        return job is not None and job.finished

    def _changed(self, change: Change[JobView]) -> None:
        if change.new is None or change.new.finished:
            for end in self._ends.get(change.key, ()):
                end.set()
