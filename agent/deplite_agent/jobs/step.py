"""One try of one step: a process group of its own, that is gone when this returns."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deplite.failpoints import failpoint
from deplite_agent.jobs.group import GRACE_SECONDS, gone, signal_group, stop_group
from deplite_agent.workflows.model import Step

_CHUNK = 64 * 1024
_DRAIN_SECONDS = 2.0
"""How long output is read after the group is gone: a process that left the group may hold the pipe for ever."""

# The shell waits for a line before it becomes the step: nothing of the step runs before the journal says so, and if
# the agent dies in between, the read meets the end of the file and nothing runs at all.
_GATE = 'read -r go && [ "$go" = go ] && exec "$@" </dev/null'


class CannotStartError(Exception):
    """The process could not be made; the sentence says why."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a try ended."""

    exit_code: int
    """128 + the signal's number for one that a signal ended, as shells say it."""
    timed_out: bool = False


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run."""

    step: Step
    environment: Mapping[str, str]
    folder: Path
    timeout: float
    """Seconds."""

    def argv(self) -> list[str]:
        """Return the program and its arguments: the script is one argument, nothing is put into it."""
        shell = "/bin/sh" if self.step.shell == "sh" else "bash"
        return ["/bin/sh", "-c", _GATE, "deplite-step", shell, "-e", "-c", self.step.run, self.step.name]


async def run_try(
    command: Command,
    *,
    starting: Callable[[int], None],
    output: Callable[[bytes], None],
    grace: float = GRACE_SECONDS,
) -> Ended:
    """Run a step once. Cancelling this stops the group first.

    Args:
        command: what to run.
        starting: told the process group before anything of the step runs.
        output: gets what the step prints.
        grace: seconds between SIGTERM and SIGKILL.

    Raises:
        CannotStartError: there is no such folder or shell, or the machine has no room for a process.
        OSError: `starting` could not keep its promise.
    """
    reader, process, gate = await _spawn(command)
    group = process.pid
    pump = asyncio.create_task(_pump(reader, output))
    timed_out = False
    try:
        try:
            starting(group)
            failpoint("agent.step.starting")
            gate.write(b"go\n")
            gate.close()
            failpoint("agent.step.started")
            async with asyncio.timeout(command.timeout):
                await process.wait()
        except TimeoutError:
            timed_out = True
        finally:
            await _finish(process, gate, pump, grace)
    finally:
        reader.close()
    code = process.returncode or 0
    return Ended(exit_code=code if code >= 0 else 128 - code, timed_out=timed_out)


class _Pipe:
    """The reading end of the step's output."""

    def __init__(self, transport: asyncio.ReadTransport, stream: asyncio.StreamReader) -> None:
        self._transport = transport
        self.stream = stream

    def close(self) -> None:
        self._transport.close()


async def _spawn(command: Command) -> tuple[_Pipe, asyncio.subprocess.Process, "_Gate"]:
    read_end, write_end = os.pipe()
    stdin_read, stdin_write = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *command.argv(),
            stdin=stdin_read,
            stdout=write_end,
            stderr=write_end,
            cwd=command.folder,
            env=dict(command.environment),
            start_new_session=True,
        )
    except BaseException as error:
        os.close(read_end)
        os.close(stdin_write)
        if not isinstance(error, OSError | ValueError):
            raise
        reason = error.strerror if isinstance(error, OSError) else str(error)
        message = f"The step {command.step.name} could not be started in {command.folder}: {reason}."
        raise CannotStartError(message) from None
    finally:
        os.close(write_end)
        os.close(stdin_read)
    stream, gate = asyncio.StreamReader(limit=_CHUNK), _Gate(stdin_write)
    try:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(read_end, "rb", 0)
        )
    except BaseException:  # cancelled: it still waits at the gate
        gate.close()
        signal_group(process.pid, signal.SIGKILL)
        await asyncio.shield(process.wait())
        raise
    return _Pipe(transport, stream), process, gate


class _Gate:
    """The writing end of the gate: one line opens it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # the process is gone already; its exit code says so
            os.write(self._descriptor, data)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


async def _pump(reader: _Pipe, output: Callable[[bytes], None]) -> None:
    while data := await reader.stream.read(_CHUNK):
        output(data)


async def _finish(process: asyncio.subprocess.Process, gate: _Gate, pump: "asyncio.Task[None]", grace: float) -> None:
    """Leave nothing of the step behind; cancelled again, it kills at once."""
    gate.close()
    try:
        if process.returncode is None:
            await stop_group(process.pid, grace)
    finally:
        signal_group(process.pid, signal.SIGKILL)
        await asyncio.shield(process.wait())
    try:
        await gone(process.pid, _DRAIN_SECONDS)  # one that is killed may be in the kernel's hands for a moment yet
        await asyncio.wait([pump], timeout=_DRAIN_SECONDS)
    finally:
        pump.cancel()
    await asyncio.wait([pump])  # and not the task itself: a cancel of ours must not be taken for one of it
    if not pump.cancelled():
        pump.result()
