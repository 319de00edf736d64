"""The address that all replicas of a machine listen on: each serves there while it can, and nobody notices who goes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx

from deplite.local.ports import choose
from deplite_apiserver.main import build, configuration
from deplite_apiserver.server import Server
from deplite_apiserver.settings import Settings
from tests.kube.serving import until


@contextlib.asynccontextmanager
async def sharing(settings: Settings, port: int) -> AsyncIterator[Server]:
    """Serve a replica that also listens on a port that others share."""
    config = configuration(build(settings), settings.model_copy(update={"listen_port": 0}))
    server = Server(config, ("127.0.0.1", port))
    task = asyncio.create_task(server.serve())

    async def joined() -> int:
        return len(server.servers) if server.started else 0

    await until(joined, 2, seconds=60)
    try:
        yield server
    finally:
        leave(server)
        await task


def leave(server: Server) -> None:
    """Do what a signal does, without one: uvicorn would send it on to this process."""
    server.leave()
    server.should_exit = True


async def ask(port: int) -> int:
    """Return the status of a call over a connection of its own."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        return (await client.get(f"http://127.0.0.1:{port}/livez")).status_code


async def test_calls_reach_all_who_share_it_and_only_who_stays(settings: Settings) -> None:
    port = choose(["shared"], {})["shared"]
    async with sharing(settings, port) as stays:
        async with sharing(settings, port) as goes:

            async def both_were_asked() -> bool:
                assert await ask(port) == 200
                return min(one.server_state.total_requests for one in (stays, goes)) > 0

            await until(both_were_asked, True, seconds=60)
            leave(goes)
            before = goes.server_state.total_requests
            assert [await ask(port) for _ in range(30)] == [200] * 30
            assert goes.server_state.total_requests == before
        assert await ask(port) == 200
