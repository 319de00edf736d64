"""A desk with a server behind it; every process that it starts is gone after the test."""

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from deplite_agent.artifacts.storage import Storage
from deplite_agent.jobs.desk import Desk
from tests.unit.agent.builders import tools
from tests.unit.agent.server import Server

Desks = Callable[..., Desk]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest_asyncio.fixture
async def desks(tmp_path: Path, server: Server) -> AsyncIterator[Desks]:
    """Makes the desk of a process: `desks("i2")` is the next one, on the same folder."""
    made: list[Desk] = []
    storages: list[Storage] = []

    def make(
        instance: str = "i1",
        *,
        slots: int = 4,
        grace: float = 10.0,
        storage_seconds: float = 900.0,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] | None = None,
    ) -> Desk:
        (tmp_path / "jobs").mkdir(exist_ok=True)
        found = tools(
            tmp_path,
            server.transport(instance),
            slots=slots,
            grace=grace,
            storage_seconds=storage_seconds,
            monotonic=monotonic,
        )
        desk = Desk(tmp_path / "jobs", instance, found, **({"now": now} if now else {}))
        made.append(desk)
        storages.append(found.storage)
        return desk

    yield make
    for desk in made:
        await desk.close()
    for storage in storages:
        await storage.close()
