"""A job is cancelled, wherever it is: one end, and nothing of it goes on running."""

import asyncio
import signal

import pytest

from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import Site

CANCELLED = ["cancelled"]
"""Where a step came to its own end just then, either may be the job's."""


async def _ended(caller: Caller, ledger: Ledger) -> None:
    """Check that every job has one end, a true one, and that no process is left."""
    assert await caller.settle(ledger, excused=CANCELLED) == Counters()
    for job in caller.acknowledged:
        assert ledger.living(job) == []


async def _reasons(caller: Caller) -> list[str | None]:
    return [((await caller.job(job)) or {})["reason"] for job in caller.acknowledged]


async def test_f40_queued(site: Site, fleet: Fleet, ledger: Ledger) -> None:
    agent = await fleet.add()
    caller = await Caller.for_agent(site, agent)
    await agent.kill()
    jobs = await caller.run_many(25)
    await site.cancel(*jobs)
    for job in jobs:
        assert (await caller.until(job, "failed"))["reason"] == "cancelled"
    await agent.start()
    await caller.run_many(1, lines=1)
    assert await caller.settle(ledger) == Counters()
    assert len(ledger.starts()) == 1, "only the one after them"
    await caller.close()


@pytest.mark.parametrize(
    "place",
    [
        pytest.param("agent.claim.sending", marks=pytest.mark.full),
        pytest.param("agent.claim.answered", marks=pytest.mark.full),
        "agent.claim.journalled",
        "agent.step.starting",
        pytest.param("agent.step.started", marks=pytest.mark.full),
        "agent.result.known",
        pytest.param("agent.result.journalled", marks=pytest.mark.full),
    ],
)
async def test_f40_claimed_starting_and_exiting(place: str, site: Site, fleet: Fleet, ledger: Ledger) -> None:
    agent = await fleet.add()
    caller = await Caller.for_agent(site, agent)
    site.arm(place, "stop", turn=10)
    # The steps go on while the agent is stopped: only the one at its gate is certain to be there for the cancel.
    jobs = [*await caller.run_many(1, gated=True), *await caller.run_many(25, lines=10)]
    await site.hit(place)
    await site.cancel(*jobs)
    assert agent.process is not None
    agent.process.send_signal(signal.SIGCONT)
    await _ended(caller, ledger)
    assert "cancelled" in await _reasons(caller)
    await caller.close()


async def test_f40_running_also_where_sigterm_is_ignored(site: Site, fleet: Fleet, ledger: Ledger) -> None:
    agent = await fleet.add(DEPLITE_GRACE_SECONDS="2")
    caller = await Caller.for_agent(site, agent)
    jobs = [*await caller.run_many(10, lines=9000), *await caller.run_many(10, lines=9000, stubborn=True)]
    await caller.in_flight(ledger, 20)
    await site.cancel(*jobs)
    await _ended(caller, ledger)
    assert await _reasons(caller) == CANCELLED * 20
    await caller.close()


async def test_f40_while_its_agent_drains(site: Site, fleet: Fleet, ledger: Ledger) -> None:
    agent = await fleet.add(DEPLITE_DRAIN_SECONDS="600", DEPLITE_DELIVERY_SECONDS="60")
    caller = await Caller.for_agent(site, agent)
    jobs = await caller.run_many(20, gated=True)
    await caller.in_flight(ledger, 20)
    ending = asyncio.create_task(agent.end())
    await agent.says(r"takes no new job; 20 have 600 s to end")
    await site.cancel(*jobs)
    async with asyncio.timeout(120):
        assert await ending == 0
    await _ended(caller, ledger)
    assert await _reasons(caller) == CANCELLED * 20
    await caller.close()


async def test_f40_offline(site: Site, fleet: Fleet, ledger: Ledger) -> None:
    agent = await fleet.add()
    caller = await Caller.for_agent(site, agent)
    jobs = await caller.run_many(20, lines=9000)
    await caller.in_flight(ledger, 20)
    await agent.proxy.refuse()
    await site.cancel(*jobs)
    await asyncio.sleep(1)
    assert await _reasons(caller) == [None] * 20, "only its agent can say that it has stopped"
    await agent.proxy.accept()
    await _ended(caller, ledger)
    assert await _reasons(caller) == CANCELLED * 20
    await caller.close()
