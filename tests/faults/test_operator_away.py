"""The operator is away: no run needs it."""

import asyncio
import os
import signal
from contextlib import suppress

import pytest

from deplite.resources import Trigger
from deplite.resources.identifiers import object_id
from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import Site


@pytest.mark.parametrize(
    ("runs", "seconds"),
    [(30, 1), pytest.param(100, 600, marks=(pytest.mark.full, pytest.mark.timeout(1200)))],
)
async def test_f21_nobody_waits_for_the_operator(
    runs: int, seconds: float, site: Site, fleet: Fleet, ledger: Ledger
) -> None:
    caller = await Caller.for_agent(site, await fleet.add())
    stopped = site.signal("operator", signal.SIGSTOP)
    try:
        await caller.run_many(runs, gated=True)
        await caller.in_flight(ledger, 20)
        ledger.open("print")
        ledger.open("end")
        assert await caller.settle(ledger) == Counters()
        await asyncio.sleep(seconds)
        async with site.kube() as kube:
            found = await kube.list(Trigger, site.organization)
            name = next(one.name for one in found if object_id("tr", *one.key) == caller.trigger)
            await kube.delete(Trigger, site.organization, name)
            async with asyncio.timeout(60):
                while name in {one.name for one in await kube.list(Trigger, site.organization)}:
                    await asyncio.sleep(0.1)
    finally:
        with suppress(ProcessLookupError):
            os.kill(stopped, signal.SIGCONT)
