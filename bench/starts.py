"""When processes started: each writes its job's name into one named pipe, and the moment it arrives is kept."""

import asyncio
import os
import time
from pathlib import Path

GIVE_UP_SECONDS = 120.0


class Starts:
    """The reading end of the pipe; belongs to one event loop."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path, 0o600)
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)  # writing too: a pipe without a writer ends
        self._rest = b""
        self._waiting: dict[str, asyncio.Future[float]] = {}
        self._early: dict[str, float] = {}
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    async def of(self, name: str) -> float:
        """Return the monotonic time at which the process of that name said that it runs."""
        if name in self._early:
            return self._early.pop(name)
        arrived: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting[name] = arrived
        async with asyncio.timeout(GIVE_UP_SECONDS):
            return await arrived

    def close(self) -> None:
        """Close the pipe."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _read(self) -> None:
        now = time.monotonic()
        *lines, self._rest = (self._rest + os.read(self._descriptor, 65536)).split(b"\n")
        for name in (line.decode() for line in lines):
            arrived = self._waiting.pop(name, None)
            if arrived is None:
                self._early[name] = now
            elif not arrived.done():  # given up
                arrived.set_result(now)
