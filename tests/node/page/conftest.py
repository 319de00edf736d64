"""A cluster of the page's own, and the shell that it is typed at."""

import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest_asyncio

if TYPE_CHECKING:
    from tests.node.page.reader import Reader
    from tests.node.running import Node

BUILT = "deplite-node/agent-with-tools:1"
"""Of the Dockerfile that the page's reader builds, under the name that the tests know it by."""


@pytest_asyncio.fixture(scope="package")
async def node(session_folder: Path, archives: dict[str, Path]) -> "AsyncIterator[Node]":
    """An empty cluster that can pull the four images."""
    from tests.node.running import node_running

    async with node_running(session_folder / "page", nodes=2, images=set(archives.values())) as running:
        for machine in running.machines.values():
            for tag in ("1", "2"):
                await machine.tag(BUILT, f"shop/agent:{tag}")
        yield running


@pytest_asyncio.fixture(scope="package")
async def reader(node: "Node", session_folder: Path) -> "AsyncIterator[Reader]":
    """Has typed nothing yet."""
    from deplite.local.process import clean_environment
    from tests.chart.helm import find_or_build
    from tests.node.page.reader import ROOT, Reader
    from tests.shell import BASH, opened

    helm = await find_or_build()
    checkout = session_folder / "checkout"
    for name in ("charts", "examples"):
        shutil.copytree(ROOT / name, checkout / name)
    tools = os.pathsep.join([str(Path(sys.executable).parent), str(helm.parent), os.environ["PATH"]])
    own = clean_environment(PATH=tools, HOME=str(session_folder), KUBECONFIG=str(node.kubeconfig))
    argv = ("nsenter", f"--target={node.pid}", "--net", "--", *BASH, "-eo", "pipefail")
    with opened(argv, checkout, own) as shell:
        yield Reader(node=node, shell=shell, folder=checkout)
