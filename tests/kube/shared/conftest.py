"""Links to a real Valkey, each to an installation of its own, and what is built on them beside its like in memory."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio

from deplite_apiserver.auth.nonces import MemoryNonces, Nonces
from deplite_apiserver.clock import Clock
from deplite_apiserver.limits.limiter import Limiter
from deplite_apiserver.limits.memory import MemoryLimiter
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.shared.connect import connect
from deplite_apiserver.shared.limiter import SEEDED, RedisLimiter
from deplite_apiserver.shared.link import Found, Link
from deplite_apiserver.shared.nonces import RedisNonces
from deplite_apiserver.shared.once import MemoryOnce, Once, RedisOnce
from tests.kube.serving import PATIENCE as MINUTE
from tests.valkey import Valkey

KINDS = ("memory", "redis")


class Unhurried(Link):
    """A link for which a slow machine is no Redis that is away; who sets `PATIENCE` waits no longer than that."""

    async def ask(
        self,
        call: Callable[[], Awaitable[Found]],
        *,
        repeatable: bool = False,
        probing: bool = False,
        seconds: float = MINUTE,
    ) -> Found:
        return await super().ask(call, repeatable=repeatable, probing=probing, seconds=max(seconds, MINUTE))


def link_to(valkey: Valkey, installation: str) -> Link:
    """Return one replica's link."""
    return Unhurried(connect(valkey.settings), installation, Metrics())


async def mark(link: Link) -> None:
    """Say that the windows are known, as a pulse does once it has counted the jobs."""
    await link.client.set(link.key(SEEDED), "seeding-of-a-test")


@pytest.fixture
def installation() -> str:
    """An installation that nobody else has."""
    return secrets.token_hex(6)


@pytest_asyncio.fixture
async def links(valkey: Valkey, installation: str) -> AsyncIterator[tuple[Link, Link]]:
    """The links of two replicas of one installation, to a Valkey whose windows are known."""
    one, other = link_to(valkey, installation), link_to(valkey, installation)
    await mark(one)
    yield one, other
    await one.close()
    await other.close()


@dataclass(frozen=True, kw_only=True)
class Twins:
    """What two replicas use; with memory, which knows of one replica only, both are the same."""

    limiters: Callable[[Clock], tuple[Limiter, Limiter]]
    nonces: tuple[Nonces, Nonces]
    once: Callable[[Callable[[], float]], tuple[Once, Once]]


@pytest.fixture(params=KINDS)
def twins(request: pytest.FixtureRequest, links: tuple[Link, Link]) -> Twins:
    """The two replicas' parts, in memory and over Redis."""
    if request.param == "memory":
        nonces = MemoryNonces()
        return Twins(
            limiters=lambda clock: (MemoryLimiter(clock),) * 2,
            nonces=(nonces, nonces),
            once=lambda monotonic: (MemoryOnce(monotonic),) * 2,
        )
    one, other = links
    return Twins(
        limiters=lambda clock: (RedisLimiter(one, now=clock.now), RedisLimiter(other, now=clock.now)),
        nonces=(RedisNonces(one), RedisNonces(other)),
        once=lambda _: (RedisOnce(one), RedisOnce(other)),
    )
