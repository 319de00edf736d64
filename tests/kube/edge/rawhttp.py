"""HTTP as bytes: what a well-behaved client would never send."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class RawAnswer:
    """An answer, and whether the server closed the connection after it."""

    status: int
    headers: dict[str, str]
    body: bytes
    closed: bool

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One connection; bytes go out as they are."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, base: str) -> "Wire":
        address = urlsplit(base)
        return cls(*await asyncio.open_connection(address.hostname, address.port))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, *, timeout: float = 60, keep_open: bool = False) -> RawAnswer:
        """Read one answer; `keep_open`: do not wait to see whether the connection closes."""
        async with asyncio.timeout(timeout):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lines = head.split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        # What is said to end does so soon, but how soon is the machine's affair.
        patience = timeout if headers.get("connection") == "close" else 0.5
        closed = not keep_open and await self._closed(patience)
        return RawAnswer(status=int(lines[0].split()[1]), headers=headers, body=body, closed=closed)

    async def _closed(self, patience: float) -> bool:
        try:
            async with asyncio.timeout(patience):
                return await self.reader.read(1) == b""
        except TimeoutError:
            return False
        except ConnectionResetError:
            return True

    async def close(self) -> None:
        self.writer.close()


async def exchange(base: str, data: bytes, *, timeout: float = 60, keep_open: bool = False) -> RawAnswer:
    """Send bytes on a fresh connection and return the answer."""
    wire = await Wire.open(base)
    try:
        await wire.send(data)
        return await wire.answer(timeout=timeout, keep_open=keep_open)
    finally:
        await wire.close()
