"""Callers who wait for the end of a job."""

import asyncio
from collections.abc import Callable

import pytest

from deplite.kube.cache import Change
from deplite_apiserver.jobs.view import JobView, project
from deplite_apiserver.jobs.waiters import Waiters
from tests.unit.apiserver.jobs.builders import NAMESPACE, job_body

KEY = (NAMESPACE, "j-x")
QUEUED = project(job_body())
ENDED = project(job_body(phase="Succeeded", finishedAt="2026-05-31T13:44:53Z"))


class Jobs:
    """A cache of one job."""

    def __init__(self) -> None:
        self.view: JobView | None = QUEUED
        self.tell: Callable[[Change[JobView]], None] = lambda _: None

    def get(self, namespace: str, name: str) -> JobView | None:
        return self.view if (namespace, name) == KEY else None

    def subscribe(self, callback: Callable[[Change[JobView]], None]) -> object:
        self.tell = callback
        return callback

    def becomes(self, view: JobView | None) -> None:
        old, self.view = self.view, view
        self.tell(Change(key=KEY, old=old, new=view))


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


async def started(waiters: Waiters, count: int = 1) -> list[asyncio.Task[bool]]:
    tasks = [asyncio.create_task(waiters.ended(*KEY, timeout=30)) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_everybody_hears_the_end(jobs: Jobs) -> None:
    tasks = await started(Waiters(jobs), 3)
    jobs.becomes(QUEUED)
    await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)
    jobs.becomes(ENDED)
    assert await asyncio.gather(*tasks) == [True] * 3


async def test_who_comes_after_the_end_does_not_wait(jobs: Jobs) -> None:
    jobs.becomes(ENDED)
    assert await Waiters(jobs).ended(*KEY, timeout=0)


async def test_a_job_that_goes_lets_them_go(jobs: Jobs) -> None:
    tasks = await started(Waiters(jobs))
    jobs.becomes(None)
    assert await tasks[0] is False


async def test_time_runs_out_and_nothing_is_left(jobs: Jobs) -> None:
    waiters = Waiters(jobs)
    assert await waiters.ended(*KEY, timeout=0.01) is False
    assert waiters._ends == {}


async def test_a_process_that_ends_lets_all_go_and_takes_none(jobs: Jobs) -> None:
    waiters = Waiters(jobs)
    tasks = await started(waiters, 2)
    waiters.stop()
    assert await asyncio.gather(*tasks) == [False, False]
    assert await waiters.ended(*KEY, timeout=30) is False


async def test_a_caller_who_hangs_up_is_forgotten(jobs: Jobs) -> None:
    waiters = Waiters(jobs)
    [task] = await started(waiters)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert waiters._ends == {}
