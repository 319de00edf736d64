"""A replica whose time the tests move, and a bench on it; nothing of theirs ends by time."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite_apiserver.settings import Settings
from tests.kube.edge.people import People
from tests.kube.jobs.conftest import Bench, benched
from tests.kube.serving import MovableClock, Replica, served


@pytest.fixture(scope="module")
def clock() -> MovableClock:
    return MovableClock()


@pytest_asyncio.fixture(scope="module")
async def replica(settings: Settings, clock: MovableClock) -> AsyncIterator[Replica]:
    async with served(settings, clock) as running:
        yield running


@pytest_asyncio.fixture
async def bench(
    kube: KubeClient, organization: str, replica: Replica, people: People, clock: MovableClock
) -> AsyncIterator[Bench]:
    async with benched(kube, organization, replica, people, clock=clock.time) as made:
        yield made
