"""Deploys one after the other while something else goes on, each beside its floor."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.floor import Bare, dispatch
from bench.measure import Latency, run
from bench.site import Site
from bench.starts import GIVE_UP_SECONDS

EVERY_SECONDS = 0.25
"""A deploy begins so often, whether or not the ones before it have started: a server that stands still is seen."""
MOST = 8
"""But no more than so many at a time: what is measured is not how deploys wait for each other."""


class Deploys:
    """What deploys from now on cost; belongs to one installation."""

    def __init__(self, site: Site, client: Bare, url: str, token: str) -> None:
        self._site, self._client, self._url, self._token = site, client, url, token
        self.last = ""
        """The job that started last."""

    @classmethod
    async def of(cls, site: Site, client: Bare) -> "Deploys":
        """Make the trigger that they call."""
        return cls(site, client, *await site.webhook(site.online))

    async def for_seconds(self, seconds: float) -> Latency:
        """Return the latencies of deploys during the next seconds."""
        async with self.beside() as found:
            await asyncio.sleep(seconds)
        return found

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[Latency]:
        """Deploy while the body runs; the latencies are complete at its end."""
        found, over = Latency(floor=[], ours=[]), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._floor(found.floor, over))
            group.create_task(self._ours(found.ours, over, group))
            try:
                yield found
            finally:
                over.set()
        found.floor.sort()
        found.ours.sort()

    async def _floor(self, took: list[float], over: asyncio.Event) -> None:
        async with self._client.created() as created:
            await asyncio.sleep(EVERY_SECONDS / 2)
            while not over.is_set():
                _, seconds = await asyncio.gather(
                    asyncio.sleep(EVERY_SECONDS), dispatch(self._client, created, self._site.starts)
                )
                took.append(seconds)

    async def _ours(self, took: list[float], over: asyncio.Event, group: asyncio.TaskGroup) -> None:
        places = asyncio.Semaphore(MOST)
        while not over.is_set():
            await places.acquire()
            group.create_task(self._one(took)).add_done_callback(lambda _: places.release())
            await asyncio.sleep(EVERY_SECONDS)

    async def _one(self, took: list[float]) -> None:
        began = time.monotonic()
        async with asyncio.timeout(GIVE_UP_SECONDS):
            job = await run(self._site, self._url, self._token, key=secrets.token_hex(16))
        took.append(await self._site.starts.of(job) - began)
        self.last = job
