import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from deplite.kube.errors import UnavailableError
from deplite.resources import Agent, AgentPool
from deplite_operator import queue as queues
from deplite_operator.queue import WorkQueue
from deplite_operator.world import Item

A: Item = (Agent, ("org-a", "a"))
B: Item = (Agent, ("org-a", "b"))
POOL: Item = (AgentPool, ("org-a", "p"))


class Looks:
    """Counts looks; the first ones fail as asked; waits where told to."""

    def __init__(self, *failures: Exception) -> None:
        self.seen: list[Item] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.unsettled = False
        self._failures: Iterator[Exception] = iter(failures)

    async def __call__(self, item: Item) -> bool:
        self.seen.append(item)
        await self.gate.wait()
        if (failure := next(self._failures, None)) is not None:
            raise failure
        return self.unsettled


@contextlib.asynccontextmanager
async def running(queue: WorkQueue) -> AsyncIterator[None]:
    task = asyncio.create_task(queue.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def sees(looks: Looks, *items: Item) -> None:
    """Wait until these have been looked at, and check that nothing more comes soon."""
    await until_seen(looks, len(items))
    await asyncio.sleep(0.05)
    assert looks.seen == [*items]


async def until_seen(looks: Looks, count: int) -> None:
    async with asyncio.timeout(60):
        while len(looks.seen) < count:
            await asyncio.sleep(0.01)


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


async def test_an_unsettled_item_comes_back_by_itself_until_it_is_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "FIRST_AGAIN", 0.01)
    looks = Looks()
    looks.unsettled = True
    queue = WorkQueue(looks)
    queue.add(A)
    async with running(queue):
        await until_seen(looks, 4)
        looks.unsettled = False
        queue.add(A)
        async with asyncio.timeout(60):
            while queue.unsettled or queue.waiting:
                await asyncio.sleep(0.01)
        seen = len(looks.seen)
        await asyncio.sleep(0.1)
        assert len(looks.seen) == seen


async def test_however_much_news_there_is_of_an_unsettled_item_it_comes_back_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queues, "FIRST_AGAIN", 600.0)
    monkeypatch.setattr(queues, "LONGEST_AGAIN", 600.0)
    looks = Looks()
    looks.unsettled = True
    queue = WorkQueue(looks)
    async with running(queue):
        for number in range(1, 4):
            queue.add(A)
            await sees(looks, *[A] * number)
        assert len(queue.unsettled) == 1


async def test_however_much_news_there_is_of_a_kind_that_rests_it_is_looked_at_once_after_its_rest() -> None:
    looks = Looks()
    queue = WorkQueue(looks, {AgentPool: 600})
    queue.add(POOL)
    async with running(queue):
        await sees(looks, POOL)
        queue.add_all((POOL, A, POOL, A, POOL))
        await sees(looks, POOL, A)
        queue._release(POOL)  # as at the end of its rest
        await sees(looks, POOL, A, POOL)


async def test_a_kind_that_rests_does_so_after_news_during_a_look_and_after_a_failure() -> None:
    looks = Looks(RuntimeError("a bug"))
    looks.gate.clear()
    queue = WorkQueue(looks, {AgentPool: 600})
    queue.add(POOL)
    async with running(queue):
        await sees(looks, POOL)
        queue.add(POOL)
        looks.gate.set()
        await asyncio.sleep(0.05)
        queue.add(POOL)
        await sees(looks, POOL)


async def test_an_unsettled_item_of_a_kind_that_rests_comes_back_after_its_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queues, "FIRST_AGAIN", 0.01)
    looks = Looks()
    looks.unsettled = True
    queue = WorkQueue(looks, {AgentPool: 0.1})
    queue.add(POOL)
    async with running(queue):
        await until_seen(looks, 4)


def test_pools_rest() -> None:
    assert queues.RESTS[AgentPool] >= 1
