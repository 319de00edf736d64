"""The apiserver dies: whatever it acknowledged exists, a repeated call finds it, and each job starts once."""

import asyncio
import random

import pytest

from tests.faults.caller import Caller, all_settle, two_with_jobs_in_flight
from tests.faults.fleet import Fleet
from tests.faults.ledger import Counters, Ledger
from tests.faults.stage import Stage

_FULL = pytest.mark.full, pytest.mark.timeout(1800)


@pytest.mark.parametrize(("runs", "kills"), [(120, 5), pytest.param(600, 60, marks=_FULL)])
async def test_f1_killed_at_random_moments(
    runs: int, kills: int, stage: Stage, crew: Fleet, ledger: Ledger, seed: int
) -> None:
    chance = random.Random(seed)
    callers = await two_with_jobs_in_flight(stage, crew, ledger)  # through all kills
    each = (runs // 2 - 10) // kills
    calling: list[asyncio.Task[list[str]]] = []
    for done in range(kills):
        # So many calls for each kill, that the last one meets as many as the first.
        while sum(len(caller.acknowledged) for caller in callers) < 20 + 2 * each * done:
            await asyncio.sleep(0.02)
        calling += [asyncio.create_task(caller.run_many(each, lines=5, pause="0.2")) for caller in callers]
        await asyncio.sleep(chance.uniform(0, 1))
        await stage.kill("apiserver")
    await asyncio.gather(*calling)
    await all_settle(callers, ledger, runs)


@pytest.mark.parametrize("place", ["apiserver.run.reserved", "apiserver.run.created"])
async def test_f2_killed_between_the_create_and_the_answer(
    place: str, stage: Stage, crew: Fleet, ledger: Ledger
) -> None:
    caller = await Caller.for_agent(stage, await crew.add())
    await caller.run_many(20, gated=True)
    await caller.in_flight(ledger, 20)
    ledger.open("print")
    stage.arm(place)
    first = await caller.run("the-key", lines=3)
    await stage.hit(place)
    again = await caller.ask(
        "POST", f"/triggers/{caller.trigger}/run", "the-key", {"ref": "main", "params": {"lines": 3}}
    )
    assert (again.json()["jobId"], again.json()["idempotent"]) == (first, True)
    ledger.open("end")
    assert await caller.settle(ledger) == Counters()
    assert len(caller.acknowledged) == len(ledger.starts()) == 21
    await caller.close()


PLACES = [
    "apiserver.job.sent",
    "apiserver.transition.decided",
    "apiserver.transition.written",
    "apiserver.logs.received",
    "apiserver.logs.stored",
]


async def test_killed_between_two_writes(stage: Stage, crew: Fleet, ledger: Ledger) -> None:
    caller = await Caller.for_agent(stage, await crew.add())
    ledger.open("print")
    await caller.run_many(25, lines=250, pause="0.1", gated=True)  # until all places have been visited
    for place in PLACES:
        await caller.in_flight(ledger, 20)
        stage.arm(place)
        await caller.run_many(3, lines=3)
        await stage.hit(place)
    ledger.open("end")
    assert await caller.settle(ledger) == Counters()
    assert len(ledger.starts()) == len(caller.acknowledged) == 25 + 3 * len(PLACES)
    await caller.close()


@pytest.mark.parametrize("rounds", [5, pytest.param(200, marks=_FULL)])
async def test_f3_equal_keys_at_once_are_one_job(rounds: int, stage: Stage, crew: Fleet, ledger: Ledger) -> None:
    caller = await Caller.for_agent(stage, await crew.add())
    for turn in range(rounds):
        jobs = await asyncio.gather(*(caller.run(f"round-{turn}", lines=1, pause="0") for _ in range(50)))
        assert len(set(jobs)) == 1
    assert await caller.settle(ledger) == Counters()
    assert len(caller.acknowledged) == rounds
    await caller.close()
