"""What happens once, and nonces: in memory and over Redis, where two replicas share them."""

import asyncio

from deplite_apiserver.shared.link import Link
from deplite_apiserver.shared.nonces import KEPT_SECONDS, RedisNonces
from deplite_apiserver.shared.once import MOST, MemoryOnce, RedisOnce
from tests.kube.shared.conftest import Twins
from tests.unit.apiserver.clocks import StillClock


async def test_only_the_first_is_first(twins: Twins) -> None:
    one, other = twins.once(StillClock().monotonic)
    outcomes = await asyncio.gather(*((one, other)[number % 2].first("event", "Ev1", 60) for number in range(50)))
    assert sum(outcomes) == 1
    assert await other.first("event", "Ev2", 60)
    assert await other.first("state", "Ev1", 60)
    assert not await one.first("state", "Ev1", 1)


async def test_who_only_asks_changes_nothing_and_what_is_forgotten_may_happen_again(twins: Twins) -> None:
    one, other = twins.once(StillClock().monotonic)
    assert not await other.happened("event", "Ev1")
    assert await one.first("event", "Ev1", 60)
    assert await other.happened("event", "Ev1")
    assert not await other.happened("state", "Ev1")
    await other.forget("event", "Ev1")
    await one.forget("event", "never there")
    assert not await one.happened("event", "Ev1")
    assert await other.first("event", "Ev1", 60)
    assert await one.happened("event", "Ev1")


async def test_what_memory_forgot_and_saw_again_lives_its_whole_time_anew() -> None:
    clock = StillClock()
    once = MemoryOnce(clock.monotonic)
    assert await once.first("event", "Ev1", 60)
    clock.advance(30)
    await once.forget("event", "Ev1")
    assert await once.first("event", "Ev1", 60)
    clock.advance(59)
    assert await once.happened("event", "Ev1")
    clock.advance(1)
    assert not await once.happened("event", "Ev1")


async def test_memory_forgets_what_is_over_and_nothing_else() -> None:
    clock = StillClock()
    once = MemoryOnce(clock.monotonic)
    for number in range(100):
        assert await once.first("event", str(number), 60)
        clock.advance(1)
    assert len(once._until) == 60
    assert [await once.happened("event", str(number)) for number in (40, 41)] == [False, True]
    assert await once.first("event", "long", 600)
    clock.advance(599)
    assert not await once.first("event", "long", 600)
    clock.advance(1)
    assert await once.first("event", "long", 600)


async def test_memory_forgets_the_oldest_where_there_is_too_much() -> None:
    once = MemoryOnce(StillClock().monotonic)
    for number in range(MOST + 2):
        assert await once.first("event", str(number), 60)
    assert len(once._until) == MOST
    assert [await once.happened("event", str(number)) for number in (1, 2)] == [False, True]


async def test_redis_forgets_what_is_over(links: tuple[Link, Link]) -> None:
    assert await RedisOnce(links[0]).first("event", "Ev1", 60)
    assert 0 < await links[1].client.ttl(links[1].key("once", "event", "Ev1")) <= 60


async def test_a_nonce_is_spent_once_an_agent(twins: Twins) -> None:
    one, other = twins.nonces
    assert await one.spend("ag-1", "a", 1000)
    assert not await one.spend("ag-1", "a", 1000)
    assert not await other.spend("ag-1", "a", 1300)
    assert await other.spend("ag-2", "a", 1000)
    assert await other.spend("ag-1", "b", 1000)
    assert not await one.spend("ag-1", "b", 1000)


async def test_of_a_nonce_that_comes_a_hundred_times_at_once_one_passes(twins: Twins) -> None:
    outcomes = await asyncio.gather(*(twins.nonces[number % 2].spend("ag-1", "a", 1000) for number in range(100)))
    assert sum(outcomes) == 1


async def test_redis_keeps_a_nonce_for_as_long_as_it_could_be_replayed(links: tuple[Link, Link]) -> None:
    assert await RedisNonces(links[0]).spend("ag-1", "a", 1000)
    assert KEPT_SECONDS - 60 < await links[0].client.ttl(links[0].key("nonce", "ag-1", "a")) <= KEPT_SECONDS
