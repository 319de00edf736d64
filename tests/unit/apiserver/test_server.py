"""The address that replicas share."""

import asyncio
import socket

from deplite_apiserver.server import shared_socket


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
