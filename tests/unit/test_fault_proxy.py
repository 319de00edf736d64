"""The proxy of the fault tests puts events into a stream that is open, and into no other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.faults.proxy import FaultProxy

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
ASKED = b"GET /agent/stream HTTP/1.1\r\nhost: here\r\n\r\n"


@asynccontextmanager
async def _streaming(head: bytes, answering: asyncio.Event) -> AsyncIterator[FaultProxy]:
    """Run a server that answers once it may, behind a proxy."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await answering.wait()
        writer.write(head)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, FaultProxy(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy


async def test_an_event_never_comes_before_the_answer() -> None:
    answering = asyncio.Event()
    async with _streaming(HEAD, answering) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        proxy.listen_in()
        writer.write(ASKED)
        while not proxy.upwards:
            await asyncio.sleep(0)
        assert not proxy.inject(b"early")
        answering.set()
        while not proxy.inject(b"event"):
            await asyncio.sleep(0)
        assert await reader.readexactly(len(HEAD) + 10) == HEAD + b"5\r\nevent\r\n"
        writer.close()
        while proxy.inject(b"late"):
            await asyncio.sleep(0)


async def test_a_refused_stream_takes_no_event() -> None:
    answering = asyncio.Event()
    answering.set()
    async with _streaming(b"HTTP/1.1 503 Service Unavailable\r\n\r\n", answering) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(ASKED)
        await reader.readuntil(b"\r\n\r\n")
        assert not proxy.inject(b"event")
        writer.close()
