"""Never lost, never twice: thousands of jobs while every part of the system is killed hundreds of times."""

import os
from pathlib import Path

import pytest

from tests.faults.fleet import Fleet
from tests.faults.ledger import Counters, Ledger
from tests.faults.pair import Pair
from tests.faults.site import Site
from tests.faults.soak import Plan, Soak
from tests.faults.soakreport import report, save

SITES = {1: Site, 2: Pair}
CHOSEN = os.environ.get("DEPLITE_SOAK_REPLICAS")


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("replicas", [int(CHOSEN)] if CHOSEN else SITES)
async def test_soak(
    replicas: int, session_folder: Path, ledger: Ledger, seed: int, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = session_folder / f"soak-{replicas}"
    site = await SITES[replicas].start(folder, lost_seconds=210, replicas=replicas)
    try:
        with capfd.disabled():
            soak = await _soaked(Plan.of_environment(seed), site, folder / "fleet", ledger)
            print(f"\n{report(soak)}\nwritten to {save(report(soak), replicas)}")
    finally:
        await site.stop()
    _see(soak)


async def _soaked(plan: Plan, site: Site, folder: Path, ledger: Ledger) -> Soak:
    soak = Soak(plan=plan, site=site, fleet=Fleet(site, folder, ledger), ledger=ledger)
    try:
        await soak.run()
    finally:
        await soak.fleet.close()
    return soak


def _see(soak: Soak) -> None:
    assert soak.counters == Counters(), soak.counters.details
    assert soak.credentials.wrong == []
    assert soak.unknown == 0
    assert soak.killing.done.total() >= soak.plan.kills
    assert soak.acknowledged >= soak.plan.jobs
