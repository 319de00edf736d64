import asyncio
import signal
from collections.abc import Iterator
from functools import partial

import pytest

from deplite_apiserver.assembly import _ended


@pytest.fixture
def told() -> Iterator[list[int]]:
    """The signals that this process got."""
    got: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: got.append(number))
    yield got
    signal.signal(signal.SIGTERM, before)


async def _work(error: Exception | None) -> None:
    if error is not None:
        raise error


@pytest.mark.parametrize(
    ("error", "closing", "signals"), [(KeyError(), False, [signal.SIGTERM]), (KeyError(), True, []), (None, False, [])]
)
async def test_a_replica_without_its_background_work_ends(
    told: list[int], error: Exception | None, closing: bool, signals: list[int]
) -> None:
    flag = asyncio.Event()
    if closing:
        flag.set()
    task = asyncio.create_task(_work(error))
    task.add_done_callback(partial(_ended, flag))
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert told == signals
