"""`python -m tests.node up|down|status`: a real Kubernetes on this machine, to play with (`make node`)."""

import argparse
import asyncio
import os
import shutil
import signal
import sys
from pathlib import Path

from rich.console import Console

from deplite.errors import DepliteError
from deplite.local.controlplane.find import cache_folder
from deplite.local.progress import Steps
from tests.chart.helm.program import NAME, VERSION
from tests.node import needs
from tests.node.commands import CommandError
from tests.node.images import archives, missing
from tests.node.machine import groups
from tests.node.machine.first import ROOT
from tests.node.machine.keeper import keeper_of
from tests.node.machine.plan import Plan
from tests.node.running import KUBECTL, Node, planned, start_keeper

FOLDER = ROOT / "build" / "node"
DOOR = 30080
"""The NodePort of charts/kind.yaml."""


async def up(folder: Path, nodes: int, port: int) -> None:
    """Start it, and say what to do next; if it does not start, nothing of it is left.

    Raises:
        DepliteError: something is missing or did not start.
        CommandError: something of it did not get ready.
    """
    steps = Steps(Console())
    clear(folder)
    with steps.shown():
        with steps.step("The programs") as step:
            plan = await planned(folder, nodes, step.advance, (port,))
        try:
            with steps.step("The images") as step:
                found = await archives(report=step.advance)
            with steps.step("The control plane and the nodes, with the images"):
                await start_keeper(plan, alone=True)
                node = Node(plan)
                await node.settle(set(found.values()))
        except BaseException:
            await down(folder)
            raise
    say_next(node, port)


def say_next(node: Node, port: int) -> None:
    """Print what a person may do now."""
    kubectl = typed("kubectl", KUBECTL)
    helm = typed("helm", cache_folder(os.environ).with_name(f"{NAME}-{VERSION}") / NAME)
    print(f"""
  export KUBECONFIG={node.kubeconfig}
  {kubectl} get nodes,pods --all-namespaces
  {helm} upgrade --install deplite charts/deplite --values charts/kind.yaml \\
      --namespace deplite-system --create-namespace
      # twice: the first brings the kinds, the second makes the Organization. Then Deplite is at http://127.0.0.1:{port}

  Other NodePorts are at {node.address}, in the network of the nodes: nsenter --target {node.pid} --net curl …
  It takes no more than `make node-down` to stop it.""")


def typed(name: str, otherwise: Path) -> str:
    """Return how a program is called at a shell: by its name, or where the tests have theirs."""
    return name if shutil.which(name) or not otherwise.exists() else str(otherwise)


async def down(folder: Path) -> bool:
    """Stop it and return once nothing of it is left; tell whether there was anything."""
    if (keeper := keeper_of(folder)) is not None:
        os.kill(keeper, signal.SIGTERM)
        while keeper_of(folder) is not None:
            await asyncio.sleep(0.05)
        return True
    return clear(folder)


def clear(folder: Path) -> bool:
    """Remove what one left whose keeper was killed; tell whether there was anything.

    Raises:
        SystemExit: it runs.
    """
    if keeper_of(folder) is not None:
        sys.exit("It runs already: see `python -m tests.node status`, or stop it with `make node-down`.")
    groups.sweep()
    left = folder.exists()
    shutil.rmtree(folder, ignore_errors=True)
    return left


async def status(folder: Path) -> None:
    """Show nodes and pods.

    Raises:
        SystemExit: it does not run.
    """
    if keeper_of(folder) is None:
        sys.exit("No node runs: start one with `make node`.")
    plan = Plan.load(folder)
    if plan.ended.exists():
        sys.exit(f"It has ended: {plan.ended.read_text().strip()}\nRemove what is left with `make node-down`.")
    print(await Node(plan).kubectl("get", "nodes,pods", "--all-namespaces", "--output=wide"), end="")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.node", description="A real Kubernetes on this machine.")
    parser.add_argument("command", choices=("up", "down", "status"))
    parser.add_argument("--nodes", type=int, default=1, choices=range(1, 10), help="how many nodes; 1 by default")
    parser.add_argument("--port", type=int, default=DOOR, help=f"NodePort that answers on 127.0.0.1; {DOOR} by default")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where all of it is; build/node by default")
    chosen = parser.parse_args()
    if lacking := needs.missing() or missing():
        sys.exit(f"{lacking[0].upper()}{lacking[1:]}.")
    folder = chosen.folder.absolute()
    try:
        if chosen.command == "up":
            asyncio.run(up(folder, chosen.nodes, chosen.port))
        elif chosen.command == "status":
            asyncio.run(status(folder))
        elif not asyncio.run(down(folder)):
            print("Nothing was running.")
    except (DepliteError, CommandError) as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
