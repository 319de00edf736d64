"""Runs the control plane in one folder: prepares it, lists its programs, and starts and stops them for who asks."""

import asyncio
from pathlib import Path

from deplite.local.controlplane.arguments import Arguments
from deplite.local.controlplane.credentials import Credentials
from deplite.local.controlplane.find import Binaries
from deplite.local.errors import StartError
from deplite.local.process import Process, Program

READY_SECONDS = 60.0
"""For one program to get ready: far above the usual 3 s, because a busy machine is no reason to give up."""


class ControlPlane:
    """A control plane whose data, keys and sockets are in one folder of the user's own.

    Args:
        folder: made 0700 by `prepare`; the same folder again goes on with the same data.
        binaries: the three programs.
        port: the kube-apiserver's on the loopback; etcd and the controller manager listen on none.
        logs: the folder of the log files; `folder/logs` unless given.
        fsync: False only where losing the data with the machine does not matter, which is in tests.
    """

    def __init__(
        self, folder: Path, binaries: Binaries, port: int, *, logs: Path | None = None, fsync: bool = True
    ) -> None:
        self.folder = folder.absolute()
        self.port = port
        self.credentials = Credentials(self.folder, port)
        self.processes: dict[str, Process] = {}
        """By program name, while `start` owns them."""
        self._arguments = Arguments(self.credentials, binaries, logs or self.folder / "logs", fsync)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig (0600); it verifies the server, whose certificate is there once it runs."""
        return self.credentials.admin

    @property
    def url(self) -> str:
        """Where the Kubernetes API is."""
        return self.credentials.url

    def prepare(self) -> None:
        """Make folder, keys, tokens and kubeconfigs, or make them right again; call it before each start."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self.credentials.make()

    def programs(self) -> tuple[Program, ...]:
        """Return the programs in the order of starting.

        They are stopped in the reverse order: kube-apiserver waits a minute for an etcd that went before it.
        """
        arguments = self._arguments
        return (arguments.etcd(), arguments.apiserver(), arguments.controller_manager())

    async def start(self) -> None:
        """Start those of the programs that do not run, each once the one before is ready.

        Raises:
            StartError: one of them ended or was not ready in time; the others are stopped.
        """
        self.prepare()
        try:
            for program in self.programs():
                process = self.processes.get(program.name)
                if process is None or process.returncode is not None:
                    process = self.processes[program.name] = await Process.start(program)
                await process.wait_ready(READY_SECONDS)
        except (StartError, asyncio.CancelledError):
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop all of them cleanly, the last one first."""
        for program in reversed(self.programs()):
            process = self.processes.pop(program.name, None)
            if process is not None:
                await process.stop()

    async def kill(self, *names: str) -> None:
        """Kill programs as a crash does, all of them unless named, and return once they are gone."""
        killed = [self.processes.pop(name) for name in names or tuple(self.processes)]
        for process in killed:
            process.kill()
        await asyncio.gather(*(process.wait() for process in killed))
