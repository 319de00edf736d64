"""The apiserver dies while a pod enrols: the pod is the agent in the end, and what its predecessor ran ends once.

Pods and their tokens are objects of the real kube-apiserver; what runs in them are agents of this machine.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.resources import Agent
from tests.faults.caller import Caller
from tests.faults.fleet import Fleet, FleetAgent
from tests.faults.ledger import Counters, Ledger
from tests.faults.stage import Stage
from tests.kube.pools.cluster import Pool, make_node

PLACES = ["apiserver.enroll.pod_agent_made", "apiserver.enroll.pod_written"]


class Pods:
    """Pods of one pool on one node, each with an agent that has a state folder of its own."""

    def __init__(self, pool: Pool, node: str, crew: Fleet, ledger: Ledger) -> None:
        self.pool, self.node = pool, node
        self._crew, self._ledger = crew, ledger

    async def make(self) -> FleetAgent:
        """Make one more pod; its agent is not started."""
        pod = await self.pool.pod(self.node)
        agent = await self._crew.make({})
        token = agent.folder / "token"
        token.write_text(await self.pool.token(pod))
        agent.environment["DEPLITE_TOKEN_FILE"] = str(token)
        return agent

    async def end(self, agent: FleetAgent, jobs: list[str]) -> None:
        """End a pod as the kubelet does when a node's time is over: everything in it at once."""
        await agent.kill()
        for pid in [pid for job in jobs for pid in self._ledger.pids(job)]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    async def agents(self) -> list[Agent]:
        """Return the Agents of the node; a former test's are being collected."""
        return [one for one in await self.pool.kube.list(Agent, self.pool.namespace) if one.name.endswith(self.node)]


@pytest_asyncio.fixture
async def pods(kube: KubeClient, stage: Stage, crew: Fleet, ledger: Ledger) -> AsyncIterator[Pods]:
    pool = Pool(kube=kube, namespace=stage.organization, name="web")
    await pool.declare()
    node = await make_node(kube)
    yield Pods(pool, node, crew, ledger)
    await pool.remove()
    await kube.connection.request("DELETE", f"/api/v1/nodes/{node}")


@pytest.mark.parametrize("alive", [False, True], ids=["gone", "alive"])
async def test_killed_while_a_pod_takes_over(
    alive: bool, stage: Stage, pods: Pods, crew: Fleet, ledger: Ledger
) -> None:
    old = await pods.make()
    old.environment["DEPLITE_CONCURRENCY"] = "25"  # one that lives, too, has no room for those that wait
    await old.start()
    caller = await Caller.for_agent(stage, old)
    running = await caller.run_many(25, gated=True)
    await caller.in_flight(ledger, 25)
    if not alive:
        await pods.end(old, running)
    waiting = await caller.run_many(5, lines=3)
    new = await pods.make()
    stage.arm("apiserver.enroll.pod_written")
    await new.launch()
    await stage.hit("apiserver.enroll.pod_written")
    new.agent_id = await new.says(r"^Enrolled as agent (ag-[a-z2-7]+)$")
    assert new.agent_id == old.agent_id
    if alive:
        assert old.process is not None
        async with asyncio.timeout(120):
            assert await old.process.wait() == 3
    ledger.open("print")
    ledger.open("end")
    assert await caller.settle(ledger, may_crash=True) == Counters()
    for job in running:
        assert ((await caller.job(job)) or {})["reason"] == "agent_crashed"
    for job in waiting:
        assert ((await caller.job(job)) or {})["status"] == "success"
    (agent,) = await pods.agents()
    assert len(agent.status.replaced_pods) == 1
    await caller.close()


@pytest.mark.parametrize("place", PLACES)
async def test_killed_while_the_first_pod_enrols(
    place: str, stage: Stage, pods: Pods, crew: Fleet, ledger: Ledger
) -> None:
    caller = await Caller.for_agent(stage, await crew.add())
    await caller.run_many(20, gated=True)
    await caller.in_flight(ledger, 20)
    agent = await pods.make()
    stage.arm(place)
    await agent.launch()
    await stage.hit(place)
    await agent.says(r"^Enrolled as agent (ag-[a-z2-7]+)$")
    (found,) = await pods.agents()
    assert found.status.replaced_pods == ()
    ledger.open("print")
    ledger.open("end")
    assert await caller.settle(ledger) == Counters()
    await caller.close()


