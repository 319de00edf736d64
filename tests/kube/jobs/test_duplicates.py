"""One identity in two processes: shown while it lasts."""

import asyncio
from typing import Any

from deplite.kube.client import KubeClient
from deplite.resources import Agent
from deplite_apiserver.dispatch.duplicates import QUIET_SECONDS
from deplite_apiserver.settings import Settings
from tests.kube.jobs.conftest import agent_name, enroll
from tests.kube.serving import MovableClock, served, until
from tests.published.agent import PublishedAgent


def instance(name: str) -> dict[str, str]:
    return {"X-Deplite-Instance": name}


async def events_of(kube: KubeClient, namespace: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await kube.connection.request("GET", f"/api/v1/namespaces/{namespace}/events"))[
        "items"
    ]
    return [one for one in found if one["reason"] == "DuplicateIdentity"]


async def displaced(agent: PublishedAgent, order: list[str]) -> list[list[str]]:
    """Open a stream for each instance on top of the one before; return what each was sent."""
    got: list[list[str]] = []

    async def read(name: str, opened: asyncio.Event, heard: list[str]) -> None:
        async with agent.stream(extra=instance(name)) as stream:
            opened.set()
            async for event, _ in stream:
                heard.append(event)

    tasks = []
    for name in order:
        opened = asyncio.Event()
        got.append([])
        tasks.append(asyncio.create_task(read(name, opened, got[-1])))
        await opened.wait()
    async with asyncio.timeout(60):
        await asyncio.gather(*tasks[:-1])
    tasks[-1].cancel()
    await asyncio.gather(tasks[-1], return_exceptions=True)
    return got


async def test_it_is_shown_while_it_lasts(settings: Settings, kube: KubeClient, organization: str) -> None:
    clock = MovableClock()
    async with served(settings, clock) as replica:
        agent = await enroll(kube, organization, replica.base)
        agent.time = clock.time
        name = await agent_name(kube, organization, agent.agent_id)
        theirs = {
            "type": "Ready",
            "status": "True",
            "reason": "Connected",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        await kube.patch_status(Agent, organization, name, {"conditions": [theirs]})

        async def shown() -> dict[str, str]:
            status = (await kube.get(Agent, organization, name)).status
            return {one.type: one.reason for one in status.conditions}

        assert await displaced(agent, ["one", "two"]) == [[], []]  # a restart is none
        assert await displaced(agent, ["one", "two", "one", "two", "one"]) == [[], *[["displaced"]] * 3, []]
        await until(shown, {"Ready": "Connected", "DuplicateIdentity": "TwoProcesses"})

        async def warned() -> int:
            return len(await events_of(kube, organization))

        await until(warned, 1)
        (event,) = await events_of(kube, organization)
        assert (event["type"], event["involvedObject"]["kind"], event["involvedObject"]["name"]) == (
            "Warning",
            "Agent",
            name,
        )
        clock.ahead += QUIET_SECONDS
        await until(shown, {"Ready": "Connected"})
        assert await warned() == 1
        await agent.close()
