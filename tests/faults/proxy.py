"""A TCP proxy that misbehaves on demand: refuses, cuts, falls silent, eats answers."""

import asyncio
import socket
import struct
from dataclasses import dataclass, field
from typing import Self

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
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    def cut(self) -> None:
        for writer in (self.down, self.up):
            found: socket.socket | None = writer.get_extra_info("socket")
            if found is not None:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


class FaultProxy:
    """Listens on a loopback port and passes everything to a target, until told otherwise."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._silent_down = asyncio.Event()
        self._silent_down.set()
        self._eat: list[bytes] = []
        self.delay = 0.0
        """Seconds by which everything the client sends is late."""

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._flowing.set()
        self._silent_down.set()
        await self.refuse()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def accept(self) -> None:
        """Take connections, on the same port as before."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Cut every connection and take no new one."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

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

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
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
                hit = next((wanted for wanted in self._eat if wanted in data), None)
                if hit is not None:
                    self._eat.remove(hit)
                    connection.eaten = True
                connection.up.write(data)
                await connection.up.drain()
            connection.up.write_eof()
        except OSError:
            connection.cut()

    async def _downwards(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        try:
            while data := await reader.read(_CHUNK):
                await self._flowing.wait()
                await self._silent_down.wait()
                if connection.eaten:
                    connection.cut()
                    return
                connection.down.write(data)
                await connection.down.drain()
            connection.down.write_eof()
        except OSError:
            connection.cut()
