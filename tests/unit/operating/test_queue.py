import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from deplite.kube.errors import UnavailableError
from deplite.resources import Agent
from deplite_operator.queue import WorkQueue
from deplite_operator.world import Item

A: Item = (Agent, ("org-a", "a"))
B: Item = (Agent, ("org-a", "b"))


class Looks:
    """Counts looks; the first ones fail as asked; waits where told to."""

    def __init__(self, *failures: Exception) -> None:
        self.seen: list[Item] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._failures: Iterator[Exception] = iter(failures)

    async def __call__(self, item: Item) -> None:
        self.seen.append(item)
        await self.gate.wait()
        if (failure := next(self._failures, None)) is not None:
            raise failure


@contextlib.asynccontextmanager
async def running(queue: WorkQueue) -> AsyncIterator[None]:
    task = asyncio.create_task(queue.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def sees(looks: Looks, *items: Item) -> None:
    """Wait until these have been looked at, and check that nothing more comes soon."""
    async with asyncio.timeout(60):
        while len(looks.seen) < len(items):
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert looks.seen == [*items]


async def test_an_item_that_waits_is_not_added_twice() -> None:
    looks = Looks()
    queue = WorkQueue(looks)
    queue.add_all((A, B, A))
    async with running(queue):
        await sees(looks, A, B)


async def test_a_change_during_a_look_brings_one_more() -> None:
    looks = Looks()
    looks.gate.clear()
    queue = WorkQueue(looks)
    queue.add(A)
    async with running(queue):
        await sees(looks, A)
        queue.add_all((A, A, A))
        await sees(looks, A)
        looks.gate.set()
        await sees(looks, A, A)


@pytest.mark.parametrize("failure", [RuntimeError("a bug"), OSError()])
async def test_a_failed_look_comes_back_later(failure: Exception) -> None:
    looks = Looks(failure)
    queue = WorkQueue(looks)
    queue.add(A)
    async with running(queue):
        await sees(looks, A, A)


async def test_retry_after_is_obeyed() -> None:
    looks = Looks(UnavailableError("busy", retry_after=600))
    queue = WorkQueue(looks)
    queue.add(A)
    async with running(queue):
        await sees(looks, A)
        await asyncio.sleep(0.5)
        assert looks.seen == [A]
