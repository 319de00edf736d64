"""HTTP/1.1 byte by byte, over connections that are kept: it also says what no client library would."""

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_SECONDS = 60
"""For an answer."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """A request, as it is sent."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes = b""
    chunked: bool = False
    version: str = "1.1"

    def spelled(self, host: str) -> bytes:
        """Return its bytes."""
        framing = ("Transfer-Encoding", "chunked") if self.chunked else ("Content-Length", str(len(self.body)))
        lines = [f"{self.method} {self.target} HTTP/{self.version}", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in (*self.headers, framing)]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return head + (b"".join(_chunks(self.body)) if self.chunked else self.body)


def _chunks(body: bytes) -> list[bytes]:
    half = len(body) // 2
    return [b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:]) if part] + [b"0\r\n\r\n"]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    body: bytes

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        """The error's code; none where it was accepted."""
        return "" if self.accepted else str(self.json()["code"])

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One connection at a time to one address; whoever asks waits for the answer before asking again."""

    def __init__(self, door: str) -> None:
        parts = urlsplit(door)
        assert parts.hostname is not None
        self._host, self._port = parts.hostname, parts.port
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, message: Message) -> Answer:
        """Send a request and return the answer; of one without a length (a stream) the head alone, and hang up.

        Raises:
            ConnectionError: there was no answer.
        """
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._ask(message)
        except asyncio.IncompleteReadError:
            self.close()
            raise ConnectionResetError from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._open is not None:
            self._open[1].transport.abort()
            self._open = None

    async def _ask(self, message: Message) -> Answer:
        if self._open is None:
            self._open = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._open
        writer.write(message.spelled(f"{self._host}:{self._port}"))
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head[9:12])
        length = re.search(rb"\r\ncontent-length: (\d+)", head)
        body = await reader.readexactly(int(length[1])) if length else b""
        if (length is None and status != 204) or b"\r\nconnection: close" in head or message.version == "1.0":
            self.close()
        return Answer(status=status, body=body)
