"""Looking up what a cache does not hold."""

import asyncio
import time
from typing import Any, cast

import pytest

from deplite.kube.cache import Cache
from deplite.kube.client import KubeClient, Page
from deplite.kube.errors import KubeError, NotFoundError
from deplite.kube.errors import UnavailableError as KubeUnavailableError
from deplite.resources import Trigger
from deplite_apiserver.caches import Caches
from deplite_apiserver.errors import UnavailableError
from deplite_apiserver.rounds import IN_TROUBLE_PER_SECOND, ROUNDS_PER_SECOND
from deplite_apiserver.settings import Waits
from tests.unit.apiserver.jobs.builders import NAMESPACE, trigger


class Asked:
    """An API server that counts how often it is asked, and answers while its gate is open."""

    def __init__(self) -> None:
        self.times = self.fetched = 0
        self.away = False
        self.there: list[Trigger] = []
        self.reached, self.gate = asyncio.Event(), asyncio.Event()
        self.gate.set()

    async def version(self, *_: Any) -> int:
        return 10

    async def pages(self, *_: Any, **__: Any) -> Any:
        self.times += 1
        there = list(self.there)
        self.reached.set()
        await self.gate.wait()
        yield Page(items=[one.wire() for one in there], version=10)

    async def get(self, kind: type[Trigger], namespace: str, name: str) -> Trigger:
        self.fetched += 1
        if self.away:
            raise KubeUnavailableError("away")
        found = [one for one in self.there if one.key == (namespace, name)]
        if not found:
            raise NotFoundError("no")
        return found[0]


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def caches(asked: Asked) -> Caches:
    return Caches(cast(KubeClient, asked), Waits())


async def test_a_cache_that_is_still_filling_knows_no_absence(caches: Caches, asked: Asked) -> None:
    with pytest.raises(UnavailableError):
        await caches.find(caches.triggers, lambda: caches.triggers.get(NAMESPACE, "deploy"))
    assert asked.times == 0
    caches.triggers.note(trigger())
    found = await caches.find(caches.triggers, lambda: caches.triggers.get(NAMESPACE, "deploy"))
    assert found == trigger()


async def test_a_miss_asks_the_api_server_and_many_do_not_flood_it(caches: Caches, asked: Asked) -> None:
    caches.triggers.synced = True
    began = time.monotonic()
    for _ in range(2 * ROUNDS_PER_SECOND):
        assert await caches.find(caches.triggers, lambda: caches.triggers.get(NAMESPACE, "absent")) is None
    assert asked.times <= ROUNDS_PER_SECOND * (time.monotonic() - began + 1)


async def test_after_much_junk_what_is_there_is_found(caches: Caches, asked: Asked) -> None:
    caches.triggers.synced = caches.agents.synced = True
    for _ in range(ROUNDS_PER_SECOND):
        assert await caches.find(caches.agents, lambda: caches.agents.get(NAMESPACE, "absent")) is None
        assert await caches.find(caches.triggers, lambda: caches.triggers.get(NAMESPACE, "absent")) is None
    asked.there = [trigger()]  # by another replica, and told to its caller
    found = await caches.find(caches.triggers, lambda: caches.triggers.get(NAMESPACE, "deploy"))
    assert found == trigger()


async def test_while_its_watch_has_failed_it_is_asked_less_and_nothing_counts_as_absent(
    caches: Caches, asked: Asked
) -> None:
    caches.triggers.synced = caches.triggers.failing = True
    refused = 0
    for _ in range(100):
        try:
            await caches.find(caches.triggers, lambda: caches.triggers.get(NAMESPACE, "absent"))
        except UnavailableError:
            refused += 1
    assert 1 <= asked.times <= IN_TROUBLE_PER_SECOND
    assert refused >= 100 - IN_TROUBLE_PER_SECOND


async def test_misses_at_once_share_what_is_asked_and_each_sees_what_was_there_before_it(
    caches: Caches, asked: Asked
) -> None:
    caches.triggers.synced = True

    async def find() -> Trigger | None:
        return await caches.find(caches.triggers, lambda: caches.triggers.get(NAMESPACE, "deploy"))

    asked.gate.clear()
    first = [asyncio.create_task(find()) for _ in range(50)]
    await asked.reached.wait()
    asked.there = [trigger()]  # by another replica, while the first ones are being answered
    later = [asyncio.create_task(find()) for _ in range(50)]
    await asyncio.sleep(0)
    asked.gate.set()
    await asyncio.gather(*first)
    assert await asyncio.gather(*later) == [trigger()] * 50
    assert asked.times == 2


async def test_before_one_is_chosen_a_cache_catches_up(caches: Caches, asked: Asked) -> None:
    asked.there = [trigger()]
    caches.triggers.synced = True
    await caches.settle(caches.triggers)
    assert caches.triggers.get(NAMESPACE, "deploy") == trigger()
    await asyncio.gather(*(caches.settle(caches.triggers) for _ in range(100)))
    assert asked.times == 2


async def test_while_its_watch_has_failed_too_many_who_want_to_choose_are_refused(caches: Caches, asked: Asked) -> None:
    caches.triggers.synced = caches.triggers.failing = True
    refused = 0
    for _ in range(100):
        try:
            await caches.settle(caches.triggers)
        except UnavailableError:
            refused += 1
    assert asked.times + refused == 100
    assert refused >= 100 - IN_TROUBLE_PER_SECOND


async def test_while_a_watch_stands_nothing_is_asked_for_what_is_cached(caches: Caches, asked: Asked) -> None:
    caches.triggers.note(trigger())
    assert await caches.current(caches.triggers, trigger()) == trigger()
    assert asked.fetched == 0


async def test_while_it_does_not_an_object_is_read_by_its_name_before_anything_is_decided_on_it(
    caches: Caches, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cache, "deaf", True)
    known = trigger()
    caches.triggers.note(known)
    spec, meta = known.spec.model_copy(update={"suspended": True}), {"resource_version": "99"}
    asked.there = [known.model_copy(update={"spec": spec, "metadata": known.metadata.model_copy(update=meta)})]
    now = await caches.current(caches.triggers, known)
    assert now is not None
    assert now.spec.suspended
    assert caches.triggers.get(*known.key) == now
    asked.there = []
    assert await caches.current(caches.triggers, known) is None
    assert caches.triggers.get(*known.key) is None
    asked.away = True
    with pytest.raises(KubeError):
        await caches.current(caches.triggers, known)
