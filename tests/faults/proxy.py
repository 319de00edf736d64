"""A TCP proxy that misbehaves on demand: refuses, cuts, falls silent, eats answers."""

import asyncio
import contextlib
import re
import socket
import struct
from dataclasses import dataclass, field
from typing import Self

from tests.ports import kept

_CHUNK = 64 * 1024
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of no time: closing sends a reset."""


@dataclass(eq=False)
class _Connection:
    """One client and its connection to the server behind."""

    down: asyncio.StreamWriter
    up: asyncio.StreamWriter
    eaten: bool = False
    """What the server says is not passed on any more."""
    asked_stream: bool = False
    """Whether the client asked for the job stream."""
    is_stream: bool = False
    """Whether it carries the job stream: the head of the answer has gone down, the client has not left."""
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    def cut(self) -> None:
        self.is_stream = False
        for writer in (self.down, self.up):
            found: socket.socket | None = writer.get_extra_info("socket")
            if found is not None and found.fileno() >= 0:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()
        for task in self.tasks:
            task.cancel()


class FaultProxy:
    """Listens on a loopback port and passes everything to a target, until told otherwise."""

    def __init__(self, target_port: int, target_host: str = "127.0.0.1") -> None:
        self.target_port, self.target_host = target_port, target_host
        self.port = 0
        """Kept from the first `accept` on; one that is set before is another one's, which refuses."""
        self._keeping: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._silent_down = asyncio.Event()
        self._silent_down.set()
        self._eat: list[bytes] = []
        self._cut_within: list[bytes] = []
        self._hold: list[tuple[bytes, float]] = []
        self._serving: set[asyncio.Task[None]] = set()
        self._delivering: set[asyncio.Task[None]] = set()
        self.upwards = bytearray()
        """All that clients sent, once `listen_in` was called."""
        self._listening = False
        self.delay = 0.0
        """Seconds by which everything the client sends is late."""

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._flowing.set()
        self._silent_down.set()
        await self.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def accept(self) -> None:
        """Take connections, on the same port as before."""
        if self.port == 0:
            self._keeping = kept()
            self.port = self._keeping.getsockname()[1]
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def refuse(self) -> None:
        """Cut every connection and take no new one."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()
        for task in self._delivering:
            task.cancel()
        if waiting := self._serving | self._delivering:
            await asyncio.wait(waiting)

    async def close(self) -> None:
        """Refuse for good, and give the port back."""
        await self.refuse()
        if self._keeping is not None:
            self._keeping.close()

    def cut(self) -> None:
        """Reset every connection; new ones are welcome."""
        for connection in tuple(self._connections):
            connection.cut()

    def fall_silent(self) -> None:
        """Neither read nor write any more, either way; the connections stay open."""
        self._flowing.clear()

    def swallow_answers(self) -> None:
        """Pass on what clients send, and nothing of what the server says."""
        self._silent_down.clear()

    def speak(self) -> None:
        """Go on where it fell silent."""
        self._flowing.set()
        self._silent_down.set()

    def eat_answer(self, request: bytes, times: int = 1) -> None:
        """Let the next requests that hold these bytes through, and reset instead of answering."""
        self._eat += [request] * times

    def cut_within(self, request: bytes, times: int = 1) -> None:
        """Cut the connections of the next requests that hold these bytes in the middle of their bodies."""
        self._cut_within += [request] * times

    def hold(self, request: bytes, seconds: float, times: int = 1) -> None:
        """Let the next requests that hold these bytes arrive late, even if whoever sent them has given up."""
        self._hold += [(request, seconds)] * times

    def listen_in(self) -> None:
        """Begin to remember what clients send."""
        self._listening = True
        self.upwards.clear()

    def inject(self, event: bytes) -> bool:
        """Put an event of our own into the open job stream; says whether there is one."""
        for connection in self._connections:
            if connection.is_stream and not connection.eaten:
                connection.down.write(b"%x\r\n%s\r\n" % (len(event), event))
                return True
        return False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)  # the loop itself would let it be collected
        task.add_done_callback(self._serving.discard)
        try:
            up_reader, up_writer = await asyncio.open_connection(self.target_host, self.target_port)
        except OSError:
            writer.transport.abort()
            return
        if self._server is None:  # it began to refuse meanwhile
            writer.transport.abort()
            up_writer.transport.abort()
            return
        connection = _Connection(writer, up_writer)
        self._connections.add(connection)
        connection.tasks = [
            asyncio.create_task(self._upwards(reader, connection)),
            asyncio.create_task(self._downwards(up_reader, connection)),
        ]
        try:
            await asyncio.wait(connection.tasks)
        finally:
            for task in connection.tasks:
                task.cancel()
            await asyncio.gather(*connection.tasks, return_exceptions=True)
            self._connections.discard(connection)
            connection.cut()

    async def _upwards(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        try:
            while data := await reader.read(_CHUNK):
                await self._flowing.wait()
                if self.delay:
                    await asyncio.sleep(self.delay)
                if data.startswith(b"GET /agent/stream "):
                    connection.asked_stream = True
                if _taken(self._eat, data):
                    connection.eaten = True
                if _taken(self._cut_within, data):
                    await self._send_half(data, reader, connection)
                    return
                late = next((one for one in self._hold if one[0] in data), None)
                if late is not None:
                    self._hold.remove(late)
                    await self._send_late(data, late[1], reader, connection)
                    return
                if self._listening:
                    self.upwards += data
                connection.up.write(data)
                await connection.up.drain()
            connection.asked_stream = connection.is_stream = False
            connection.up.write_eof()
        except OSError:
            connection.cut()

    async def _send_half(self, data: bytes, reader: asyncio.StreamReader, connection: _Connection) -> None:
        data, end_of_head = await _whole(data, reader)
        connection.up.write(data[: (end_of_head + len(data)) // 2])
        await connection.up.drain()
        connection.cut()

    async def _send_late(
        self, data: bytes, seconds: float, reader: asyncio.StreamReader, connection: _Connection
    ) -> None:
        """Collect one request, let go of the client, and deliver it later on a connection of its own."""
        data, _ = await _whole(data, reader)
        task = asyncio.create_task(self._deliver(data, seconds))
        self._delivering.add(task)
        task.add_done_callback(self._delivering.discard)
        connection.cut()

    async def _deliver(self, request: bytes, seconds: float) -> None:
        await asyncio.sleep(seconds)
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(self.target_host, self.target_port)
            try:
                writer.write(request)
                await reader.read(_CHUNK)
            finally:
                writer.transport.abort()

    async def _downwards(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        try:
            while data := await reader.read(_CHUNK):
                await self._flowing.wait()
                await self._silent_down.wait()
                if connection.eaten:
                    connection.cut()
                    return
                connection.down.write(data)
                if connection.asked_stream and data.startswith(b"HTTP/1.1 200 "):
                    connection.is_stream = True
                await connection.down.drain()
            connection.is_stream = False
            connection.down.write_eof()
        except OSError:
            connection.cut()


async def _whole(data: bytes, reader: asyncio.StreamReader) -> tuple[bytes, int]:
    """Return the whole request that begins with these bytes, and where its body begins."""
    while (end := data.find(b"\r\n\r\n") + 4) < 4:
        data += await reader.read(_CHUNK)
    length = re.search(rb"(?i)content-length: *(\d+)", data[:end])
    while length is not None and len(data) < end + int(length[1]):
        data += await reader.read(_CHUNK)
    return data, end


def _taken(wanted: list[bytes], data: bytes) -> bool:
    """Take the first of the wanted that the data holds off the list; says whether there was one."""
    hit = next((one for one in wanted if one in data), None)
    if hit is not None:
        wanted.remove(hit)
    return hit is not None