@pytest.mark.parametrize("seen", [False, True], ids=["unseen", "seen"])
async def test_an_agent_whose_object_is_deleted_enrols_again(
    seen: bool, stage: Stage, pods: Pods, ledger: Ledger
) -> None:
    """Its jobs end as they do where it hears of it only afterwards; else they are stopped at once, and say so."""
    agent = await pods.make()
    await agent.start()
    caller = await Caller.for_agent(stage, agent)
    jobs = await caller.run_many(20, gated=True)
    await caller.in_flight(ledger, 20)
    (before,) = await pods.agents()
    said = agent.log.stat().st_size
    if not seen:
        await agent.proxy.refuse()
    await pods.pool.kube.delete(Agent, *before.key)
    while not seen and agent.agent_id in await stage.states():  # the apiserver hears of it a moment later
        await asyncio.sleep(0.1)
    await agent.proxy.accept()
    await agent.says(r"enrolled again as ag-[a-z2-7]+")
    await agent.says(r"workflows reported: ledger", said)
    if not seen:
        ledger.open("print")
        ledger.open("end")
    assert await caller.settle(ledger) == Counters()
    ended = [(await caller.job(job)) or {} for job in jobs]
    wanted = ("failed", "agent_revoked") if seen else ("success", None)
    assert {(one["status"], one["reason"]) for one in ended} == {wanted}
    (after,) = await pods.agents()
    assert after.metadata.uid != before.metadata.uid
    assert after.status.public_key == before.status.public_key
    assert agent.running
    await caller.run_many(3, lines=3)
    assert await caller.settle(ledger) == Counters()
    await caller.close()


async def test_a_pod_that_drains_stops_what_it_runs_once_another_one_takes_its_place(
    stage: Stage, pods: Pods, ledger: Ledger
) -> None:
    old = await pods.make()
    old.environment |= {"DEPLITE_DRAIN_SECONDS": "600", "DEPLITE_DELIVERY_SECONDS": "30"}
    await old.start()
    caller = await Caller.for_agent(stage, old)
    running = await caller.run_many(20, gated=True)
    await caller.in_flight(ledger, 20)
    ending = asyncio.create_task(old.end())
    await old.says(r"takes no new job; 20 have 600 s to end")
    new = await pods.make()
    await new.start()
    async with asyncio.timeout(120):
        assert await ending == 3
    assert [pid for job in running for pid in ledger.living(job)] == []
    waiting = await caller.run_many(5, lines=3)
    assert await caller.settle(ledger, may_crash=True) == Counters()
    assert {((await caller.job(job)) or {})["reason"] for job in running} == {"agent_crashed"}
    assert {((await caller.job(job)) or {})["status"] for job in waiting} == {"success"}
    await caller.close()


async def test_a_pod_that_ends_in_peace_has_told_all_before_and_leaves_the_rest_to_the_next(
    stage: Stage, pods: Pods, ledger: Ledger
) -> None:
    old = await pods.make()
    old.environment |= {"DEPLITE_DRAIN_SECONDS": "60", "DEPLITE_DELIVERY_SECONDS": "30"}
    await old.start()
    caller = await Caller.for_agent(stage, old)
    running = await caller.run_many(20, gated=True)
    await caller.in_flight(ledger, 20)
    ending = asyncio.create_task(old.end())
    await old.says(r"takes no new job; 20 have 60 s to end")
    waiting = await caller.run_many(5, gated=True)
    ledger.open("print")
    ledger.open("end")
    assert await ending == 0
    assert {((await caller.job(job)) or {})["status"] for job in running} == {"success"}
    new = await pods.make()
    await new.start()
    assert await caller.settle(ledger) == Counters()
    assert {((await caller.job(job)) or {})["status"] for job in waiting} == {"success"}
    (agent,) = await pods.agents()
    assert len(agent.status.replaced_pods) == 1
    await caller.close()
