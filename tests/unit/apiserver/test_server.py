"""The address that replicas share, and connections that callers keep."""

import asyncio
import socket
from typing import Any

import httpx
import uvicorn

from deplite_apiserver.server import Server, shared_socket


async def test_answers_on_the_shared_address_wait_for_no_acknowledgement() -> None:
    loop = asyncio.get_running_loop()
    accepted: asyncio.Future[socket.socket] = loop.create_future()

    class Connected(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.set_result(transport.get_extra_info("socket"))

    listening = await loop.create_server(Connected, sock=shared_socket("127.0.0.1", 0))
    _, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
    try:
        # Head and body are two writes: without this the second one would wait 40 ms for the client's kernel.
        assert (await accepted).getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    finally:
        writer.close()
        listening.close()
        await listening.wait_closed()


async def test_whoever_keeps_a_connection_is_told_with_the_last_answer_on_it() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})

    server = Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None), drain_seconds=3600)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        assert "connection" not in (await client.get("/")).headers
        server.should_exit = True
        while (b"connection", b"close") not in server.server_state.default_headers:
            await asyncio.sleep(0.01)
        last = await client.get("/")
        assert (last.text, last.headers["connection"]) == ("ok", "close")
        await serving  # with nobody left to tell it ends, however much time there would be
