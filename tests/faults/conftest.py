"""One installation for all fault tests; agents, callers and ledgers of its own for each."""

import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.faults.fleet import Fleet
from tests.faults.ledger import Ledger
from tests.faults.site import Site


@pytest_asyncio.fixture(scope="session")
async def site(session_folder: Path) -> AsyncIterator[Site]:
    running = await Site.start(session_folder / "faults")
    yield running
    await running.stop()


@pytest_asyncio.fixture
async def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest_asyncio.fixture
async def fleet(site: Site, tmp_path: Path, ledger: Ledger) -> AsyncIterator[Fleet]:
    await site.ready()
    made = Fleet(site, tmp_path / "fleet", ledger)
    yield made
    await made.close()


@pytest.fixture
def seed() -> int:
    """What chance depends on; printed, so that a failure can be repeated with DEPLITE_SEED."""
    chosen = int(os.environ.get("DEPLITE_SEED") or secrets.randbelow(2**31))
    print(f"DEPLITE_SEED={chosen}")
    return chosen
