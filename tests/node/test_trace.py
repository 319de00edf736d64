"""A cluster leaves nothing on the machine, however it ends."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deplite.local.errors import StartError
from deplite.local.ports import is_free
from tests.node.commands import SECONDS
from tests.node.machine import groups
from tests.node.machine.first import ROOT
from tests.node.machine.keeper import keeper_of
from tests.node.machine.plan import Plan
from tests.node.running import Node, node_running, planned, start_keeper
from tests.node.trace import Inside, Snapshot, processes_of

_STARTER = """
import asyncio, sys
from pathlib import Path
from tests.node.running import node_running

async def run(folder, *images):
    async with node_running(Path(folder), nodes=2, images=map(Path, images)) as node:
        print("up", flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(run(*sys.argv[1:]))
"""

pytestmark = pytest.mark.usefixtures("equipped")


@asynccontextmanager
async def starter(folder: Path, images: set[Path]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that starts a cluster, says `up`, and stops it at the end of its standard input."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _STARTER, str(folder), *map(str, images)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def until_gone(folder: Path) -> None:
    async with asyncio.timeout(SECONDS):
        while keeper_of(folder) is not None:
            await asyncio.sleep(0.05)


async def up(child: asyncio.subprocess.Process) -> None:
    assert child.stdout is not None
    assert await child.stdout.readline() == b"up\n"


def system(archives: dict[str, Path]) -> set[Path]:
    return {archives["deplite-node/pause:1"], archives["deplite-node/coredns:1"]}


async def test_nothing_is_left_of_a_cluster_that_is_stopped(tmp_path: Path, archives: dict[str, Path]) -> None:
    before, folder = Snapshot.take(), tmp_path / "node"
    async with starter(folder, system(archives)) as child:
        await up(child)
        plan = Plan.load(folder)
        inside = Inside(int(plan.pid.read_text()))
        assert len(inside.processes()) > 15
        assert not is_free(plan.port)
        assert child.stdin is not None
        child.stdin.close()
        assert await child.wait() == 0
    assert inside.processes() == processes_of(folder) == []
    inside.close()
    assert is_free(plan.port)
    assert not folder.exists()
    assert Snapshot.take() == before


async def test_nothing_is_left_when_its_starter_is_killed(tmp_path: Path, archives: dict[str, Path]) -> None:
    before, folder = Snapshot.take(), tmp_path / "node"
    async with starter(folder, system(archives)) as child:
        await up(child)
        inside = Inside(int(Plan.load(folder).pid.read_text()))
        child.kill()
        await child.wait()
    await until_gone(folder)
    assert inside.processes() == processes_of(folder) == []
    inside.close()
    assert not folder.exists()
    assert Snapshot.take() == before


async def test_nothing_is_left_when_its_starter_is_killed_while_it_starts(tmp_path: Path) -> None:
    before, folder = Snapshot.take(), tmp_path / "node"
    async with starter(folder, set()) as child, asyncio.timeout(SECONDS):
        while not ((folder / "node-1" / "containerd.toml").exists() and (folder / "pid").exists()):
            await asyncio.sleep(0.01)
        inside = Inside(int((folder / "pid").read_text()))
        child.kill()
    await until_gone(folder)
    assert inside.processes() == processes_of(folder) == []
    inside.close()
    assert not folder.exists()
    assert Snapshot.take() == before


async def test_what_a_killed_keeper_leaves_goes_with_the_next_start(tmp_path: Path) -> None:
    before, folder = Snapshot.take(), tmp_path / "node"
    child = await start_keeper(plan := await planned(folder, 1), alone=True)
    async with asyncio.timeout(SECONDS):
        while not plan.ready.exists():
            await asyncio.sleep(0.01)
        inside = Inside(int(plan.pid.read_text()))
        child.kill()
        await child.wait()
        while inside.processes():  # the kernel ends them, one after the other
            await asyncio.sleep(0.01)
    inside.close()
    assert processes_of(folder) == []
    groups.sweep()
    assert Snapshot.take() == before


async def fails(plan: Plan, why: str) -> None:
    """A cluster does not start and says why, and nothing is left of it."""
    before = Snapshot.take()
    child = await start_keeper(plan, alone=False)
    assert child.stdin is not None
    try:
        with pytest.raises(StartError, match=why):
            await Node(plan).settle([])
    finally:
        child.stdin.close()
        assert await child.wait() == 0
    assert processes_of(plan.folder) == os.listdir(plan.folder.parent) == []
    assert Snapshot.take() == before


async def test_one_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    plan = await planned(tmp_path / "node", 1)
    with socket.create_server(("127.0.0.1", plan.port)):
        await fails(plan, f"no door to port {plan.port} .*in use")


async def test_one_with_a_program_that_ends_says_which_and_leaves_nothing(tmp_path: Path) -> None:
    plan = await planned(tmp_path / "node", 1)
    written = plan.folder / "plan.json"
    written.write_text(written.read_text().replace(str(plan.programs["kubelet"]), "/bin/false"))
    await fails(plan, r"^node-1: kubelet ended with 1; see .*kubelet\.log$")


async def test_a_folder_that_exists_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(StartError, match="exists"):
        async with node_running(tmp_path):
            pass
    assert os.listdir(tmp_path) == ["letter"]
    assert (tmp_path / "letter").read_text() == "dear"
