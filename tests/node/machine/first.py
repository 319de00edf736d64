"""The outer first process: `python -m tests.node.machine.first FOLDER KEEPER`, in namespaces that are made for it.

It runs the control plane and switches the machines on; SIGUSR1 has it switch those on again that are off. When a
program of the control plane or of a machine ends, it ends, and so does everything.
"""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

from deplite.local.errors import LocalError
from deplite.local.process import Process, Program, clean_environment
from tests.node.machine import links, mounts
from tests.node.machine.node import FAILED
from tests.node.machine.plan import Machine, Plan
from tests.node.machine.plane import Plane
from tests.processes import child_of

ROOT = Path(__file__).resolve().parents[3]
KINDS = ("--net", "--mount", "--pid", "--uts", "--ipc")
"""Of namespaces that are made anew."""


def unshared(name: str, module: str, *arguments: str, log: Path) -> Program:
    """Return a module of ours as the first process of new namespaces; it dies with the program that made these."""
    options = ("--fork", "--mount-proc", "--kill-child=KILL", "--propagation=private")
    return Program(
        name=name,
        argv=("unshare", *KINDS, *options, sys.executable, "-m", module, *arguments),
        cwd=ROOT,
        env=clean_environment(),
        log=log,
        umask=0o022,
    )


class Machines:
    """The machines that are on.

    Attributes:
        broken: the log of one that ended by itself; power cuts leave it open.
    """

    def __init__(self, plan: Plan, keeper: str) -> None:
        self._plan = plan
        self._keeper = keeper
        self._running: dict[Machine, Process] = {}
        self._watching: list[asyncio.Task[None]] = []
        self.broken: asyncio.Future[Path] = asyncio.get_running_loop().create_future()

    async def switch_on(self) -> None:
        """Switch on those that are off.

        Raises:
            LocalError: one cannot be started.
        """
        for machine in self._plan.machines:
            process = self._running.get(machine)
            if process is None or process.returncode is not None:
                self._running[machine] = await self._started(machine)

    async def _started(self, machine: Machine) -> Process:
        words = (str(self._plan.folder), str(machine.number), self._keeper)
        log = self._plan.logs / f"{machine.name}.log"
        process = await Process.start(unshared(machine.name, "tests.node.machine.node", *words, log=log))
        while (pid := child_of(process.pid)) is None and process.returncode is None:
            await asyncio.sleep(0.01)
        if pid is not None:
            links.attach(machine, pid)
        self._watching.append(asyncio.create_task(self._watch(process, log)))
        return process

    async def _watch(self, process: Process, log: Path) -> None:
        if await process.wait() == FAILED and not self.broken.done():
            self.broken.set_result(log)


def said_last(log: Path) -> str:
    """Return the last line of a log."""
    return log.read_text().strip().rpartition("\n")[2]


async def run(plan: Plan, keeper: str) -> str:
    """Run all of it until a program of the control plane ends; returns what happened.

    Raises:
        LocalError: something did not start.
    """
    links.make_outer()
    mounts.make_outer(plan.machines)
    plane, machines = Plane(plan), Machines(plan, keeper)
    again = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, again.set)
    await asyncio.gather(plane.start(), machines.switch_on())
    ends: list[asyncio.Future[Any]] = [machines.broken]
    ends += (asyncio.ensure_future(process.wait()) for process in plane.processes.values())
    if not machines.broken.done():
        plan.ready.touch()
    while not any(end.done() for end in ends):
        asked = asyncio.ensure_future(again.wait())
        await asyncio.wait([*ends, asked], return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if again.is_set():
            again.clear()
            await machines.switch_on()
    if machines.broken.done():
        return said_last(machines.broken.result())
    ended = [name for name, process in plane.processes.items() if process.returncode is not None]
    return f"{', '.join(ended)} ended; see {plan.logs}"


def main() -> None:
    try:
        sys.exit(asyncio.run(run(Plan.load(Path(sys.argv[1])), sys.argv[2])))
    except (LocalError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
