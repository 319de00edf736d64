"""The cluster that the tests of this folder share: two machines that have all our images."""

from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.lacking import skip_for
from tests.node import needs

if TYPE_CHECKING:
    from tests.node.running import Node

FOLDER, SECONDS = Path(__file__).parent, 900


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the cluster looked like."""
    report = yield
    node = item.funcargs.get("node")
    if report.failed and node is not None:
        report.sections.append(("The cluster", node.shown()))
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test of ours may be the one that starts a cluster, and what it waits for may take minutes on a busy machine."""
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(scope="session")
def equipped() -> None:
    """Skip where the machine lacks what a node needs; in CI that is an error."""
    from tests.node import images

    skip_for(needs.missing() or images.missing())


@pytest_asyncio.fixture(scope="session")
async def archives(equipped: None) -> dict[str, Path]:
    """The images by name, each in a docker-archive; several may be in one."""
    from tests.node import images

    return await images.archives()


@pytest_asyncio.fixture(scope="session")
async def node(session_folder: Path, archives: dict[str, Path]) -> "AsyncIterator[Node]":
    """A cluster with two machines; who breaks it mends it."""
    from tests.node.running import node_running

    async with node_running(session_folder / "node", nodes=2, images=set(archives.values())) as running:
        yield running


@pytest_asyncio.fixture
async def namespace(node: "Node") -> AsyncIterator[str]:
    """The name of a namespace of the test's own."""
    import secrets

    name = f"test-{secrets.token_hex(4)}"
    await node.kubectl("create", "namespace", name)
    yield name
    await node.kubectl("delete", "namespace", name, "--wait=false", "--force", "--grace-period=0")
