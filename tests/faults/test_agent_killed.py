"""The agent dies, at every point of a job's life: never twice, never a guess, nothing left running."""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import Site

FULL = pytest.mark.full
NOT_YET_STARTED = [
    "agent.job.accepted",
    pytest.param("agent.claim.sending", marks=FULL),
    "agent.claim.answered",
    pytest.param("agent.claim.journalled", marks=FULL),
]
MAYBE_STARTED = [pytest.param("agent.step.starting", marks=FULL), "agent.step.started"]
ENDED = ["agent.result.journalled", "agent.logs.answered", "agent.result.answered"]


@pytest.mark.parametrize("place", NOT_YET_STARTED)
async def test_f11_before_anything_started_it_is_run_after_the_restart(
    place: str, site: Site, fleet: Fleet, ledger: Ledger
) -> None:
    agent = await fleet.add()
    caller = await Caller.for_agent(site, agent)
    site.arm(place, turn=21)
    jobs = await caller.run_many(25, lines=5)
    await site.hit(place)
    assert agent.process is not None
    assert await agent.process.wait() == -signal.SIGKILL
    await agent.start()
    assert await caller.settle(ledger, may_crash=True) == Counters()
    assert len(jobs) == 25
    await caller.close()


@pytest.mark.parametrize("place", MAYBE_STARTED)
async def test_f12_at_the_start_of_a_step_it_is_never_run_again(
    place: str, site: Site, fleet: Fleet, ledger: Ledger
) -> None:
    agent = await fleet.add()
    caller = await Caller.for_agent(site, agent)
    site.arm(place, turn=20)
    await caller.run_many(25, lines=5)
    await site.hit(place)
    await agent.start()
    assert await caller.settle(ledger, may_crash=True) == Counters()
    crashed = [job for job in caller.acknowledged if ((await caller.job(job)) or {})["reason"] == "agent_crashed"]
    assert crashed
    await caller.close()


async def test_f13_in_the_middle_of_steps_no_process_is_left_and_every_line_is_there(
    site: Site, fleet: Fleet, ledger: Ledger
) -> None:
    agent = await fleet.add()
    caller = await Caller.for_agent(site, agent)
    jobs = await caller.run_many(25, lines=1000, pause="0.1")
    await caller.in_flight(ledger, 25)
    async with asyncio.timeout(60):
        while not all((spooled := {job: _spooled(agent.folder, job) for job in jobs}).values()):
            await asyncio.sleep(0.05)
    await agent.kill()
    await agent.start()
    assert await caller.settle(ledger, may_crash=True) == Counters()
    for job in jobs:
        detail = await caller.job(job)
        assert detail is not None
        assert (detail["status"], detail["reason"]) == ("failed", "agent_crashed")
        assert ledger.living(job) == []
        assert len(await caller.raw(job)) >= spooled[job] > 0
    await caller.close()


@pytest.mark.parametrize("place", ENDED)
async def test_f14_after_the_end_the_true_result_is_reported(
    place: str, site: Site, fleet: Fleet, ledger: Ledger
) -> None:
    agent = await fleet.add()
    caller = await Caller.for_agent(site, agent)
    site.arm(place, turn=10)
    await caller.run_many(30, lines=3, code=7)
    await site.hit(place)
    await agent.start()
    assert await caller.settle(ledger, may_crash=True) == Counters()
    ended = ledger.ends()
    assert ended
    for job in caller.acknowledged:
        detail = await caller.job(job)
        assert detail is not None
        assert detail["exitCode"] == 7 or detail["reason"] == "agent_crashed"
    await caller.close()


@pytest.mark.parametrize("place", ["agent.enroll.answered", "agent.enroll.saved"])
async def test_killed_while_it_enrols_it_is_the_same_agent_after_the_restart(
    place: str, site: Site, fleet: Fleet, ledger: Ledger
) -> None:
    caller = await Caller.for_agent(site, await fleet.add())
    await caller.run_many(20, gated=True)
    await caller.in_flight(ledger, 20)
    before = {one["id"] for one in await site.ask("GET", "/agents")}
    agent, code = await fleet.make({}), await fleet.code()
    site.arm(place)
    await agent.launch(code)
    await site.hit(place)
    await agent.start(code)
    assert {one["id"] for one in await site.ask("GET", "/agents")} - before == {agent.agent_id}
    ledger.open("print")
    ledger.open("end")
    assert await caller.settle(ledger) == Counters()
    await caller.close()


def _spooled(folder: Path, job: str) -> int:
    """Return how many raw lines of a job the agent has written down."""
    log = next((folder / "state" / "jobs").glob(f"{job}-*")) / "log"
    return sum(b'"raw"' in line for line in log.read_bytes().splitlines()) if log.exists() else 0
