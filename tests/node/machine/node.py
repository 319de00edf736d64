"""The first process of a machine: `python -m tests.node.machine.node FOLDER NUMBER KEEPER`.

It starts what runs on a node and buries what is left to it. When one of its programs ends, it ends: the machine is off.
"""

import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from deplite.local.errors import StartError
from deplite.local.layout import write_private
from deplite.local.process import clean_environment
from tests.node.machine import configuration, groups, links, mounts
from tests.node.machine.plan import GATEWAY, Machine, Plan
from tests.node.machine.plane import PROXY, Plane, kubelet_of

SECONDS = 180.0
FAILED = 3
"""How a machine ends that cannot go on. Where its power is cut, `unshare` ends with 1."""


class Node:
    """The programs of one machine, in their order."""

    def __init__(self, plan: Plan, machine: Machine, keeper: int) -> None:
        self._plan = plan
        self._machine = machine
        self._plane = Plane(plan)
        self._group = groups.name_of(keeper)
        self._programs: dict[int, tuple[str, subprocess.Popen[bytes]]] = {}
        """By process id. One that nobody holds any more would bury its process, if that has ended already."""

    def start(self) -> None:
        """Make the machine and start its programs, each once it can work.

        Raises:
            StartError: something of it failed.
        """
        machine, folder = self._machine, self._plane.folder
        machine.root.mkdir(mode=0o700, exist_ok=True)
        write_private(machine.boot, f"{uuid.uuid4()}\n")
        socket.sethostname(machine.name)
        mounts.make(machine)
        _wait("its network", links.is_attached)
        links.make_inner(machine, [other for other in self._plan.machines if other != machine])
        kubelet, proxy = kubelet_of(machine).kubeconfig(folder), PROXY.kubeconfig(folder)
        configuration.write(machine, proxy, self._plane.kubelet_authority, self._group)
        self._run("containerd", "containerd", f"--config={machine.root / 'containerd.toml'}")
        _wait("containerd", lambda: _listens(configuration.CONTAINERD))
        _wait("the API server", lambda: _listens((GATEWAY, self._plan.port)) and self._plan.ready.exists())
        self._run("kube-proxy", str(self._plan.programs["kube-proxy"]), f"--config={machine.root / 'proxy.json'}")
        self._run(
            "kubelet",
            str(self._plan.programs["kubelet"]),
            f"--config={machine.root / 'kubelet.json'}",
            f"--kubeconfig={kubelet}",
            f"--hostname-override={machine.name}",
            f"--node-ip={machine.address}",
            "--v=2",
        )

    def watch(self) -> str:
        """Bury processes until one of the programs ends; returns which."""
        while True:
            pid, status = os.wait()
            if pid in self._programs:
                name, _ = self._programs[pid]
                return f"{name} ended with {os.waitstatus_to_exitcode(status)}; see {self._machine.logs / name}.log"

    def _run(self, name: str, *argv: str) -> None:
        with (self._machine.logs / f"{name}.log").open("ab") as log:
            temporary = self._machine.root / "tmp"
            temporary.mkdir(exist_ok=True)
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._machine.root,
                env=clean_environment(TMPDIR=str(temporary)),
                umask=0o022,
            )
        self._programs[child.pid] = name, child


def _wait(what: str, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise StartError(f"{what} was not there after {SECONDS:g} s")
        time.sleep(0.02)


def _listens(address: str | tuple[str, int]) -> bool:
    kind = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(kind) as client:
        client.settimeout(1)
        return client.connect_ex(address) == 0


def main() -> None:
    plan = Plan.load(Path(sys.argv[1]))
    machine = plan.machines[int(sys.argv[2]) - 1]
    node = Node(plan, machine, int(sys.argv[3]))
    try:
        node.start()
        said = node.watch()
    except (StartError, OSError) as error:
        said = str(error)
    sys.stderr.write(f"{machine.name}: {said}\n")
    sys.exit(FAILED)


if __name__ == "__main__":
    main()
