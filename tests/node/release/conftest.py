"""One installed release for the tests of this folder; an organization, agents and a ledger of its own for each."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from tests.chart.chart import NAMESPACE, RELEASE, Helm
from tests.chart.helm import find_or_build
from tests.faults.fleet import Fleet
from tests.faults.ledger import Ledger
from tests.node.inside import inside
from tests.node.network.enforcing import enforcing
from tests.node.release.installed import Installed, written_kubeconfig
from tests.node.release.outside import ServedSite
from tests.node.running import Node


@pytest_asyncio.fixture(scope="package")
async def installed(node: Node, session_folder: Path) -> AsyncIterator[Installed]:
    """The release, installed in the two steps that docs/helm.md tells, where NetworkPolicies are enforced."""
    folder = session_folder / "release"
    folder.mkdir()
    kubeconfig = written_kubeconfig(node, folder)
    helm = Helm(await find_or_build(), folder, node.kubeconfig)
    async with AsyncExitStack() as stack:
        for name, machine in node.machines.items():
            await stack.enter_async_context(enforcing(machine.pid, kubeconfig, folder / f"policies-{name}.log"))
        with inside(node.pid):
            kube = await KubeClient.connect(node.kubeconfig)
            release = Installed(node=node, helm=helm, kube=kube, folder=folder, kubeconfig=kubeconfig)
            await release.prepare()
            assert "once more" in await release.install()
            assert "once more" not in await release.install()
            release.first = await release.settled()
        yield release
        await kube.close()
        await helm.run("uninstall", RELEASE, "--namespace", NAMESPACE, "--ignore-not-found")


@pytest.fixture(autouse=True)
def _in_the_network(node: Node) -> Iterator[None]:
    """Whoever calls a release from outside is where the machines are."""
    with inside(node.pid):
        yield


@pytest_asyncio.fixture
async def served(installed: Installed, tmp_path: Path) -> ServedSite:
    """An organization of the release."""
    return await ServedSite.of(installed, "org-served", tmp_path)


@pytest_asyncio.fixture
async def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest_asyncio.fixture
async def outside(served: ServedSite, tmp_path: Path, ledger: Ledger) -> AsyncIterator[Fleet]:
    """Agents outside of the cluster."""
    made = Fleet(served, tmp_path / "outside", ledger)
    yield made
    await made.close()
