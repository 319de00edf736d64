"""Keeps a cluster from the outside: `python -m tests.node.machine.keeper FOLDER [--alone]`.

It ends at SIGTERM or, unless alone, when its standard input does: however its starter dies. Then nothing is left of the
cluster: no process, no mount, no interface, no cgroup, and not the folder either.
"""

import asyncio
import os
import shutil
import signal
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from deplite.local.errors import LocalError
from deplite.local.layout import write_private
from deplite.local.process import Process
from tests.node.door import door
from tests.node.machine import groups
from tests.node.machine.first import unshared
from tests.node.machine.plan import Plan
from tests.processes import child_of

ALONE = "--alone"


def keeper_of(folder: Path) -> int | None:
    """Return the process that keeps the cluster of a folder, if one does."""
    words = f"\0{groups.KEEPER}\0{folder}\0".encode()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if words in path.read_bytes():
                return int(path.parent.name)
    return None


async def keep(plan: Plan, stopped: asyncio.Event) -> None:
    """Run the cluster until it is to stop; if it ends by itself, say so and wait.

    Raises:
        LocalError: something of it cannot be removed.
    """
    group = groups.name_of(os.getpid())
    try:
        groups.sweep()
        groups.make(group, [machine.name for machine in plan.machines])
        await _run(plan, stopped)
    except (LocalError, OSError) as error:
        write_private(plan.ended, f"{error}\n")
    finally:
        groups.remove(group)
    await stopped.wait()


async def _run(plan: Plan, stopped: asyncio.Event) -> None:
    words = (str(plan.folder), str(os.getpid()))
    log = plan.logs / "first.log"
    process = await Process.start(unshared("first", "tests.node.machine.first", *words, log=log))
    pid = None
    try:
        while (pid := child_of(process.pid)) is None and process.returncode is None:
            await asyncio.sleep(0.01)
        if pid is not None:
            async with AsyncExitStack() as doors:
                await doors.enter_async_context(door(pid, "127.0.0.1", plan.port, at=plan.port))
                for port in plan.doors:
                    await doors.enter_async_context(door(pid, plan.machines[0].address, port, at=port))
                write_private(plan.pid, str(pid))
                ends = [asyncio.ensure_future(waited) for waited in (process.wait(), stopped.wait())]
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not stopped.is_set():
            raise LocalError(log.read_text().partition("\n")[0] or f"it ended; see {plan.logs}")
    finally:
        if pid is not None and process.returncode is None:
            os.kill(pid, signal.SIGKILL)  # its parent ends when all inside have
        else:
            process.kill()
        await process.wait()


async def _run_until_told(plan: Plan, alone: bool) -> None:
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    if not alone:
        loop.add_reader(sys.stdin, lambda: stopped.set() if not os.read(0, 64) else None)
    try:
        await keep(plan, stopped)
    finally:
        shutil.rmtree(plan.folder)


def main() -> None:
    asyncio.run(_run_until_told(Plan.load(Path(sys.argv[1])), ALONE in sys.argv))


if __name__ == "__main__":
    main()
