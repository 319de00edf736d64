import asyncio
from collections.abc import Iterator

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


async def run(queue: WorkQueue, seconds: float = 0.05) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.run(), seconds)


async def test_an_item_that_waits_is_not_added_twice() -> None:
    looks = Looks()
    queue = WorkQueue(looks)
    queue.add_all((A, B, A))
    await run(queue)
    assert looks.seen == [A, B]


async def test_a_change_during_a_look_brings_one_more() -> None:
    looks = Looks()
    looks.gate.clear()
    queue = WorkQueue(looks)
    queue.add(A)
    running = asyncio.create_task(run(queue, 0.2))
    await asyncio.sleep(0.02)
    queue.add_all((A, A, A))
    assert looks.seen == [A]
    looks.gate.set()
    await running
    assert looks.seen == [A, A]


@pytest.mark.parametrize("failure", [RuntimeError("a bug"), OSError()])
async def test_a_failed_look_comes_back_later(failure: Exception) -> None:
    looks = Looks(failure)
    queue = WorkQueue(looks)
    queue.add(A)
    await run(queue, 0.5)
    assert looks.seen == [A, A]


async def test_retry_after_is_obeyed() -> None:
    looks = Looks(UnavailableError("busy", retry_after=1))
    queue = WorkQueue(looks)
    queue.add(A)
    await run(queue, 0.5)
    assert looks.seen == [A]
