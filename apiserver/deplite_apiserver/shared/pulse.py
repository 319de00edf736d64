"""Looks at Redis once a second: whether it is there, and whether it is the one that knows our windows.

A Redis that comes up empty would let a day's runs through once more. So the limiter refuses until the marker is there;
each replica counts the jobs that the cluster has, and the first that is done sets the marker. Several may count: a
counter takes the larger number.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Protocol

from deplite.kube.errors import KubeError
from deplite_apiserver.errors import ApiError
from deplite_apiserver.jobs.quota import seed
from deplite_apiserver.jobs.view import JobView
from deplite_apiserver.shared.limiter import SEEDED, RedisLimiter
from deplite_apiserver.shared.link import Link

log = logging.getLogger(__name__)

PULSE_SECONDS = 1.0
PROBE_SECONDS = 2.5
SETTLE_SECONDS = 3.0
"""Between finding Redis empty and counting: a run that got its place before that is in the cluster by then."""

PULSE_KEPT_SECONDS = 60
_LOOK = f"redis.call('SET', KEYS[1], '1', 'EX', {PULSE_KEPT_SECONDS}) return redis.call('GET', KEYS[2])"
"""A Redis that can be read may take nothing: because it is full, or follows another one since a failover."""
_FINISH = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('SET', KEYS[2], ARGV[1], 'NX') end"


class KnownJobs(Protocol):
    """What is needed of the cache of jobs."""

    def values(self) -> Iterable[JobView]:
        """Return all jobs."""

    async def wait_synced(self) -> None:
        """Wait for the first list."""

    async def refresh(self) -> None:
        """List them anew."""


Returned = Callable[[], Awaitable[None]]
"""Is told that Redis is there, and may have forgotten, or not have heard, what it was told before."""


class Pulse:
    """One replica's look at Redis."""

    def __init__(
        self, link: Link, limiter: RedisLimiter, jobs: KnownJobs, *, settle_seconds: float = SETTLE_SECONDS
    ) -> None:
        """Make it; `run` looks.

        Args:
            link: Redis.
            limiter: is seeded.
            jobs: the cache of jobs.
            settle_seconds: between finding Redis empty and counting.
        """
        self._link, self._limiter, self._jobs, self._settle_seconds = link, limiter, jobs, settle_seconds
        self._handled: tuple[int, object] | None = None
        """How often Redis was back, and its marker, when everybody was last told of it."""
        self._returned: list[Returned] = []
        self.seeded = asyncio.Event()
        """Set once the windows of this Redis are known; limited calls are answered from then on."""

    def subscribe(self, returned: Returned) -> None:
        """Call back when Redis is there for the first time, is back, or was emptied."""
        self._returned.append(returned)

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            try:
                await self.look()
            except (ApiError, KubeError) as error:
                log.debug("no pulse: %s", error)
            except Exception:  # a pulse that stopped would leave limited calls refused for ever
                log.exception("a look at Redis failed", extra={"action": "pulse_failed"})
            await asyncio.sleep(PULSE_SECONDS)

    async def look(self) -> None:
        """Look once; seed where that is to be done.

        Raises:
            UnavailableError: Redis is away.
            KubeError: what the cluster has cannot be known for the moment.
        """
        keys = [self._link.key("pulse"), self._link.key(SEEDED)]
        found = await self._link.run(_LOOK, keys, repeatable=True, probing=True, seconds=PROBE_SECONDS)
        if found is None:
            self.seeded.clear()
        else:
            self.seeded.set()
        await self._tell((self._link.returns, found))
        if found is None:
            await self._seed()

    async def _tell(self, state: tuple[int, object]) -> None:
        """Call back where that was not done since Redis was away or emptied: done means that no call failed."""
        if state != self._handled:
            for returned in self._returned:
                await returned()
            self._handled = state

    async def _seed(self) -> None:
        await self._jobs.wait_synced()
        emptied, marker = await self._emptied(), self._link.key(SEEDED)
        await asyncio.sleep(self._settle_seconds)
        await self._jobs.refresh()
        uses: dict[str, list[datetime]] = {}
        now = await self._time()
        seed(self._jobs.values(), lambda key, at: uses.setdefault(key, []).append(at), now)
        await self._limiter.seed(uses, now)
        if await self._link.run(_FINISH, [self._link.key("emptied"), marker], [emptied]):
            log.info("Redis was empty; %d rate windows were counted", len(uses), extra={"action": "redis_seeded"})
            await self.look()

    async def _emptied(self) -> str:
        """Return a name for this time that Redis was emptied, the same at all replicas.

        Once it is emptied again that name is gone, and a count that began before is not taken for one of now.
        """
        key, mine = self._link.key("emptied"), secrets.token_hex(8)
        found: Any = await self._link.ask(lambda: self._link.client.set(key, mine, nx=True, get=True))
        return mine if found is None else str(found.decode())

    async def _time(self) -> datetime:
        seconds, microseconds = await self._link.ask(lambda: self._link.client.time())
        return datetime.fromtimestamp(seconds + microseconds / 1_000_000, UTC)
