"""One machine of a running cluster, as tests see it: its network, its images, its power."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from deplite.local.errors import StartError
from tests.node.commands import run, run_in_network, until
from tests.node.machine.configuration import CONTAINERD
from tests.node.machine.plan import Machine
from tests.processes import child_of, children

if TYPE_CHECKING:
    from tests.node.running import Node


class RunningMachine:
    """One machine of a running cluster."""

    def __init__(self, node: "Node", machine: Machine) -> None:
        self._node = node
        self._machine = machine
        self.name = machine.name
        self.address = machine.address
        """Of NodePorts, too."""

    @property
    def pid(self) -> int:
        """Its first process, as this machine counts: `nsenter --target PID --net` is in its network.

        Raises:
            StartError: it is off.
        """
        if (outer := self._outer()) is None or (pid := child_of(outer)) is None:
            raise StartError(f"{self.name} is off")
        return pid

    @property
    def is_on(self) -> bool:
        """Whether it runs."""
        return self._outer() is not None

    async def run(self, *argv: str) -> str:
        """Run a command in its network; return what it prints.

        Raises:
            CommandError: it failed.
        """
        return await run_in_network(self.pid, *argv)

    async def load(self, archive: Path) -> None:
        """Have its containerd take the images of a docker-archive.

        Raises:
            CommandError: it did not.
        """
        socket = f"/proc/{self.pid}/root{CONTAINERD}"
        await until(lambda: Path(socket).exists(), f"containerd of {self.name}")
        await run("ctr", f"--address={socket}", "--namespace=k8s.io", "images", "import", str(archive))

    async def tag(self, image: str, other: str) -> None:
        """Give an image that it has another name as well.

        Raises:
            CommandError: it has no such image.
        """
        words = ("images", "tag", "--force", f"docker.io/{image}", f"docker.io/{other}")
        await run("ctr", f"--address=/proc/{self.pid}/root{CONTAINERD}", "--namespace=k8s.io", *words)

    async def off(self) -> None:
        """Switch it off as a power cut does."""
        os.kill(self.pid, signal.SIGKILL)
        await until(lambda: not self.is_on, f"the end of {self.name}")

    async def on(self) -> None:
        """Switch it on again; returns once its Node says that it is Ready, and has been started anew.

        Raises:
            CommandError: it does not say so in time.
        """
        former = self._machine.boot.read_text()
        while not self.is_on:
            os.kill(self._node.pid, signal.SIGUSR1)
            await asyncio.sleep(0.2)
        await until(lambda: self._machine.boot.read_text() != former, f"the start of {self.name}")
        boot = self._machine.boot.read_text().strip()
        await self._node.wait_for(f"jsonpath={{.status.nodeInfo.bootID}}={boot}", f"node/{self.name}")
        await self._node.wait_for("condition=Ready", f"node/{self.name}")
        await until(self._takes_pods, f"pods that {self.name} takes")

    async def _takes_pods(self) -> bool:
        """Whether nothing keeps pods away: what says that it is not ready goes a little after it is."""
        return "taints" not in json.loads(await self._node.kubectl("get", "node", self.name, "-o", "json"))["spec"]

    def _outer(self) -> int | None:
        words = f"tests.node.machine.node\0{self._machine.root.parent}\0{self._machine.number}\0".encode()
        for pid in children(self._node.pid):
            try:
                if words in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
            except OSError:
                continue
        return None
