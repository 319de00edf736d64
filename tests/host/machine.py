"""A machine with a systemd of its own on this computer: namespaces and a cgroup, and no trace of them afterwards."""

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.host.needs import hierarchy
from tests.kube.serving import until
from tests.processes import child_of

_INIT = Path(__file__).with_name("init.sh")
_ENVIRONMENT = ("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8")


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command on a machine said, and how it ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, kw_only=True)
class Machine:
    """It shares the network of this computer, and nothing else."""

    pid: int
    """Of its systemd, as this computer counts."""

    @property
    def root(self) -> Path:
        """Its files, as seen from here; a link with an absolute path leads astray."""
        return Path(f"/proc/{self.pid}/root")

    async def start(self, script: str, *, given: bool = False) -> asyncio.subprocess.Process:
        """Start what root types there; `given`: something is written to its standard input."""
        inside = ("nsenter", f"--target={self.pid}", "--mount", "--uts", "--ipc", "--pid", "--cgroup")
        return await asyncio.create_subprocess_exec(
            *(*inside, *_ENVIRONMENT, "sh", "-euc", script),
            stdin=asyncio.subprocess.PIPE if given else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def ask(self, script: str, given: str | None = None) -> Said:
        """Have root type something there, with a text on its standard input."""
        child = await self.start(script, given=given is not None)
        out, err = await child.communicate(None if given is None else given.encode())
        assert child.returncode is not None
        return Said(code=child.returncode, out=out.decode(), err=err.decode())

    async def run(self, script: str, given: str | None = None) -> str:
        """Have root type something there that must succeed; return what it printed, without the last line's end."""
        said = await self.ask(script, given)
        assert said.code == 0, f"{script}\nended with {said.code}:\n{said.out}{said.err}"
        return said.out.removesuffix("\n")


@asynccontextmanager
async def running(debian: Path, shared: Path, name: str = "web-1") -> AsyncIterator[Machine]:
    """Boot a machine, and end it.

    Args:
        debian: the system; it stays as it is.
        shared: a folder of this computer that the machine sees as /mnt/shared, and cannot write to.
        name: its host name.
    """
    top = hierarchy()
    assert top is not None
    group = top / f"deplite-machine-{secrets.token_hex(4)}"
    group.mkdir()
    namespaces = ("unshare", "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--fork", "--kill-child=KILL")
    script = 'echo 0 > "$0/cgroup.procs" && exec setpriv --pdeathsig KILL "$@"'
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", script, str(group), *namespaces, "sh", str(_INIT), str(debian), str(shared), name),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield await _booted(process)
    finally:
        _end(process.pid)
        await process.wait()
        await until(lambda: asyncio.to_thread(_removed, group), True)


async def _booted(process: asyncio.subprocess.Process) -> Machine:
    async def state() -> str:
        if process.returncode is not None:
            assert process.stdout is not None
            raise AssertionError((await process.stdout.read()).decode())
        pid = _systemd(process.pid)
        return (await Machine(pid=pid).ask("systemctl is-system-running")).out if pid else ""

    await until(state, "running\n", seconds=180)
    return Machine(pid=_systemd(process.pid))


def _systemd(parent: int) -> int:
    """Return the only child of a process once it has become systemd; 0 before."""
    child = child_of(parent)
    return child if child and Path(f"/proc/{child}/comm").read_text() == "systemd\n" else 0


def _end(parent: int) -> None:
    """Kill the first process of a machine, and so all; its parent buries it and ends."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(child_of(parent) or parent, signal.SIGKILL)


def _removed(group: Path) -> bool:
    """Remove a cgroup with all that are in it; whoever is still dying there holds it for a moment."""
    for folder in sorted(group.rglob("*/"), reverse=True):
        with contextlib.suppress(OSError):
            folder.rmdir()
    with contextlib.suppress(OSError):
        group.rmdir()
    return not group.exists()
