"""Serves replicas of the apiserver in this process, with a clock that a test can move."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import uvicorn

from deplite_apiserver.clock import Clock
from deplite_apiserver.context import Context
from deplite_apiserver.main import build, configuration
from deplite_apiserver.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Replica:
    """A served app."""

    base: str
    context: Context


class MovableClock:
    """A clock that stands still until a test moves it: how long the machine takes for a step changes nothing."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._started = datetime.now(UTC)
        self._monotonic = time.monotonic()

    def now(self) -> datetime:
        return self._started + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return self._monotonic + self.ahead

    def time(self) -> float:
        """Return unix seconds, for agents that live by this clock."""
        return self.now().timestamp()


@contextlib.asynccontextmanager
async def served(settings: Settings, clock: Clock | None = None, *, port: int = 0) -> AsyncIterator[Replica]:
    """Serve a replica on a port (0: a free one), configured as the process is, until the block ends."""
    app = build(settings, clock)
    server = uvicorn.Server(configuration(app, settings.model_copy(update={"listen_port": port})))
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), task.exception()
        await asyncio.sleep(0.02)
    base = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    context: Context = app.state.context
    await asyncio.gather(*(cache.wait_synced() for cache in context.caches.all()))
    while not context.desk.runs.admits:
        await asyncio.sleep(0.01)
    try:
        yield Replica(base=base, context=context)
    finally:
        context.desk.stop()
        server.should_exit = True
        await task


async def until(ask: Callable[[], Awaitable[object]], wanted: object, *, seconds: float = 10) -> None:
    """Ask again and again until the answer is the wanted one."""
    found: object = None
    try:
        async with asyncio.timeout(seconds):
            while (found := await ask()) != wanted:
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{found!r} instead of {wanted!r} after {seconds} s") from None
