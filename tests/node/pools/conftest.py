"""A cluster of the pools' own, for they lose a machine, with the release and a shop."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest_asyncio

if TYPE_CHECKING:
    from tests.node.pools.shop import Shop
    from tests.node.running import Node


@pytest_asyncio.fixture(scope="package")
async def node(session_folder: Path, archives: dict[str, Path]) -> "AsyncIterator[Node]":
    """Two machines that no other tests use."""
    from tests.node.running import node_running

    async with node_running(session_folder / "pools", nodes=2, images=set(archives.values())) as running:
        yield running


@pytest_asyncio.fixture(scope="package")
async def installed(node: "Node", session_folder: Path) -> "AsyncIterator[Shop]":
    """The release as docs/helm.md has it, in two steps, and a shop; no pool yet."""
    from tests.chart.chart import CHART, NAMESPACE, RELEASE, Helm
    from tests.chart.helm import find_or_build
    from tests.node.door import door
    from tests.node.pools.shop import FOLDER, ORGANIZATION, Shop

    program = await find_or_build()
    helm = Helm(program, session_folder, node.kubeconfig)
    words = ("upgrade", "--install", RELEASE, str(CHART), "--namespace", NAMESPACE, "--create-namespace")
    for _ in range(2):
        await helm.run(*words, "--values", str(FOLDER / "values.yaml"), "--wait", "--timeout", "4m")
    token = ("create", "token", "deplite-owner", "--audience", "deplite", "--duration", "2h")
    owner = (await node.kubectl("-n", NAMESPACE, *token)).strip()
    await node.kubectl("apply", "-f", str(FOLDER / "shop.yaml"))
    await node.wait_for("create", "secret/ci", namespace=ORGANIZATION)
    async with door(node.pid, node.address, 30080) as url:
        yield Shop(node=node, url=url, owner=owner)


@pytest_asyncio.fixture
async def shop(installed: "Shop") -> "Shop":
    """The shop with its pool, which is Ready."""
    await installed.declare()
    return installed
