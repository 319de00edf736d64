"""Each pod dies in turn, amid deploys: by the kernel, then by somebody who forces its deletion."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.chart.chart import NAMESPACE
from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.ledger import Counters, Ledger
from tests.node.commands import SECONDS
from tests.node.release.installed import PARTS, Installed, is_ready
from tests.node.release.outside import ServedSite
from tests.node.release.processes import process_of

IN_FLIGHT = 20
"""Deploys under way whenever something dies: with fewer a test proves nothing."""
PAUSE_SECONDS = 0.2


@asynccontextmanager
async def firing(caller: Caller) -> AsyncIterator[None]:
    """Meanwhile a careful CI starts one run after the other; each is answered in the end."""
    enough = asyncio.Event()

    async def fire() -> None:
        while not enough.is_set():
            await caller.run(lines=3, pause="0.02")
            await asyncio.sleep(PAUSE_SECONDS)

    task = asyncio.create_task(fire())
    try:
        yield
    finally:
        enough.set()
        await task


def restarts(pod: dict[str, Any]) -> int:
    """Return how often a pod's container was started again."""
    return int(pod["status"]["containerStatuses"][0]["restartCount"])


async def kill(installed: Installed, pod: dict[str, Any]) -> None:
    """Kill a pod's main process, and wait until the pod is ready again."""
    process_of(pod).kill()
    name = pod["metadata"]["name"]
    async with asyncio.timeout(SECONDS):
        while True:
            (found,) = [one for one in await installed.pods() if one["metadata"]["name"] == name]
            if restarts(found) > restarts(pod) and is_ready(found):
                return
            await asyncio.sleep(0.2)


async def force(installed: Installed, pod: dict[str, Any]) -> None:
    """Have a pod deleted without waiting for it, and wait until another one is ready in its place."""
    await installed.kubectl("-n", NAMESPACE, "delete", "pod", pod["metadata"]["name"], "--force", "--grace-period=0")
    assert pod["metadata"]["uid"] not in {one["metadata"]["uid"] for one in await installed.settled()}


@pytest.mark.parametrize("part", PARTS)
async def test_a_pod_dies_twice_amid_deploys(
    part: str, installed: Installed, served: ServedSite, outside: Fleet, ledger: Ledger
) -> None:
    await installed.settled()
    caller = await Caller.for_agent(served, await outside.add())
    await caller.run_many(IN_FLIGHT, gated=True)
    await caller.in_flight(ledger, IN_FLIGHT)
    async with firing(caller):
        for pod in await installed.pods(part):
            await kill(installed, pod)
            await force(installed, pod)
    ledger.open("print")
    ledger.open("end")
    found = await caller.settle(ledger)
    print(f"{len(caller.acknowledged)} runs")
    assert found == Counters(), found.details
    assert len(ledger.starts()) == len(caller.acknowledged) > IN_FLIGHT
