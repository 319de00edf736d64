"""The network between agent and server fails, in every way: each job starts once, every line and result arrives."""

import asyncio
import random
import re
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.heard import heard
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import Site
from tests.published.agent import PublishedAgent


@pytest.mark.parametrize("silence", [15, pytest.param(40, marks=pytest.mark.full)])
async def test_f5_a_silent_server_is_noticed_and_each_job_starts_once(
    silence: int, site: Site, fleet: Fleet, ledger: Ledger
) -> None:
    agent = await fleet.add(DEPLITE_SILENCE_SECONDS=str(silence))
    caller = await Caller.for_agent(site, agent)
    ledger.open("print")
    await caller.run_many(20, gated=True)
    await caller.in_flight(ledger, 20)
    noticed = agent.log.stat().st_size
    agent.proxy.swallow_answers()
    while_silent = await caller.run_many(10, lines=5)
    await agent.says("The stream ended: ReadTimeout", noticed, seconds=silence + 120)
    assert not set(while_silent) & set(ledger.starts()), "no claim was answered, so nothing may run"
    agent.proxy.speak()
    ledger.open("end")
    assert await caller.settle(ledger) == Counters()
    assert len(ledger.starts()) == 30
    await caller.close()


async def test_f7_what_ends_while_cut_off_is_reported_as_it_was(site: Site, fleet: Fleet, ledger: Ledger) -> None:
    agent = await fleet.add()
    caller = await Caller.for_agent(site, agent)
    jobs = [*await caller.run_many(10, gated=True), *await caller.run_many(15, gated=True, code=7)]
    await caller.in_flight(ledger, 25)
    ledger.open("print")
    await agent.proxy.refuse()
    ledger.open("end")
    async with asyncio.timeout(60):
        while len(re.findall(r"job \S+ ended:", agent.log.read_text())) < 25:
            await asyncio.sleep(0.05)
    ended = ledger.ends()
    assert (await caller.job(jobs[0]) or {})["status"] == "running"
    await asyncio.sleep(10)  # what a result's way may take, it has itself to add to how long ago the job ended
    healed_at = datetime.now().astimezone()
    await agent.proxy.accept()
    assert await caller.settle(ledger) == Counters()
    for job in jobs:
        detail = await caller.job(job)
        assert detail is not None
        assert detail["exitCode"] == ended[job]
        finished_at = datetime.fromisoformat(detail["finishedAt"].replace("Z", "+00:00"))
        assert (healed_at - finished_at).total_seconds() > 1, "when it ended, not when the server heard of it"
    await caller.close()


async def test_f9_a_claim_whose_answer_is_lost_is_repeated(site: Site, fleet: Fleet, ledger: Ledger) -> None:
    agent = await fleet.add()
    caller = await Caller.for_agent(site, agent)
    agent.proxy.listen_in()
    agent.proxy.eat_answer(b'"status": "running"', times=25)
    await caller.run_many(25, lines=10)
    assert await caller.settle(ledger) == Counters()
    assert len(ledger.starts()) == 25
    assert agent.proxy.upwards.count(b'"status": "running"') >= 50
    await caller.close()


async def test_f18_batches_twice_late_overlapping_and_cut(site: Site, fleet: Fleet, ledger: Ledger) -> None:
    agent = await fleet.add()
    caller = await Caller.for_agent(site, agent)
    ledger.open("print")
    await caller.run_many(25, lines=40, pause="0.1", gated=True)
    await caller.in_flight(ledger, 25)
    for _ in range(3):  # a batch that arrives twice grows in between, so that the second overlaps the first
        agent.proxy.eat_answer(b"/logs HTTP", times=6)
        agent.proxy.cut_within(b"/logs HTTP", times=6)
        agent.proxy.hold(b"/logs HTTP", seconds=3, times=6)
        await asyncio.sleep(1.5)
    ledger.open("end")
    assert await caller.settle(ledger) == Counters()
    await asyncio.sleep(3)  # the last late ones have come
    for job in caller.acknowledged:
        seqs = await caller.seqs(job)
        assert seqs == list(range(len(seqs)))
    assert await caller.settle(ledger) == Counters()
    await caller.close()


async def test_f18_accepted_counts_what_is_new(site: Site, fleet: Fleet, ledger: Ledger, seed: int) -> None:
    chance = random.Random(seed)
    agent = PublishedAgent(f"{site.url}/v1")
    code, reported = await fleet.code(), {"workflows": [{"name": "ledger"}]}
    assert (await heard(lambda: agent.enroll(code, "batches"))).is_success
    assert (await heard(lambda: agent.call("POST", "/agent/workflows/report", reported))).is_success
    caller = await Caller.for_id(site, agent.agent_id)
    jobs = await caller.run_many(20)
    stored: dict[str, set[int]] = {job: set() for job in jobs}
    for _ in range(6):
        for job in jobs:
            first = chance.randrange(30)
            batch = [*range(first, first + chance.randrange(1, 15)), *chance.choices(range(40), k=3)]
            chance.shuffle(batch)
            items = [{"seq": seq, "stream": "raw", "content": f"{job} {seq}"} for seq in batch]
            answer = await heard(partial(agent.call, "POST", f"/agent/jobs/{job}/logs", {"items": items}))
            assert answer.json()["accepted"] == len(set(batch) - stored[job])
            stored[job] |= set(batch)
    for job, seqs in stored.items():
        shown: list[dict[str, Any]] = await caller.items(job)
        assert [(item["seq"], item["content"]) for item in shown] == [(seq, f"{job} {seq}") for seq in sorted(seqs)]
        told = partial(agent.call, "POST", f"/agent/jobs/{job}/result", {"status": "success"})
        assert (await heard(told)).status_code == 204
    await agent.close()
    await caller.close()
