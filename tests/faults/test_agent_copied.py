"""The state folder of an agent was copied to a second machine: one of both works, and the owner is told."""

import asyncio

from deplite.resources import Agent
from deplite.resources.identifiers import object_id
from deplite.resources.reasons import DUPLICATE_IDENTITY
from tests.faults.caller import Caller
from tests.faults.fleet import Fleet, FleetAgent
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import Site


async def test_f35_one_identity_on_two_machines(site: Site, fleet: Fleet, ledger: Ledger) -> None:
    agent = await fleet.add()
    caller = await Caller.for_agent(site, agent)
    ledger.open("print")
    await caller.run_many(20, gated=True)
    await caller.in_flight(ledger, 20)
    copy = await fleet.copy(agent)
    await copy.says("another process uses this agent's identity")
    await caller.run_many(10, lines=5)
    ledger.open("end")
    assert await caller.settle(ledger) == Counters()
    assert len(ledger.starts()) == 30
    await _said(site, agent)
    await copy.end()
    await caller.close()


async def _said(site: Site, agent: FleetAgent) -> None:
    """Wait until the Agent says that there are two of it."""
    async with site.kube() as kube, asyncio.timeout(60):
        while True:
            found = next(one for one in await kube.list(Agent, site.organization) if _is(one, agent))
            said = found.status.condition(DUPLICATE_IDENTITY)
            if said is not None and said.status == "True":
                return
            await asyncio.sleep(0.2)


def _is(found: Agent, agent: FleetAgent) -> bool:
    return object_id("ag", found.namespace, found.name) == agent.agent_id
