"""One cluster with Deplite for this folder, and the example in it as its README says, with its machine running."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from deplite.local.controlplane import ControlPlane
from deplite.local.objectstore import ObjectStore
from tests.gitops.readme import typed
from tests.gitops.shop import Shop


@pytest_asyncio.fixture(scope="package")
async def shop(session_folder: Path, control_plane: ControlPlane, object_store: ObjectStore) -> AsyncIterator[Shop]:
    """The cluster; the organization is not there before somebody applies it."""
    opened = await Shop.open(session_folder / "gitops", control_plane, object_store)
    yield opened
    await opened.close()


@pytest_asyncio.fixture(scope="package")
async def applied(shop: Shop) -> Shop:
    """The cluster with all of the example, ready."""
    await shop.run(typed("Apply"))
    await start_machine(shop, "web-1")
    return shop


async def start_machine(shop: Shop, folder: str) -> None:
    """Start `web-1` with the code of its Secret, its state in a folder; return once the rest is ready as well."""
    await shop.run(typed("Start the machine"))
    written = shop.folder / "web-1.env"
    assert written.stat().st_mode & 0o777 == 0o600
    lines = written.read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines)
    assert set(given) == {"DEPLITE_URL", "DEPLITE_TOKEN"}
    assert re.fullmatch(r"enr_[0-9A-Za-z]{36}", given["DEPLITE_TOKEN"])
    await shop.machine(folder, given)
    await shop.run(typed("Start the machine", 2))
