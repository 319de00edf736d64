"""One server and one machine for all of these tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from deplite.local.controlplane import ControlPlane
from deplite.local.objectstore import ObjectStore
from tests.host.debian import debian
from tests.host.host import Host
from tests.host.machine import Machine, running
from tests.host.needs import missing
from tests.host.site import Site, opened
from tests.lacking import skip_for


@pytest.fixture(scope="session")
def able() -> None:
    """Skip where machines cannot run; in CI that is an error."""
    skip_for(missing())


@pytest_asyncio.fixture(scope="package")
async def site(
    able: None, session_folder: Path, control_plane: ControlPlane, object_store: ObjectStore
) -> AsyncIterator[Site]:
    async with opened(session_folder / "host", control_plane, object_store) as server:
        yield server


@pytest_asyncio.fixture(scope="module")
async def fresh(site: Site) -> AsyncIterator[Machine]:
    """A machine on which nothing has been done."""
    async with running(await debian(), site.shared) as machine:
        yield machine


@pytest_asyncio.fixture(scope="package")
async def installed(site: Site) -> AsyncIterator[Host]:
    """A machine with the agent, as the README says."""
    async with running(await debian(), site.shared) as machine:
        host = Host(machine=machine, site=site)
        await host.set_up()
        yield host


@pytest_asyncio.fixture
async def host(installed: Host) -> Host:
    """That machine, with its agent connected."""
    await installed.ready()
    return installed
