"""Looking up what a cache does not hold."""

from typing import Any, cast

import pytest

from deplite.kube.client import KubeClient
from deplite_apiserver.caches import FRESH_WAITS_PER_SECOND, Caches
from deplite_apiserver.errors import UnavailableError
from tests.unit.apiserver.jobs.builders import NAMESPACE, trigger


class Asked:
    """An API server that holds nothing, and counts how often it is asked."""

    def __init__(self) -> None:
        self.times = 0

    async def version(self, *_: Any) -> int:
        return 1

    async def pages(self, *_: Any, **__: Any) -> Any:
        self.times += 1
        for page in ():
            yield page


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def caches(asked: Asked) -> Caches:
    return Caches(cast(KubeClient, asked))


async def test_a_cache_that_is_still_filling_knows_no_absence(caches: Caches, asked: Asked) -> None:
    with pytest.raises(UnavailableError):
        await caches.find(caches.triggers, lambda: caches.triggers.get(NAMESPACE, "deploy"))
    assert asked.times == 0
    caches.triggers.note(trigger())
    found = await caches.find(caches.triggers, lambda: caches.triggers.get(NAMESPACE, "deploy"))
    assert found == trigger()


async def test_a_miss_asks_the_api_server_and_many_do_not_flood_it(caches: Caches, asked: Asked) -> None:
    caches.triggers.synced = True
    for _ in range(20):
        assert await caches.find(caches.triggers, lambda: caches.triggers.get(NAMESPACE, "absent")) is None
    assert 1 <= asked.times <= FRESH_WAITS_PER_SECOND
