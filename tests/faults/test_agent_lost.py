"""An agent that is silent for too long loses its jobs: what it did is kept beside their ends, nothing runs again."""

import asyncio
import signal
from datetime import datetime

from deplite.protocol.phases import Reason
from deplite.resources import DeployJob
from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import LOST_SECONDS, Site


async def test_f8_and_f34_cut_off_or_stopped_past_the_lost_limit(site: Site, fleet: Fleet, ledger: Ledger) -> None:
    cut, stopped = await fleet.add(), await fleet.add()
    of_cut, of_stopped = await Caller.for_agent(site, cut), await Caller.for_agent(site, stopped)
    ledger.open("print")
    ending = await of_cut.run_many(20, gated=True, code=3)
    endless = [*await of_cut.run_many(2, lines=9000), *await of_stopped.run_many(20, lines=9000)]
    await of_cut.in_flight(ledger, 22)
    await of_stopped.in_flight(ledger, 20)
    await cut.proxy.refuse()
    assert stopped.process is not None
    stopped.process.send_signal(signal.SIGSTOP)
    cut_at = datetime.now().astimezone()
    ledger.open("end")
    unclaimed = await of_stopped.run_many(5, lines=2)
    for job in [*ending, *endless]:
        found = await of_cut.until(job, "failed", seconds=LOST_SECONDS + 60)
        assert found["reason"] == "agent_lost"
        ended_at = datetime.fromisoformat(found["finishedAt"].replace("Z", "+00:00"))
        assert (ended_at - cut_at).total_seconds() > LOST_SECONDS * 6 / 7, "not before it had the time to come back"
    for job in unclaimed:
        await site.cancel(job)
        await of_stopped.until(job, "failed")
    await cut.proxy.accept()
    stopped.process.send_signal(signal.SIGCONT)
    await _late_results(site, [*ending, *endless])
    assert await of_cut.settle(ledger, excused=["agent_lost"]) == Counters()
    assert await of_stopped.settle(ledger, excused=["agent_lost"]) == Counters()
    assert not set(unclaimed) & set(ledger.starts())
    assert [pid for job in endless for pid in ledger.living(job)] == [], "told to stop what the server has ended"
    await of_cut.close()
    await of_stopped.close()


async def _late_results(site: Site, jobs: list[str]) -> None:
    """Wait until each job has, beside its end, what its agent says of it."""
    async with site.kube() as kube, asyncio.timeout(120):
        for job in jobs:
            while (found := (await kube.get(DeployJob, site.organization, job)).status).late_result is None:
                await asyncio.sleep(0.2)
            assert (found.reason, found.exit_code) == (Reason.AGENT_LOST, None), "an end never changes"
