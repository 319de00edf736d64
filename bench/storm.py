"""Deploys one after the other while something else goes on, each beside its floor."""

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from bench.floor import Bare, dispatch
from bench.measure import Latency
from bench.site import Site

EVERY_SECONDS = 0.25
"""A deploy begins so often, whether or not the one before it has started: a server that stands still is seen."""
_RETRY_SECONDS = 0.1
_GIVE_UP_SECONDS = 60.0


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
        began = time.monotonic()
        for number in itertools.count():
            await asyncio.sleep(max(0.0, began + number * EVERY_SECONDS - time.monotonic()))
            if over.is_set():
                return
            group.create_task(self._one(took))

    async def _one(self, took: list[float]) -> None:
        began = time.monotonic()
        job = await self._accepted()
        took.append(await self._site.starts.of(job, _GIVE_UP_SECONDS) - began)
        self.last = job

    async def _accepted(self) -> str:
        """Call until it is accepted, as every client may: the key makes all tries one run."""
        headers = {"Authorization": f"Bearer {self._token}", "Idempotency-Key": secrets.token_hex(16)}
        body = {"ref": "main", "params": {"replicas": "3"}}
        async with asyncio.timeout(_GIVE_UP_SECONDS):
            while True:
                try:
                    async with self._site.http.post(self._url, json=body, headers=headers) as answer:
                        if answer.status in (200, 202):
                            job: str = (await answer.json())["jobId"]
                            return job
                        assert answer.status == 503, await answer.text()
                except aiohttp.ClientConnectionError:
                    pass
                await asyncio.sleep(_RETRY_SECONDS)
