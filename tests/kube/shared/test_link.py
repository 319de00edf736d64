"""What closes the link: Redis that is away, and not this process where it is slow."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deplite.patience import PATIENCE
from deplite_apiserver.errors import UnavailableError
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.shared.connect import connect
from deplite_apiserver.shared.link import MAX_CALLS, Link, RedisAwayError
from deplite_apiserver.shared.nonces import RedisNonces
from tests.kube.serving import until
from tests.kube.shared.conftest import link_to
from tests.valkey import Valkey


@pytest_asyncio.fixture
async def link(valkey: Valkey, installation: str) -> AsyncIterator[Link]:
    """A link that waits as long as it is told, and no longer."""
    made = Link(connect(valkey.settings), installation, Metrics())
    yield made
    await made.close()


@pytest_asyncio.fixture
async def busy(link: Link) -> AsyncIterator[Link]:
    """A link all of whose places are taken."""
    begun, over = list[int](), asyncio.Event()

    async def call() -> None:
        begun.append(1)
        await over.wait()

    calls = [asyncio.create_task(link.ask(call, seconds=120)) for _ in range(MAX_CALLS)]
    await until(lambda: asyncio.sleep(0, len(begun)), MAX_CALLS)
    yield link
    over.set()
    await asyncio.gather(*calls)
    assert await link.ask(link.client.ping, seconds=60)


async def test_a_call_whose_turn_does_not_come_says_nothing_of_redis(busy: Link) -> None:
    with pytest.raises(RedisAwayError) as refused:
        await busy.ask(busy.client.ping, seconds=0.1)
    assert refused.value.retry_after == 1
    assert not busy.away


async def test_an_agent_whose_call_is_not_heard_while_redis_is_there_makes_it_again(busy: Link) -> None:
    with pytest.raises(UnavailableError):  # 503, and not a replay that passes
        await RedisNonces(busy).spend("ag-1", "a", 1000)
    assert not busy.away


async def test_the_pulse_waits_for_no_turn(busy: Link) -> None:
    assert await busy.ask(busy.client.ping, probing=True, seconds=60)


async def test_a_call_during_which_this_process_stood_still_says_nothing_of_redis(link: Link) -> None:
    async def call() -> object:
        time.sleep(0.2)  # noqa: ASYNC251 - that is what is tried
        return await link.client.ping()

    with pytest.raises(RedisAwayError):
        await link.ask(call, seconds=0.1)
    assert not link.away


async def test_redis_that_stands_still_is_away_once_the_pulse_says_so(mortal: Valkey, installation: str) -> None:
    link = link_to(mortal, installation)
    nonces_here = RedisNonces(link)
    assert await nonces_here.spend("ag-1", "a", 1000)
    mortal.pause()
    token = PATIENCE.set(0.5)
    try:
        with pytest.raises(RedisAwayError):
            await nonces_here.spend("ag-1", "b", 1000)
        with pytest.raises(RedisAwayError):
            await link.ask(link.client.ping, probing=True)
        assert link.away
        assert await nonces_here.spend("ag-1", "c", 1000)
        assert not await nonces_here.spend("ag-1", "b", 1000)
    finally:
        PATIENCE.reset(token)
        mortal.resume()
    await link.close()
