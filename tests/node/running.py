"""A running cluster as tests see it: from this machine, with kubectl and with commands inside its networks.

async with node_running(folder, nodes=2, images=[…]) as node:
    await node.kubectl("apply", "-f", "web.yaml")
    await node.run("curl", "-s", "http://10.96.0.1")     # in the network of node-1
    await node.machines["node-2"].off()                  # as if its power had gone
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from deplite.local.controlplane import find_or_build
from deplite.local.controlplane.find import Report
from deplite.local.errors import StartError
from deplite.local.ports import choose
from deplite.local.process import clean_environment
from tests.node import programs
from tests.node.commands import SECONDS, CommandError, run, run_in_network, until
from tests.node.machine import groups
from tests.node.machine.first import ROOT
from tests.node.machine.keeper import ALONE
from tests.node.machine.plan import Plan
from tests.node.machines import RunningMachine
from tests.programs import ignore

__all__ = ["Node", "RunningMachine", "node_running", "planned", "start_keeper"]

OBJECTS = Path(__file__).parent / "objects"
KINDS = "agentpools,agents,deployjobs"
KUBECTL = Path(sys.executable).with_name("kubectl")


class Node:
    """A running cluster of one machine or more."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.machines: Mapping[str, RunningMachine] = {
            machine.name: RunningMachine(self, machine) for machine in plan.machines
        }
        """By name: node-1, node-2, …"""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's; good on this machine and in the cluster's outer network."""
        return self.plan.plane / "admin.kubeconfig"

    @property
    def pid(self) -> int:
        """Of the outer first process: in its network the machines have their addresses, and Services have none."""
        return int(self.plan.pid.read_text())

    @property
    def address(self) -> str:
        """Of the first machine: NodePorts answer there."""
        return self.plan.machines[0].address

    async def kubectl(self, *argv: str, given: str = "") -> str:
        """Run kubectl with all rights; return what it prints.

        Args:
            argv: its arguments.
            given: its standard input.

        Raises:
            CommandError: it failed.
        """
        environment = clean_environment(KUBECONFIG=str(self.kubeconfig)) | {"HOME": str(self.plan.folder)}
        return await run(str(KUBECTL), *argv, given=given, environment=environment)

    async def wait_for(self, condition: str, *objects: str, namespace: str = "default") -> None:
        """Wait as `kubectl wait --for` does.

        Raises:
            CommandError: it does not come true in `SECONDS`.
        """
        await self.kubectl("wait", f"--for={condition}", f"--timeout={SECONDS}s", "-n", namespace, *objects)

    async def run(self, *argv: str) -> str:
        """Run a command in the first machine's network, where Services and pods have their addresses.

        Raises:
            CommandError: it failed.
        """
        return await self.machines["node-1"].run(*argv)

    async def run_outside(self, *argv: str) -> str:
        """Run a command in the network that the machines are connected to, where Services have no addresses.

        Raises:
            CommandError: it failed.
        """
        return await run_in_network(self.pid, *argv)

    async def load(self, *archives: Path) -> None:
        """Have all machines take the images of docker-archives.

        Raises:
            CommandError: one does not.
        """
        for archive in archives:
            await asyncio.gather(*(machine.load(archive) for machine in self.machines.values()))

    def shown(self) -> str:
        """Return what there is and what happened, for who wonders why something failed."""
        words = ("get", "--all-namespaces", "--sort-by=.metadata.creationTimestamp")
        done = [
            subprocess.run(
                [KUBECTL, *words, *what],
                env=clean_environment(KUBECONFIG=str(self.kubeconfig)) | {"HOME": str(self.plan.folder)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for what in (("nodes",), ("pods", "--output=wide"), (KINDS, "--output=wide"), ("events",))
        ]
        return "\n".join(one.stdout for one in done)

    async def settle(self, images: Iterable[Path]) -> None:
        """Bring what every cluster has, and wait until all of it works.

        Raises:
            StartError: it ended.
            CommandError: something of it does not get ready.
        """
        plan = self.plan
        await until(lambda: plan.ready.exists() or plan.ended.exists(), "the control plane")
        try:
            if plan.ready.exists():
                await self._works(images)
        except (CommandError, StartError):
            for _ in range(100):  # if it has ended, its processes are gone before its keeper has said why
                if plan.ended.exists():
                    break
                await asyncio.sleep(0.1)
            else:
                raise
        if plan.ended.exists():
            raise StartError(plan.ended.read_text().strip())

    async def _works(self, images: Iterable[Path]) -> None:
        names = [f"node/{name}" for name in self.machines]
        await asyncio.gather(self.load(*images), self.kubectl("apply", "--server-side", "-f", str(OBJECTS)))
        await self.wait_for("create", *names)
        await self.wait_for("condition=Ready", *names)
        told = f"jsonpath={{.status.numberReady}}={len(names)}"
        await self.wait_for(told, "daemonset/coredns", namespace="kube-system")


@asynccontextmanager
async def node_running(folder: Path, *, nodes: int = 1, images: Iterable[Path] = ()) -> AsyncIterator[Node]:
    """Run a cluster in a folder, which is gone at the end.

    Args:
        folder: absolute, and not there yet.
        nodes: how many machines.
        images: docker-archives that each machine has from the beginning, those of `pause` and CoreDNS among them.

    Raises:
        MissingError: no usable Go, or too little disk, to build what is not in the cache.
        StartError: something of it did not start; all is stopped.
    """
    plan = await planned(folder, nodes)
    child = await start_keeper(plan, alone=False)
    try:
        node = Node(plan)
        await node.settle(images)
        yield node
    finally:
        assert child.stdin is not None
        child.stdin.close()
        await child.wait()


async def planned(folder: Path, nodes: int, report: Report = ignore, doors: tuple[int, ...] = ()) -> Plan:
    """Return the plan of a cluster, written into its folder; builds programs that are missing.

    Args:
        folder: absolute, and not there yet.
        nodes: how many machines.
        report: told how far a build is.
        doors: NodePorts of the first machine that are to answer on this machine's loopback.

    Raises:
        LocalError: what it needs cannot be had, or the folder is somebody's.
    """
    found = await programs.find_or_build(report=report)
    binaries = await find_or_build(report)
    found |= {
        "etcd": binaries.etcd,
        "kube-apiserver": binaries.kube_apiserver,
        "kube-controller-manager": binaries.kube_controller_manager,
    }
    plan = Plan(folder, choose(["kube-apiserver"], {})["kube-apiserver"], nodes, found, doors)
    plan.save()
    return plan


async def start_keeper(plan: Plan, *, alone: bool) -> asyncio.subprocess.Process:
    """Start the process that keeps a cluster; unless alone it ends with us."""
    with (plan.logs / "keeper.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", groups.KEEPER, str(plan.folder), *([ALONE] if alone else [])),
            stdin=asyncio.subprocess.DEVNULL if alone else asyncio.subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            start_new_session=True,
        )
