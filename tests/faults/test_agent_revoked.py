"""An agent is revoked, at work or while it drains: nothing of what it ran goes on, and its jobs end and say why."""

import asyncio

import pytest

from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import Site


@pytest.mark.parametrize("draining", [False, True], ids=["at work", "draining"])
async def test_revoked(draining: bool, site: Site, fleet: Fleet, ledger: Ledger) -> None:
    agent = await fleet.add(DEPLITE_DRAIN_SECONDS="600")
    caller = await Caller.for_agent(site, agent)
    jobs = await caller.run_many(20, gated=True)
    await caller.in_flight(ledger, 20)
    assert agent.process is not None
    if draining:
        agent.process.terminate()
        await agent.says(r"takes no new job; 20 have 600 s to end")
    answer = await caller.ask("DELETE", f"/agents/{agent.agent_id}", jwt=site.jwt)
    assert answer.status_code == 204, answer.text
    async with asyncio.timeout(120):
        assert await agent.process.wait() == 3
    assert [pid for job in jobs for pid in ledger.living(job)] == []
    assert await caller.settle(ledger) == Counters()
    assert {((await caller.job(job)) or {})["reason"] for job in jobs} == {"agent_revoked"}
    await caller.close()
