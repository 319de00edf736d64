"""Helm, and what the chart renders to with each of our values files."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.local.accounts import Account
from deplite.local.objectstore import ObjectStore
from tests.chart.chart import FILES, Helm, Object, values
from tests.chart.helm import find_or_build
from tests.chart.measured import Deploy, deployed, started
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
    """A release whose parts run, with four organizations."""
    organizations = [f"org-{secrets.token_hex(5)}" for _ in range(4)]
    async with released(program, session_folder / "chart-parts", object_store, valkey, organizations) as running:
        yield running


@pytest_asyncio.fixture(scope="package")
async def deploy(
    helm: Helm,
    accounts: dict[str, Account],
    kube: KubeClient,
    object_store: ObjectStore,
    valkey: Valkey,
    session_folder: Path,
) -> AsyncIterator[Deploy]:
    """A deploy at parts that run as the chart has them; they go on running."""
    folder = session_folder / "measured"
    folder.mkdir(mode=0o700)
    async with (
        started(helm, accounts, kube, object_store, valkey, folder) as parts,
        deployed(parts) as made,
    ):
        yield made
