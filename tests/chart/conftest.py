"""Helm, and what the chart renders to with each of our values files."""

from pathlib import Path

import pytest
import pytest_asyncio

from tests.chart.chart import FILES, Helm, Object, values
from tests.chart.helm import find_or_build


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
