"""Wake-ups between replicas: at once, at the others only, and again after Redis was away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from deplite_apiserver.errors import UnavailableError
from deplite_apiserver.shared.bells import MAX_A_MESSAGE, MAX_WAITING, NoBells, RedisBells
from deplite_apiserver.shared.link import Link
from tests.kube.serving import until
from tests.kube.shared.conftest import link_to
from tests.valkey import Valkey


@contextlib.asynccontextmanager
async def ringing(*links: Link) -> AsyncIterator[list[RedisBells]]:
    bells = [RedisBells(link) for link in links]
    tasks = [asyncio.create_task(one.run()) for one in bells]
    async with asyncio.timeout(20):
        await asyncio.gather(*(one.listening.wait() for one in bells))
    yield bells
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest_asyncio.fixture
async def pair(links: tuple[Link, Link]) -> AsyncIterator[list[RedisBells]]:
    async with ringing(*links) as bells:
        yield bells


async def test_the_others_hear_and_who_rings_does_not(pair: list[RedisBells]) -> None:
    one, other = pair
    heard: list[tuple[str, object]] = []
    for name, bells in (("one", one), ("other", other)):
        bells.subscribe("lines", lambda payload, name=name: heard.append((name, payload)))  # type: ignore[misc]
        bells.subscribe("streams", lambda payload, name=name: heard.append((f"{name}'s", payload)))  # type: ignore[misc]
    one.ring("nobody", 0)
    one.ring("lines", ["org-a", 1])
    one.ring("streams", None)
    other.ring("lines", 2)

    async def so_far() -> list[tuple[str, object]]:
        return sorted(heard, key=str)

    await until(so_far, [("other's", None), ("one", 2), ("other", ["org-a", 1])])


async def test_thousands_arrive_in_order(pair: list[RedisBells]) -> None:
    heard: list[int] = []
    pair[1].subscribe("n", heard.append)
    count = 3 * MAX_A_MESSAGE + 1
    for number in range(count):
        pair[0].ring("n", number)

    async def so_far() -> int:
        return len(heard)

    await until(so_far, count)
    assert heard == list(range(count))


async def test_rings_without_end_are_lost_and_take_no_memory(links: tuple[Link, Link]) -> None:
    bells = RedisBells(links[0])
    for number in range(MAX_WAITING + 100):
        bells.ring("n", number)
    assert len(bells._waiting) == MAX_WAITING


async def test_what_another_installation_rings_is_not_heard(pair: list[RedisBells], valkey: Valkey) -> None:
    heard: list[str] = []
    pair[1].subscribe("n", heard.append)
    foreign = link_to(valkey, "another-installation")
    async with ringing(foreign) as [bells]:
        bells.ring("n", "foreign")
        await until(lambda: asyncio.sleep(0, bells._waiting), [])
    pair[0].ring("n", "ours")

    async def so_far() -> list[str]:
        return heard

    await until(so_far, ["ours"])
    await foreign.close()


async def test_after_redis_was_away_they_hear_again(tmp_path: Path, installation: str) -> None:
    server = Valkey(tmp_path / "valkey")
    await server.start()
    links = [link_to(server, installation) for _ in range(2)]
    heard: list[str] = []
    async with ringing(*links) as [one, other]:
        other.subscribe("n", heard.append)
        await server.kill()
        one.ring("n", "lost")
        await server.start()

        async def heard_again() -> bool:
            with contextlib.suppress(Exception):  # in a replica the pulse looks whether Redis is back
                await links[0].ask(links[0].client.ping, probing=True)
            one.ring("n", "again")
            return "again" in heard

        await until(heard_again, True)
    for link in links:
        await link.close()
    await server.kill()


async def test_what_was_rung_during_an_outage_is_not_heard_after_it(mortal: Valkey, installation: str) -> None:
    links = [link_to(mortal, installation) for _ in range(2)]
    heard: list[str] = []
    async with ringing(*links) as [one, other]:
        other.subscribe("n", heard.append)
        await mortal.kill()
        for _ in range(MAX_WAITING):
            one.ring("n", "of before")
        await until(lambda: asyncio.sleep(0, (links[0].away, len(one._waiting))), (True, 0))
        await mortal.start()

        async def heard_again() -> bool:
            with contextlib.suppress(UnavailableError):
                await links[0].ask(links[0].client.ping, probing=True)
            one.ring("n", "of now")
            return bool(heard)

        await until(heard_again, True, seconds=60)
        assert set(heard) == {"of now"}
    for link in links:
        await link.close()


async def test_a_bell_that_is_not_understood_costs_no_other(
    pair: list[RedisBells], caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[object] = []
    pair[1].subscribe("n", lambda payload: payload["of another version"])
    pair[1].subscribe("n", heard.append)
    pair[0].ring("n", {})
    pair[0].ring("n", {"of another version": 1})
    await until(lambda: asyncio.sleep(0, heard), [{}, {"of another version": 1}])
    assert pair[1].listening.is_set()
    assert [getattr(record, "action", None) for record in caplog.records] == ["bell_not_understood"]


async def test_the_only_replica_hears_nothing() -> None:
    heard: list[int] = []
    bells = NoBells()
    bells.subscribe("n", heard.append)
    bells.ring("n", 1)
    assert heard == []
