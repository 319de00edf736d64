"""Keeps programs running: starts each, starts it again with back-off when it ends, stops all in a given order.

It knows nothing of what the programs are; `up.py` composes them.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from deplite.errors import DepliteError
from deplite.local import liveness
from deplite.local.process import Process, Program
from deplite.local.state import PartState

FIRST_DELAY = 0.2
LAST_DELAY = 30.0
"""Seconds between an end and the next start: doubled from the first to the last."""
STEADY_SECONDS = 30.0
"""A program that lived this long begins its back-off anew."""
READY_SECONDS = 60.0
"""For one program to get ready: far above the usual, because a busy machine is no reason to give up."""


class Running(Protocol):
    """What the supervisor uses of a `Process`."""

    @property
    def pid(self) -> int:
        """The process id."""

    @property
    def returncode(self) -> int | None:
        """The exit code; None while it runs."""

    async def wait(self) -> int:
        """Return the exit code once it has ended."""

    async def wait_ready(self, timeout: float) -> None:
        """Wait until it works; StartError if it does not."""

    async def stop(self) -> int:
        """End it and return the exit code."""

    def kill(self) -> None:
        """End it at once."""


@dataclass
class _Kept:
    program: Program
    running: Running
    birth: str
    began: float
    restarts: int = 0
    delay: float = FIRST_DELAY
    watch: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        return self.running.returncode is None


class Supervisor:
    """The programs of one `deplite up`."""

    def __init__(
        self,
        say: Callable[[str], None],
        changed: Callable[[], None],
        *,
        launch: Callable[[Program], Awaitable[Running]] = Process.start,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Begin with nothing to keep.

        Args:
            say: shows one sentence to the person at the keyboard.
            changed: called after a program started or ended.
            launch: starts a program.
            monotonic: seconds of a clock that never goes back.
            sleep: waits some seconds.
        """
        self._say = say
        self._changed = changed
        self._launch = launch
        self._monotonic = monotonic
        self._sleep = sleep
        self._kept: dict[str, _Kept] = {}

    async def start(self, program: Program, *, again: Program | None = None) -> None:
        """Start a program, wait until it is ready, and keep it running from then on.

        Args:
            program: what to start.
            again: what to start after it ended, where that differs (the agent enrols only once).

        Raises:
            StartError: it ended or was not ready in time; the sentence names its log.
        """
        running = await self._launch(program)
        kept = _Kept(again or program, running, liveness.birth(running.pid), self._monotonic())
        self._kept[program.name] = kept
        self._changed()
        await running.wait_ready(READY_SECONDS)
        kept.watch = asyncio.create_task(self._keep(kept), name=f"keep {program.name}")

    def states(self) -> tuple[PartState, ...]:
        """Return what runs, in the order of starting."""
        return tuple(
            PartState(
                name=name,
                pid=kept.running.pid if kept.alive else None,
                birth=kept.birth,
                address=kept.program.address,
                log=str(kept.program.log),
                restarts=kept.restarts,
            )
            for name, kept in self._kept.items()
        )

    async def watch(self) -> None:
        """Return never; should keeping one of them fail for a reason of our own (a full disk), raise that."""
        await asyncio.gather(*(kept.watch for kept in self._kept.values() if kept.watch is not None))

    async def stop(self, order: tuple[str, ...], stopping: Callable[[str], AbstractContextManager[object]]) -> None:
        """Stop all programs, one after the other.

        Args:
            order: their names; what is not named stops first.
            stopping: shows that the program of this name is being stopped, as long as its block runs.
        """
        watches = [kept.watch for kept in self._kept.values() if kept.watch is not None]
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
        place = {name: index for index, name in enumerate(order)}
        for name in sorted(self._kept, key=lambda name: place.get(name, -1)):
            kept = self._kept[name]
            if kept.alive:
                with stopping(name):
                    await kept.running.stop()
                self._changed()

    def kill(self) -> None:
        """End every program at once; a `stop` under way then finishes soon."""
        for kept in self._kept.values():
            kept.running.kill()

    async def _keep(self, kept: _Kept) -> None:
        while True:
            code = await kept.running.wait()
            self._note_end(kept, code)
            while not await self._start_again(kept):
                pass
            self._say(f"{kept.program.name} runs again (pid {kept.running.pid}).")

    def _note_end(self, kept: _Kept, code: int) -> None:
        if self._monotonic() - kept.began >= STEADY_SECONDS:
            kept.delay = FIRST_DELAY
        self._say(
            f"{kept.program.name} ended ({exit_words(code)}); it is started again in {kept.delay:.1f} s, "
            f"its log is {kept.program.log}."
        )
        self._changed()

    async def _start_again(self, kept: _Kept) -> bool:
        """Wait out the back-off and start the program; False if that failed and nothing of it runs."""
        await self._sleep(kept.delay)
        kept.delay = min(kept.delay * 2, LAST_DELAY)
        try:
            kept.running = await self._launch(kept.program)
            kept.birth = liveness.birth(kept.running.pid)
            kept.began = self._monotonic()
            kept.restarts += 1
            self._changed()
            await kept.running.wait_ready(READY_SECONDS)
        except DepliteError as error:
            kept.running.kill()  # it may be alive but deaf after all this time
            await kept.running.wait()
            self._changed()
            self._say(f"{error}\n{kept.program.name} is started again in {kept.delay:.1f} s.")
            return False
        return True


def exit_words(code: int) -> str:
    """Return how a process ended, for people: `exit code 1` or `SIGKILL`."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
