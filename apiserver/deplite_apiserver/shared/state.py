"""All that replicas share, put together: in memory for the only one, over Redis for several."""

import asyncio
import contextlib
from typing import Protocol

from deplite_apiserver.auth.nonces import MemoryNonces, Nonces
from deplite_apiserver.clock import Clock
from deplite_apiserver.dispatch.sent import Sent
from deplite_apiserver.errors import UnavailableError
from deplite_apiserver.jobs.quota import seed
from deplite_apiserver.limits.limiter import Limiter
from deplite_apiserver.limits.memory import MemoryLimiter
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.shared.bells import Bells, NoBells, RedisBells
from deplite_apiserver.shared.connect import connect
from deplite_apiserver.shared.firsts import RedisSent
from deplite_apiserver.shared.limiter import RedisLimiter
from deplite_apiserver.shared.link import Link
from deplite_apiserver.shared.nonces import RedisNonces
from deplite_apiserver.shared.once import MemoryOnce, Once, RedisOnce
from deplite_apiserver.shared.others import Others, RedisOthers
from deplite_apiserver.shared.pulse import KnownJobs, Pulse
from deplite_apiserver.shared.settings import RedisSettings

FIRST_SEED_SECONDS = 10.0
"""How long the start waits for windows to be seeded; after that limited calls get 503 until they are."""
LEAVE_SECONDS = 1.0


class Shared(Protocol):
    """What one replica has of it."""

    @property
    def limiter(self) -> Limiter:
        """The rate windows."""

    @property
    def nonces(self) -> Nonces:
        """Spent nonces of agents."""

    @property
    def once(self) -> Once:
        """What may happen once."""

    @property
    def bells(self) -> Bells:
        """Wake-ups at the other replicas."""

    @property
    def others(self) -> Others:
        """What the others know of agents."""

    @property
    def sent(self) -> Sent:
        """Which jobs were sent, and when first."""

    @property
    def told(self) -> Sent:
        """Whose agents were told to stop, and when first."""

    @property
    def refused(self) -> bool:
        """Whether the shared store is there and has never let us in: this replica is set up wrongly."""

    @property
    def link(self) -> Link | None:
        """The connection to Redis; None where there is one replica."""

    async def begin(self) -> None:
        """Have the rate windows know what happened before, once the caches are complete; afterwards runs are taken."""

    async def run(self) -> None:
        """Do all that goes on beside requests."""

    async def close(self) -> None:
        """Let go of what is held."""


class InMemory:
    """Of the only replica."""

    refused = False
    link: Link | None = None

    def __init__(self, jobs: KnownJobs, clock: Clock) -> None:
        """Make it, empty.

        Args:
            jobs: the cache of jobs, of which the windows are seeded.
            clock: the time.
        """
        self._jobs, self._clock = jobs, clock
        self.limiter, self.nonces, self.once = MemoryLimiter(clock), MemoryNonces(), MemoryOnce(clock.monotonic)
        self.bells, self.others = NoBells(), Others()
        self.sent, self.told = Sent(clock.monotonic), Sent(clock.monotonic)

    async def begin(self) -> None:
        """As `Shared.begin`."""
        seed(self._jobs.values(), self.limiter.seed, self._clock.now())

    async def run(self) -> None:
        """As `Shared.run`."""

    async def close(self) -> None:
        """As `Shared.close`."""


class OverRedis:
    """Of one of several replicas."""

    def __init__(
        self, settings: RedisSettings, installation: str, jobs: KnownJobs, clock: Clock, metrics: Metrics
    ) -> None:
        """Make it; nothing is connected yet.

        Args:
            settings: where Redis is.
            installation: what tells this installation from all others on the same Redis.
            jobs: the cache of jobs, of which the windows are seeded where Redis is empty.
            clock: the time.
            metrics: counts calls of Redis.
        """
        self.link = Link(connect(settings), installation, metrics)
        self.limiter, self.once = RedisLimiter(self.link), RedisOnce(self.link)
        self.nonces, self.bells = RedisNonces(self.link), RedisBells(self.link)
        self.others = RedisOthers(self.link, self.bells, clock.monotonic)
        self.sent = RedisSent(self.link, "sent", clock.monotonic)
        self.told = RedisSent(self.link, "told", clock.monotonic)
        self._pulse = Pulse(self.link, self.limiter, jobs)
        for returned in (self.nonces.tell, self.sent.returned, self.told.returned):
            self._pulse.subscribe(returned)

    @property
    def refused(self) -> bool:
        """As `Shared.refused`."""
        return self.link.refused

    async def begin(self) -> None:
        """As `Shared.begin`: waits for whoever seeds, but not for a Redis that is away."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_SEED_SECONDS):
                while not self._pulse.seeded.is_set() and not self.link.away:  # noqa: ASYNC110 - two things end it
                    await asyncio.sleep(0.05)

    async def run(self) -> None:
        """As `Shared.run`."""
        async with asyncio.TaskGroup() as group:
            for part in (self._pulse, self.bells, self.others, self.sent, self.told):
                group.create_task(part.run())

    async def close(self) -> None:
        """As `Shared.close`."""
        with contextlib.suppress(UnavailableError, TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await self.others.leave()
        await self.link.close()


def share(
    settings: RedisSettings | None, installation: str, jobs: KnownJobs, clock: Clock, metrics: Metrics
) -> InMemory | OverRedis:
    """Return what the replica shares with others, if there may be others."""
    return InMemory(jobs, clock) if settings is None else OverRedis(settings, installation, jobs, clock, metrics)
