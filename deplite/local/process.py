"""One program as a child process: the one runner of the control plane, the object store and the parts.

The contract, for whoever owns processes (the supervisor, the tests):

    program = Program(name=…, argv=…, cwd=…, env=…, log=…, ready=…)      # what to run; frozen, starts nothing
    process = await Process.start(program)                               # running, perhaps not ready yet
    await process.wait_ready(timeout=30)                                 # StartError: it ended, or too late
    code = await process.wait()                                          # until it ends: the exit notification
    await process.stop()                                                 # SIGTERM, `program.grace` seconds, SIGKILL
    process.kill()                                                       # SIGKILL, now

Lists of programs (`ControlPlane.programs()`, `ObjectStore.programs()`) are in the order of starting; each may be
started once those before it are ready, and they are stopped in the reverse order, one after the other.

Each process leads a session and a process group of its own, so that a Ctrl-C in the terminal reaches us only and we
decide the order; what it leaves behind in its group is killed when it ends. None outlives us, not even when we are
killed with SIGKILL (`deplite/local/guard.py`).
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from deplite.local.errors import StartError
from deplite.local.guardian import guardian

_POLL = 0.05
_LOG_LIMIT = 16 << 20
_TAIL = 6
_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "LANG", "LC_ALL", "DEPLITE_FAILPOINTS")


async def always_ready() -> bool:
    """Tell that a program which shows no sign of its own is ready as soon as it runs."""
    return True


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run and how to tell that it works."""

    name: str
    """Shown to people and used for the log file; unique among the programs of one owner."""
    argv: tuple[str, ...]
    """The program's absolute path and its arguments. No secrets: everybody on the machine can read them."""
    cwd: Path
    env: Mapping[str, str] = field(repr=False)
    """The whole environment, not an addition to ours; begin with `clean_environment()`."""
    log: Path
    """Gets standard output and standard error; appended to, 0600, the one before it is kept as `.1` above 16 MiB."""
    ready: Callable[[], Awaitable[bool]] = field(default=always_ready, repr=False)
    """Asked every 50 ms until it is true; looks once, never raises, and has a time limit of its own."""
    address: str | None = None
    """Where it listens, for people."""
    grace: float = 10.0
    """Seconds between SIGTERM and SIGKILL."""
    leftovers: tuple[Path, ...] = ()
    """Sockets and the like that it leaves outside of its folders when it is killed: removed once it ended."""
    umask: int = 0o077
    """Files it makes are its owner's alone; -1 leaves the caller's (for what runs other people's programs)."""


def clean_environment(**extra: str) -> dict[str, str]:
    """Return the few variables that every program needs, and `extra`.

    A list of what passes, because programs obey what they find: a proxy would be used for the loopback, and `ETCD_…`,
    `WEED_…` or `KUBECONFIG` would change what the arguments say.
    """
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | extra


class Process:
    """A started program. Belongs to the event loop that started it."""

    def __init__(self, program: Program, child: asyncio.subprocess.Process) -> None:
        self.program = program
        self.started = time.monotonic()
        """On the monotonic clock, in seconds."""
        self._child = child
        self._ended = asyncio.create_task(self._reap(), name=f"wait for {program.name}")

    @classmethod
    async def start(cls, program: Program) -> "Process":
        """Start a program; it need not be ready when this returns.

        Raises:
            StartError: it cannot be executed.
        """
        try:
            with _open_log(program.log) as log:
                child = await asyncio.create_subprocess_exec(
                    *program.argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=program.cwd,
                    env=dict(program.env),
                    umask=program.umask,
                    start_new_session=True,
                )
        except OSError as error:
            raise StartError(f"{program.name} cannot be started: {error}") from error
        guardian().add(child.pid)
        return cls(program, child)

    @property
    def pid(self) -> int:
        """Also the id of its process group."""
        return self._child.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, minus the signal number if a signal ended it, None while it runs."""
        return self._child.returncode

    async def wait(self) -> int:
        """Return the exit code once the program has ended, by whatever cause; may be awaited by many."""
        return await asyncio.shield(self._ended)

    async def wait_ready(self, timeout: float) -> None:
        """Wait until the program says that it is ready.

        Args:
            timeout: seconds.

        Raises:
            StartError: it ended first, or the time is over; the message ends with the last lines of its log.
        """
        deadline = time.monotonic() + timeout
        while True:
            ready = await self.program.ready()
            if self.returncode is not None:  # whoever answered then, it was not this one
                raise StartError(
                    f"{self.program.name} ended with {self.returncode} instead of starting; {self._hint()}"
                )
            if ready:
                return
            if time.monotonic() > deadline:
                raise StartError(f"{self.program.name} was not ready after {timeout:g} s; {self._hint()}")
            await asyncio.sleep(_POLL)

    async def stop(self) -> int:
        """End the program: SIGTERM to itself, after its grace SIGKILL to all its group. Returns the exit code."""
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self.program.grace):
                return await self.wait()
        except TimeoutError:
            self.kill()
            return await self.wait()

    def kill(self) -> None:
        """Kill the program and its process group at once; `wait` then returns."""
        if self.returncode is None:
            _kill_group(self.pid)

    def _signal(self, number: signal.Signals) -> None:
        if self.returncode is None:
            try:
                self._child.send_signal(number)
            except ProcessLookupError:
                return

    async def _reap(self) -> int:
        code = await self._child.wait()
        _kill_group(self.pid)
        guardian().discard(self.pid)
        for path in self.program.leftovers:
            path.unlink(missing_ok=True)
        return code

    def _hint(self) -> str:
        lines = tail(self.program.log, _TAIL)
        return f"read {self.program.log}, which ends with:\n" + "\n".join(lines)


def tail(log: Path, lines: int) -> list[str]:
    """Return the last lines of a log file, at most 16 KiB of them; none if there is no such file."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - (16 << 10)))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except OSError:
        return []


def _open_log(path: Path) -> BinaryIO:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _LOG_LIMIT:
        path.replace(path.with_name(path.name + ".1"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "wb")


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # PermissionError: macOS answers so when only a zombie is left in the group.
        return
