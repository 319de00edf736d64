"""Looks at Redis once a second: whether it is there, and whether it is the one that knows our windows.

A Redis that comes up empty would let a day's runs through once more. So the limiter refuses until the marker is there;
one replica gets the lock, counts the jobs that the cluster has, and sets the marker.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Protocol

from deplite.kube.errors import KubeError
from deplite_apiserver.errors import ApiError, UnavailableError
from deplite_apiserver.jobs.quota import seed
from deplite_apiserver.jobs.view import JobView
from deplite_apiserver.shared.limiter import SEEDED, RedisLimiter
from deplite_apiserver.shared.link import Link

log = logging.getLogger(__name__)

PULSE_SECONDS = 1.0
PROBE_SECONDS = 2.5
SETTLE_SECONDS = 3.0
"""Between finding Redis empty and counting: a run that got its place before that is in the cluster by then."""
FRESH_SECONDS = 5.0
LOCK_SECONDS = 60
"""After which another replica counts, where the one that began has died."""

_FINISH = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2])
redis.call('DEL', KEYS[1])
return 1
"""


class KnownJobs(Protocol):
    """What is needed of the cache of jobs."""

    def values(self) -> Iterable[JobView]:
        """Return all jobs."""

    async def wait_synced(self) -> None:
        """Wait for the first list."""

    async def freshen(self, seconds: float) -> None:
        """See what was written before this call."""


Returned = Callable[[bool], Awaitable[None]]
"""Is told that Redis is back; true where it had forgotten everything."""


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
        self._me = secrets.token_hex(8)
        self._known: str | None = None
        self._returned: list[Returned] = []
        self.seeded = asyncio.Event()
        """Set once the windows of this Redis are known; limited calls are answered from then on."""

    def subscribe(self, returned: Returned) -> None:
        """Call back when Redis is back, or is another one than before."""
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
        was_away = self._link.away
        found = await self._link.ask(
            lambda: self._link.client.get(self._link.key(SEEDED)), probing=True, repeatable=True, seconds=PROBE_SECONDS
        )
        if found is None:
            self.seeded.clear()
            await self._seed()
            return
        before, self._known = self._known, str(found)
        self.seeded.set()
        forgotten = before is not None and before != self._known
        if was_away or forgotten:
            for returned in self._returned:
                await returned(forgotten)

    async def _seed(self) -> None:
        await self._jobs.wait_synced()
        lock, marker = self._link.key("seeding"), self._link.key(SEEDED)
        if not await self._link.ask(lambda: self._link.client.set(lock, self._me, nx=True, ex=LOCK_SECONDS)):
            return
        try:
            await asyncio.sleep(self._settle_seconds)
            await self._jobs.freshen(FRESH_SECONDS)
            uses: dict[str, list[datetime]] = {}
            now = await self._time()
            seed(self._jobs.values(), lambda key, at: uses.setdefault(key, []).append(at), now)
            await self._limiter.seed(uses, now)
        except (ApiError, KubeError):
            await self._unlock(lock)
            raise
        if await self._link.run(_FINISH, [lock, marker], [self._me, secrets.token_hex(8)]):
            log.info("Redis was empty; %d rate windows were counted", len(uses), extra={"action": "redis_seeded"})
            await self.look()

    async def _unlock(self, lock: str) -> None:
        """Let another replica, or our next look, count; one that cannot be unlocked runs out by itself."""
        try:
            await self._link.ask(lambda: self._link.client.delete(lock))
        except UnavailableError:
            return

    async def _time(self) -> datetime:
        seconds, microseconds = await self._link.ask(lambda: self._link.client.time())
        return datetime.fromtimestamp(seconds + microseconds / 1_000_000, UTC)
