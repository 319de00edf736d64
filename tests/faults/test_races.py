"""Others write at the same time, or ask for the same thing at once."""

import asyncio
import itertools
from collections import Counter
from contextlib import suppress

from deplite.kube.client import KubeClient
from deplite.kube.errors import NotFoundError
from deplite.resources import Agent, DeployJob
from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.heard import heard
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import Site
from tests.published.agent import PublishedAgent

RATE = 50
"""Writes a second, by so many writers:"""
WRITERS = 3


async def test_f28_a_foreign_writer_of_the_same_jobs(site: Site, fleet: Fleet, ledger: Ledger) -> None:
    caller = await Caller.for_agent(site, await fleet.add())
    log = site.data / "logs" / "apiserver.log"
    before, written = log.stat().st_size, 0

    async def annotate(kube: KubeClient) -> None:
        nonlocal written
        for number in itertools.count():
            for job in [job for job in caller.acknowledged if job not in ledger.ends()]:
                body = {"metadata": {"annotations": {"example.org/seen": str(number)}}}
                with suppress(NotFoundError):
                    await kube.patch(DeployJob, site.organization, job, body)
                    written += 1
                await asyncio.sleep(WRITERS / RATE)
            await asyncio.sleep(0.01)

    async with site.kube() as kube:
        writing = [asyncio.create_task(annotate(kube)) for _ in range(WRITERS)]
        ledger.open("print")
        await caller.run_many(60, at_once=8, lines=50, pause="0.1", gated=True)
        await caller.in_flight(ledger, 20)
        async with asyncio.timeout(120):
            while written < 100:
                await asyncio.sleep(0.05)
        ledger.open("end")
        assert await caller.settle(ledger) == Counters()
        for task in writing:
            task.cancel()
        await asyncio.gather(*writing, return_exceptions=True)
    print(f"{written} foreign writes")
    assert b"ConflictError" not in log.read_bytes()[before:]


async def test_f38_one_code_and_fifty_machines(site: Site) -> None:
    await site.ready()
    code = (await site.ask("POST", "/agents/enroll-tokens", {"label": "race"}))["token"]

    async def enrolled(machine: PublishedAgent, name: str) -> int:
        return (await heard(lambda: machine.enroll(code, name=name))).status_code  # fifty at once are many

    machines = [PublishedAgent(site.url) for _ in range(50)]
    async with site.kube() as kube:
        before = {one.name for one in await kube.list(Agent, site.organization)}
        answers = await asyncio.gather(*(enrolled(machine, f"m{n}") for n, machine in enumerate(machines)))
        made = {one.name for one in await kube.list(Agent, site.organization)} - before
    await asyncio.gather(*(machine.close() for machine in machines))
    statuses = Counter(answers)
    assert (statuses[200] + statuses[201], statuses[401]) == (1, 49), statuses
    assert len(made) == 1
