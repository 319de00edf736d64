"""The two measurements, each beside its floor."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp

from bench.floor import Bare, dispatch
from bench.site import Site

CALLERS = (1, 8, 32)
TURNS = 4
RETRY_SECONDS = 0.1
Call = Callable[[], Awaitable[object]]


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Seconds from request to running process, one by one, sorted."""

    floor: list[float]
    ours: list[float]


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Requests a second with so many callers, each of which waits for its answer."""

    callers: int
    floor: float
    ours: float


async def latency(site: Site, client: Bare, samples: int) -> Latency:
    """Measure one dispatch at a time, ours and the floor's in turn, so that noise meets both."""
    url, token = await site.webhook(site.online)
    floor, ours = [], []
    async with client.created() as created:
        for number in range(-10, samples):
            bare, whole = await dispatch(client, created, site.starts), await _webhook(site, url, token)
            if number >= 0:  # the first ones warm both up
                floor.append(bare)
                ours.append(whole)
    return Latency(floor=sorted(floor), ours=sorted(ours))


async def rates(site: Site, client: Bare, seconds: float) -> list[Rate]:
    """Measure how many runs are accepted for an agent that is away, and how many objects a bare client creates."""
    url, token = await site.webhook(site.away)

    async def fire() -> None:
        await run(site, url, token)

    return [await _in_turn(client.create, fire, callers, seconds) for callers in CALLERS]


async def _in_turn(floor: Call, ours: Call, callers: int, seconds: float) -> Rate:
    """Measure both again and again in turn, so that noise meets both."""
    turns = [[await _rate(call, callers, seconds / TURNS) for call in (floor, ours)] for _ in range(TURNS)]
    bare, whole = (sum(rates) / TURNS for rates in zip(*turns, strict=True))
    return Rate(callers=callers, floor=bare, ours=whole)


async def _rate(call: Call, callers: int, seconds: float) -> float:
    done = 0
    end = time.monotonic() + seconds

    async def caller() -> None:
        nonlocal done
        while time.monotonic() < end:
            await call()
            done += 1

    began = time.monotonic()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return done / (time.monotonic() - began)


async def run(site: Site, url: str, token: str, key: str | None = None) -> str:
    """Call until the run is accepted, as every client may; return the job.

    Args:
        site: the installation.
        url: the webhook.
        token: may call it.
        key: makes all tries one run; without one, a try that gets no answer is not repeated.

    Raises:
        aiohttp.ClientConnectionError: no answer, and no key.
    """
    headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
    while True:
        try:
            async with site.http.post(
                url, json={"ref": "main", "params": {"replicas": "3"}}, headers=headers
            ) as answer:
                if answer.status in (200, 202):
                    job: str = (await answer.json())["jobId"]
                    return job
                assert answer.status == 503, await answer.text()
        except aiohttp.ClientConnectionError:
            if key is None:
                raise
        await asyncio.sleep(RETRY_SECONDS)


async def _webhook(site: Site, url: str, token: str) -> float:
    began = time.monotonic()
    job = await run(site, url, token)
    took = await site.starts.of(job) - began
    while True:  # the next one begins on a machine at rest
        headers = {"Authorization": f"Bearer {site.jwt}"}
        async with site.http.get(f"{site.url}/jobs/{job}", headers=headers) as answer:
            if (await answer.json())["status"] in ("success", "failed"):
                return took
        await asyncio.sleep(0.02)
