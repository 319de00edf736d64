"""Two replicas of the apiserver in this process, which share a real Valkey; an agent and callers may use either."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deplite.kube.cache import Cache
from deplite.kube.client import KubeClient
from deplite.resources import Agent, ApiToken, Organization, Trigger
from deplite_apiserver.dispatch.streams import AgentKey
from deplite_apiserver.settings import Settings
from deplite_apiserver.shared import nonces
from deplite_apiserver.shared.settings import RedisSettings
from deplite_apiserver.shared.state import OverRedis
from tests.kube.edge.people import People
from tests.kube.jobs.conftest import Bench, benched, people, settings  # noqa: F401 - fixtures
from tests.kube.serving import PATIENCE, Replica, served, told, until
from tests.valkey import Valkey


@pytest.fixture(scope="package", autouse=True)
def patient_nonces() -> Iterator[None]:
    """Both replicas, their agent and the tests are one process, which may stand still for longer than a call may."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nonces, "WAIT_SECONDS", PATIENCE)
        yield


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two replicas, and a client of each."""

    one: Replica
    other: Replica
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient]

    @property
    def both(self) -> tuple[Replica, Replica]:
        return self.one, self.other

    async def connected(self, agent: AgentKey) -> list[bool]:
        """Return whether each of them knows that an agent is connected; one hears it from the other a little later."""
        return [replica.context.desk.presence.connected(agent) for replica in self.both]

    def leader_first(self) -> tuple[Replica, Replica]:
        """Return the one that holds the sweeper's Lease, and the one that does not."""
        return self.both if self.one.context.desk.leads else (self.other, self.one)


@contextlib.asynccontextmanager
async def paired(
    settings: Settings,  # noqa: F811 - no fixture here
    redis: RedisSettings,
    *,
    port: int = 0,
) -> AsyncIterator[Pair]:
    """Serve two replicas, each with its own memory, connections and caches; the first one on a port (0: any)."""
    shared = settings.model_copy(update={"redis": redis})
    async with (
        served(shared, port=port) as one,
        served(shared) as other,
        one.client() as client,
        other.client() as second,
    ):
        pair = Pair(one=one, other=other, clients=(client, second))
        for replica in pair.both:
            assert isinstance(replica.context.shared, OverRedis)
            await replica.context.shared.bells.listening.wait()
        yield pair


@pytest_asyncio.fixture(scope="module")
async def pair(settings: Settings, valkey: Valkey) -> AsyncIterator[Pair]:  # noqa: F811 - the fixture
    async with paired(settings, valkey.settings) as made:
        yield made


@pytest_asyncio.fixture
async def bench(kube: KubeClient, organization: str, pair: Pair, people: People) -> AsyncIterator[Bench]:  # noqa: F811
    """An organization with an agent; what it asks goes to the first replica."""
    async with benched(kube, organization, pair.one, people) as made:
        await told(Agent, ApiToken, Organization, Trigger)
        yield made


@contextlib.contextmanager
def late(cache: Cache[Any]) -> Iterator[None]:
    """Let what a cache's watch brings come at the end of the block; what it asks for comes at once."""
    heard: list[Any] = []
    versions: list[int] = []
    put, advance = cache._put, cache._advance

    def hear(body: Any) -> None:
        heard.append(body) if isinstance(body, dict) else put(body)

    cache._put, cache._advance = hear, versions.append  # type: ignore[method-assign]
    try:
        yield
    finally:
        cache._put, cache._advance = put, advance  # type: ignore[method-assign]
        for body in heard:
            put(body)
        advance(max(versions, default=0))


@contextlib.contextmanager
def deaf_of_agents(replica: Replica) -> Any:
    """Keep a replica from hearing of agents, as one whose watch is late; it hears all of it in the end."""
    cache = replica.context.caches.agents
    heard: list[Any] = []
    put: Callable[[Any], None] = cache._put
    cache._put = heard.append  # type: ignore[method-assign]
    try:
        yield
    finally:
        cache._put = put  # type: ignore[method-assign]
        for body in heard:
            put(body)


async def ready(client: httpx.AsyncClient) -> tuple[int, Any]:
    """Return what a replica says of itself."""
    answer = await client.get("/readyz")
    return answer.status_code, answer.json()["status"]


async def leading(pair: Pair) -> None:
    """Wait until one of them holds the Lease."""

    async def held() -> bool:
        return any(replica.context.desk.leads for replica in pair.both)

    await until(held, True, seconds=60)
