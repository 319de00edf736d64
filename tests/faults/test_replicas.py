"""Two apiservers: what one promises, the other keeps; equal requests are the same at both."""

import asyncio
import random
from functools import partial

import pytest

from tests.faults import test_agent_network, test_races
from tests.faults.caller import Caller, all_settle, two_with_jobs_in_flight
from tests.faults.fleet import Fleet
from tests.faults.heard import heard
from tests.faults.knocking import at_both
from tests.faults.ledger import Counters, Ledger
from tests.faults.pair import REPLICAS, Pair
from tests.published.agent import PublishedAgent

_FULL = pytest.mark.full, pytest.mark.timeout(3600)


@pytest.mark.parametrize(("runs", "kills"), [(60, 2), pytest.param(600, 60, marks=_FULL)])
async def test_f1_one_of_two_killed_at_random_moments(
    runs: int, kills: int, pair: Pair, pack: Fleet, ledger: Ledger, seed: int
) -> None:
    chance = random.Random(seed)
    callers = await two_with_jobs_in_flight(pair, pack, ledger)  # through all kills
    each = (runs // 2 - 10) // kills
    for _ in range(kills):
        calling = [asyncio.create_task(caller.run_many(each, lines=5, pause="0.05")) for caller in callers]
        await asyncio.sleep(chance.uniform(0, 1))
        await pair.kill(chance.choice(REPLICAS))
        await asyncio.gather(*calling)
    await all_settle(callers, ledger, runs)


async def test_f2_one_dies_between_the_create_and_the_answer_and_the_other_knows(
    pair: Pair, pack: Fleet, ledger: Ledger
) -> None:
    caller = await Caller.for_agent(pair, await pack.add())
    ledger.open("print")
    await caller.run_many(20, gated=True)
    await caller.in_flight(ledger, 20)
    pair.arm("apiserver.run.created")
    first = await caller.run("the-key", lines=3)
    await pair.hit("apiserver.run.created")
    await pair.ready()
    for door in pair.doors:
        there = caller.at(door)
        path, body = f"/triggers/{caller.trigger}/run", {"ref": "main", "params": {"lines": 3}}
        answer = (await there.ask("POST", path, "the-key", body)).json()
        assert (answer["jobId"], answer["idempotent"]) == (first, True)
        await there.close()
    ledger.open("end")
    assert await caller.settle(ledger) == Counters()
    assert len(caller.acknowledged) == len(ledger.starts()) == 21
    await caller.close()


@pytest.mark.parametrize("rounds", [3, pytest.param(200, marks=_FULL)])
async def test_f3_equal_keys_at_once_at_both_are_one_job(rounds: int, pair: Pair, pack: Fleet, ledger: Ledger) -> None:
    caller = await Caller.for_agent(pair, await pack.add())
    there = at_both(caller, pack)
    for turn in range(rounds):
        calls = [there[number % 2].run(f"round-{turn}", lines=1, pause="0") for number in range(50)]
        assert len(set(await asyncio.gather(*calls))) == 1
    assert await caller.settle(ledger) == Counters()
    assert len(caller.acknowledged) == rounds
    await caller.close()


@pytest.mark.parametrize("silence", [15, pytest.param(40, marks=pytest.mark.full)])
async def test_f5_a_silent_replica_is_noticed(silence: int, pair: Pair, pack: Fleet, ledger: Ledger) -> None:
    await test_agent_network.test_f5_a_silent_server_is_noticed_and_each_job_starts_once(silence, pair, pack, ledger)


async def test_f6_a_new_stream_at_one_ends_the_old_one_at_the_other(pair: Pair) -> None:
    await pair.ready()
    code = (await pair.ask("POST", "/agents/enroll-tokens", {"label": "f6"}))["token"]
    old_door, new_door = pair.doors
    agent = PublishedAgent(old_door)
    assert (await heard(lambda: agent.enroll(code))).is_success
    reported = {"workflows": [{"name": "ledger"}]}
    assert (await heard(lambda: agent.call("POST", "/agent/workflows/report", reported))).is_success
    caller = await Caller.for_id(pair, agent.agent_id)
    async with agent.stream() as old, asyncio.timeout(120):
        first = await caller.run()
        assert (await agent.next_deploy(old))["job_id"] == first
        agent.base = new_door
        async with agent.stream() as new:
            assert [event async for event, _ in old if event == "deploy"] == []  # it ends by itself
            second = await caller.run()
            sent = {(await agent.next_deploy(new))["job_id"] for _ in range(2)}
            assert sent == {first, second}
            for job in sorted(sent):
                result = {"status": "success", "exitCode": 0}
                told = partial(agent.call, "POST", f"/agent/jobs/{job}/result", result)
                assert (await heard(told)).status_code == 204
    for job in (first, second):
        assert (await caller.until(job, "success"))["exitCode"] == 0
    await agent.close()
    await caller.close()


async def test_f38_one_code_and_fifty_machines_at_both(pair: Pair) -> None:
    await test_races.test_f38_one_code_and_fifty_machines(pair)
