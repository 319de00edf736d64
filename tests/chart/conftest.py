"""Helm, and what the chart renders to with each of our values files."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from deplite.local.objectstore import ObjectStore
from tests.chart.chart import FILES, Helm, Object, values
from tests.chart.helm import find_or_build
from tests.chart.measured import Deploy, deployed
from tests.chart.running import Release, released
from tests.valkey import Valkey


@pytest_asyncio.fixture(scope="session")
async def program() -> Path:
    """Helm itself."""
    return await find_or_build()


@pytest.fixture(scope="session")
def helm(program: Path, session_folder: Path) -> Helm:
    """Helm without a cluster."""
    home = session_folder / "helm"
    home.mkdir()
    return Helm(program, home)


@pytest_asyncio.fixture(scope="session")
async def rendered(helm: Helm) -> dict[str, list[Object]]:
    """The objects, by values file."""
    return {name: await helm.template(*values(name)) for name in FILES}


@pytest_asyncio.fixture(scope="package")
async def release(
    program: Path, session_folder: Path, object_store: ObjectStore, valkey: Valkey
) -> AsyncIterator[Release]:
    """A release whose parts run, with five organizations."""
    organizations = [f"org-{secrets.token_hex(5)}" for _ in range(5)]
    async with released(program, session_folder / "chart-parts", object_store, valkey, organizations) as running:
        yield running


@pytest_asyncio.fixture(scope="package")
async def deploy(release: Release, session_folder: Path) -> AsyncIterator[Deploy]:
    """A deploy at the release, in the last organization; its agent goes on running."""
    folder = session_folder / "measured"
    folder.mkdir(mode=0o700)
    async with deployed(release, release.organizations[4], folder) as made:
        yield made
