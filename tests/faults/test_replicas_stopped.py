"""One of two apiservers is told to stop, as in each rollout: the agents go to the other one, and miss nothing."""

import asyncio
import signal

import pytest

from tests.faults.caller import Caller
from tests.faults.pair import REPLICAS, Pair
from tests.faults.patient import Patient
from tests.published.agent import PublishedAgent

_FULL = pytest.mark.full, pytest.mark.timeout(3600)


@pytest.mark.parametrize("streams", [20, pytest.param(200, marks=_FULL)])
async def test_f4_a_replica_is_told_to_stop_and_its_agents_miss_nothing(streams: int, pair: Pair) -> None:
    """Each agent runs one job while the one replica goes, and one while the other does."""
    await pair.ready()
    code = (await pair.ask("POST", "/agents/enroll-tokens", {"label": "f4", "uses": streams}))["token"]
    flock = [Patient(PublishedAgent(pair.url)) for _ in range(streams)]
    for one in flock:
        await one.begin(code)
    callers = [await Caller.for_id(pair, one.agent.agent_id) for one in flock]
    jobs: list[str] = []
    for part in REPLICAS:
        before = pair.pid(part)
        pair.signal(part, signal.SIGTERM)
        jobs += await asyncio.gather(*(caller.run() for caller in callers))
        async with asyncio.timeout(60):
            while pair.pid(part) in (before, None):
                await asyncio.sleep(0.05)
        await pair.ready()
    async with asyncio.timeout(120):
        while {job for one in flock for job in one.done} != set(jobs):
            await asyncio.sleep(0.1)
    for caller, job in zip(callers * len(REPLICAS), jobs, strict=True):
        assert (await caller.until(job, "success"))["exitCode"] == 0
    away = sorted(seconds for one in flock for seconds in one.away)
    print(f"{len(away)} streams were opened anew, after {away[len(away) // 2]:.2f} s (median), {away[-1]:.2f} s (last)")
    for one in flock:
        await one.close()
    for caller in callers:
        await caller.close()
