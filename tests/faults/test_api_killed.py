"""The apiserver dies: whatever it acknowledged exists, a repeated call finds it, and each job starts once."""

import asyncio
import random

import pytest

from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import Site

RUNS = 120
KILLS = 6


async def test_f1_killed_at_random_moments(site: Site, fleet: Fleet, ledger: Ledger, seed: int) -> None:
    chance = random.Random(seed)
    callers = [await Caller.for_agent(site, await fleet.add()) for _ in range(2)]
    running = asyncio.gather(*(caller.run_many(RUNS // 2, lines=10) for caller in callers))
    for _ in range(KILLS):
        await asyncio.sleep(chance.uniform(0.2, 1.5))
        await site.kill("apiserver")
    await running
    for caller in callers:
        assert await caller.settle(ledger) == Counters()
        assert len(caller.acknowledged) == RUNS // 2
        await caller.close()
    assert len(ledger.starts()) == RUNS


@pytest.mark.parametrize("place", ["apiserver.run.reserved", "apiserver.run.created"])
async def test_f2_killed_between_the_create_and_the_answer(
    place: str, site: Site, fleet: Fleet, ledger: Ledger
) -> None:
    caller = await Caller.for_agent(site, await fleet.add())
    await caller.run_many(20, pause="0.2")
    await caller.in_flight(ledger, 20)
    site.arm(place)
    first = await caller.run("the-key", lines=3)
    await site.hit(place)
    again = await caller.ask(
        "POST", f"/triggers/{caller.trigger}/run", "the-key", {"ref": "main", "params": {"lines": 3}}
    )
    assert (again.json()["jobId"], again.json()["idempotent"]) == (first, True)
    assert await caller.settle(ledger) == Counters()
    assert len(caller.acknowledged) == len(ledger.starts()) == 21
    await caller.close()


@pytest.mark.parametrize(
    "place",
    [
        "apiserver.job.sent",
        "apiserver.transition.decided",
        "apiserver.transition.written",
        "apiserver.logs.received",
        "apiserver.logs.stored",
    ],
)
async def test_killed_between_two_writes(place: str, site: Site, fleet: Fleet, ledger: Ledger) -> None:
    caller = await Caller.for_agent(site, await fleet.add())
    await caller.run_many(20, pause="0.1")
    await caller.in_flight(ledger, 20)
    site.arm(place)
    await caller.run_many(5)
    await site.hit(place)
    assert await caller.settle(ledger) == Counters()
    assert len(ledger.starts()) == 25
    await caller.close()


async def test_f3_equal_keys_at_once_are_one_job(site: Site, fleet: Fleet, ledger: Ledger) -> None:
    caller = await Caller.for_agent(site, await fleet.add())
    for turn in range(20):
        jobs = await asyncio.gather(*(caller.run(f"round-{turn}", lines=1, pause="0") for _ in range(50)))
        assert len(set(jobs)) == 1
    assert await caller.settle(ledger) == Counters()
    assert len(caller.acknowledged) == 20
    await caller.close()
