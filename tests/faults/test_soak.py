"""Never lost, never twice: thousands of jobs while every part of the system is killed hundreds of times."""

from pathlib import Path

import pytest

from tests.faults.fleet import Fleet
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import Site
from tests.faults.soak import Plan, Soak, save


@pytest.mark.full
@pytest.mark.timeout(7200)
async def test_soak(session_folder: Path, ledger: Ledger, seed: int, capfd: pytest.CaptureFixture[str]) -> None:
    site = await Site.start(session_folder / "soak", lost_seconds=210)
    fleet = Fleet(site, session_folder / "soak-fleet", ledger)
    soak = Soak(plan=Plan.of_environment(seed), site=site, fleet=fleet, ledger=ledger)
    try:
        with capfd.disabled():
            await soak.run()
            print(f"\n{soak.report()}\nwritten to {save(soak.report())}")
    finally:
        await fleet.close()
        await site.stop()
    assert soak.counters == Counters(), soak.counters.details
    assert soak.killed.total() >= soak.plan.kills
    assert sum(len(caller.acknowledged) for caller in soak.callers) >= soak.plan.jobs
