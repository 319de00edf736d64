"""The cache against the real API server: it holds what the server holds, soon, and says when it does."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest_asyncio

from deplite.kube.cache import Cache, Change
from deplite.kube.client import KubeClient
from deplite.resources import Agent
from deplite.resources.agent import AgentSpec
from deplite.resources.resource import Meta


def agent(namespace: str, name: str) -> Agent:
    return Agent(metadata=Meta(namespace=namespace, name=name), spec=AgentSpec(display_name="old"))


@pytest_asyncio.fixture
async def cache(kube: KubeClient) -> AsyncIterator[Cache[Agent]]:
    cache = Cache(kube, Agent, Agent.model_validate, indexes={"label": lambda found: found.spec.display_name})
    running = asyncio.create_task(cache.run())
    yield cache
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


async def test_lists_what_is_there_and_follows(kube: KubeClient, organization: str, cache: Cache[Agent]) -> None:
    await kube.create(agent(organization, "before"))
    async with asyncio.timeout(60):
        await cache.wait_synced()
    await kube.create(agent(organization, "after"))
    await until(lambda: cache.get(organization, "after"))
    assert cache.get(organization, "before") is not None
    await kube.delete(Agent, organization, "before")
    await until(lambda: cache.get(organization, "before") is None)


async def test_index_follows_a_change(kube: KubeClient, organization: str, cache: Cache[Agent]) -> None:
    label = organization
    await kube.create(agent(organization, "a"))
    await kube.patch(Agent, organization, "a", {"spec": {"displayName": label}})
    await until(lambda: cache.by("label", label))
    assert [found.name for found in cache.by("label", label)] == ["a"]
    await kube.patch(Agent, organization, "a", {"spec": {"displayName": "other"}})
    await until(lambda: not cache.by("label", label))


async def test_tells_of_changes_in_order(kube: KubeClient, organization: str, cache: Cache[Agent]) -> None:
    heard: list[Change[Agent]] = []
    cache.subscribe(lambda change: heard.append(change) if change.key[0] == organization else None)
    await cache.wait_synced()
    await kube.create(agent(organization, "a"))
    await kube.delete(Agent, organization, "a")
    await until(lambda: len(heard) == 2)
    assert heard[0].old is None
    assert heard[0].new is heard[1].old
    assert heard[1].new is None


async def test_refresh_finds_what_no_watch_told(kube: KubeClient, organization: str) -> None:
    cache = Cache(kube, Agent, Agent.model_validate)
    await kube.create(agent(organization, "a"))
    await cache.refresh()
    await kube.delete(Agent, organization, "a")
    await kube.create(agent(organization, "b"))
    await cache.refresh()
    assert cache.get(organization, "a") is None
    assert cache.get(organization, "b") is not None
