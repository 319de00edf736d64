"""Looks at a pool of many agents are few, and hold few of its pods at once."""

import asyncio
import json

from deplite.kube.client import KubeClient
from deplite.resources import Agent, AgentPool
from deplite.resources.resource import Meta
from deplite_operator.queue import RESTS
from deplite_operator.workloads import Workloads
from tests.faults.httpproxy import Exchange
from tests.kube.operating.conftest import Operator
from tests.kube.operating.nodes import NODE, Nodes
from tests.kube.operating.pools import AGENT, Looks, Pool

NEWS = 60


async def test_news_of_agents_bring_a_look_now_and_then_and_the_last_is_not_lost(
    pool: Pool, operator: Operator
) -> None:
    owner = (await pool.declare()).owning
    await pool.becomes("Available")
    metadata = Meta(
        namespace=pool.namespace, name="linux.more", labels={"deplite.io/pool": "linux"}, owner_references=(owner,)
    )
    await pool.kube.create(Agent(metadata=metadata))
    operator.proxy.fault = looks = Looks(pool)
    clock = asyncio.get_running_loop().time
    began = clock()
    for number in range(NEWS):
        state = "Disconnected" if number % 2 else "Connected"
        await pool.kube.patch_status(Agent, pool.namespace, "linux.more", {"state": state})
        await asyncio.sleep(0.05)
    assert 0 < looks.count <= (clock() - began) / RESTS[AgentPool] + 2
    await pool.kube.delete(Agent, pool.namespace, "linux.more")
    async with asyncio.timeout(60):
        while (await pool.becomes("Available")).status.agents != (AGENT,):
            await asyncio.sleep(0.05)


async def test_pods_come_in_pages(kube: KubeClient, organization: str, nodes: Nodes) -> None:
    path = f"/api/v1/namespaces/{organization}/pods"
    names = [f"pod-{number}" for number in range(5)]
    for name in [*names, "another"]:
        metadata = {"name": name, "labels": {"deplite.io/pool": "linux" if name in names else "other"}}
        spec = {"nodeName": NODE, "containers": [{"name": "agent", "image": "i"}]}
        await kube.connection.request("POST", path, body={"metadata": metadata, "spec": spec})
    work = Workloads(kube)
    for page in (1, 2, 5, 6):
        found = [body["metadata"]["name"] async for body in work.pods(organization, "linux", page)]
        assert sorted(found) == names
    pods = work.pods(organization, "linux", 2)
    assert (await anext(pods))["metadata"]["name"] in names
    for name in names:  # what is listed later is as it was when the list began
        await kube.connection.request("DELETE", f"{path}/{name}", query={"gracePeriodSeconds": 0})
    assert len([body async for body in pods]) == 4


async def test_the_operator_asks_for_a_page_at_a_time(pool: Pool, operator: Operator) -> None:
    asked: list[dict[str, str]] = []

    async def note(exchange: Exchange) -> None:
        if exchange.path.endswith(f"/{pool.namespace}/pods"):
            asked.append(dict(exchange.query))

    operator.proxy.fault = note
    await pool.declare()
    await pool.becomes("Available")
    assert asked
    assert {json.dumps(query, sort_keys=True) for query in asked} == {
        json.dumps({"labelSelector": "deplite.io/pool=linux", "limit": "100"})
    }
