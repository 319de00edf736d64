"""Serves replicas of the apiserver in this process, with a clock that a test can move."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import uvicorn

from deplite.kube.cache import Cache
from deplite.resources import Resource
from deplite_apiserver.clock import Clock
from deplite_apiserver.context import Context
from deplite_apiserver.main import build, configuration
from deplite_apiserver.settings import Settings
from tests.plain import PLAIN

PATIENCE = 60.0
"""Seconds for what takes a moment where nothing else runs on the machine."""


@dataclass(frozen=True, kw_only=True)
class Replica:
    """A served app."""

    base: str
    context: Context

    def client(self) -> httpx.AsyncClient:
        """Return a client of it that outwaits a busy machine, and a run that waits for its end."""
        return httpx.AsyncClient(base_url=self.base, verify=PLAIN, trust_env=False, timeout=70)


_served: list[Replica] = []


async def told(*kinds: type[Resource]) -> None:
    """Wait until every replica here knows what was written of these kinds, but for deletions: a watch lags."""
    caches = [cache for replica in _served for cache in replica.context.caches.all() if cache.kind in kinds]
    await asyncio.gather(*(cache.freshen(PATIENCE) for cache in caches))


async def forgotten(cache: Cache[Any], namespace: str, name: str) -> None:
    """Wait until a replica's cache has heard that an object was deleted."""
    async with asyncio.timeout(PATIENCE):
        while cache.get(namespace, name) is not None:
            await asyncio.sleep(0.05)


class MovableClock:
    """A clock that stands still until a test moves it: how long the machine takes for a step changes nothing."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._started = datetime.now(UTC)
        self._monotonic = time.monotonic()

    def now(self) -> datetime:
        return self._started + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return self._monotonic + self.ahead

    def reach(self, moment: datetime) -> None:
        """Go on to a moment, unless it has passed: what the API server stamps has the time of the world."""
        self.ahead += max(0.0, (moment - self.now()).total_seconds())

    def time(self) -> float:
        """Return unix seconds, for agents that live by this clock."""
        return self.now().timestamp()


@contextlib.asynccontextmanager
async def served(settings: Settings, clock: Clock | None = None, *, port: int = 0) -> AsyncIterator[Replica]:
    """Serve a replica on a port (0: a free one), configured as the process is, until the block ends."""
    app = build(settings, clock)
    server = uvicorn.Server(configuration(app, settings.model_copy(update={"listen_port": port})))
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), task.exception()
        await asyncio.sleep(0.02)
    base = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    context: Context = app.state.context
    await asyncio.gather(*(cache.wait_synced() for cache in context.caches.all()))
    while not context.desk.runs.admits:
        await asyncio.sleep(0.01)
    replica = Replica(base=base, context=context)
    _served.append(replica)
    try:
        yield replica
    finally:
        _served.remove(replica)
        context.desk.stop()
        server.should_exit = True
        await task


async def until(ask: Callable[[], Awaitable[object]], wanted: object, *, seconds: float = PATIENCE) -> None:
    """Ask again and again until the answer is the wanted one."""
    found: object = None
    try:
        async with asyncio.timeout(seconds):
            while (found := await ask()) != wanted:
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{found!r} instead of {wanted!r} after {seconds} s") from None
