"""One simulated agent: what our agent sends, with as little around it as possible, for thousands share two cores."""

import asyncio
import secrets
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deplite.protocol.backoff import Backoff
from deplite.protocol.request import INSTANCE_HEADER, RequestSigner

ANSWER_SECONDS = 30.0
"""To connect and be answered; then the try is given up."""
LIVED_SECONDS = 5.0
"""After a stream that lived so long the next try comes at once."""


class Connection(asyncio.Protocol):
    """One try to hold the stream. What comes after the first comment is let go."""

    def __init__(self, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[bool] = loop.create_future()
        """Whether it is a stream."""
        self.ended: asyncio.Future[None] = loop.create_future()
        self.transport: asyncio.Transport
        self._request, self._head = request, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Look whether the stream begins."""
        if self.answered.done():
            return
        self._head += data
        if self._head.startswith(b"HTTP/1.1 200 ") and b": connected" in self._head:
            self.answered.set_result(True)
        elif b"\r\n\r\n" in self._head and not self._head.startswith(b"HTTP/1.1 200 "):
            self.answered.set_result(False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that it is over."""
        if not self.answered.done():
            self.answered.set_result(False)
        self.ended.set_result(None)


class Member:
    """One identity.

    Attributes:
        held: whether it is to have a stream.
        opened: set while it has one.
        opened_at: monotonic time of the latest one's begin.
        lost_at: monotonic time of the first loss since `prepare`; 0: none.
        refused: tries in vain since then.
    """

    def __init__(self, host: str, port: int, agent_id: str, key: bytes) -> None:
        self._host, self._port, self._agent_id = host, port, agent_id
        self._signer = RequestSigner(agent_id=agent_id, key=Ed25519PrivateKey.from_private_bytes(key))
        self._instance = secrets.token_hex(8)
        self._prepared: bytes | None = None
        self._connection: Connection | None = None
        self.held = False
        self.opened = asyncio.Event()
        self.opened_at = self.lost_at = 0.0
        self.refused = 0

    def prepare(self) -> None:
        """Sign the next connect now, and forget past losses."""
        self._prepared = self._request("GET", "/agent/stream")
        self.lost_at, self.refused = 0.0, 0

    def drop(self) -> None:
        """Close the stream."""
        if self._connection is not None:
            self._connection.transport.abort()

    async def hold(self) -> None:
        """Hold a stream, for ever: the first try after a loss comes at once, the others wait as those of our agent."""
        self.held = True
        backoff = Backoff(first=0.5, most=30.0)
        while True:
            request, self._prepared = self._prepared or self._request("GET", "/agent/stream"), None
            lived = await self._once(request)
            if lived is None:
                self.refused += 1
            if lived is not None and lived > LIVED_SECONDS:
                backoff.reset()
            else:
                await asyncio.sleep(backoff.next())

    async def beat(self, first: float, period: float) -> None:
        """Send a heartbeat after a while, and then again and again, each on a connection of its own."""
        await asyncio.sleep(first)
        while True:
            await asyncio.gather(self._beat(), asyncio.sleep(period))

    async def _once(self, request: bytes) -> float | None:
        """Connect and stay to the end; return for how many seconds there was a stream, None where there was none."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                _, made = await loop.create_connection(lambda: Connection(request), self._host, self._port)
                self._connection = made
                if not await made.answered:
                    made.transport.abort()
                    return None
        except (OSError, TimeoutError):
            self.drop()
            return None
        self.opened_at = time.monotonic()
        self.opened.set()
        await made.ended
        self.opened.clear()
        ended_at = time.monotonic()
        self.lost_at = self.lost_at or ended_at
        return ended_at - self.opened_at

    async def _beat(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await asyncio.open_connection(self._host, self._port)
                writer.write(self._request("POST", "/agent/heartbeat"))
                await reader.readuntil(b"\r\n\r\n")
                writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return  # left to the next

    def _request(self, method: str, path: str) -> bytes:
        signed = self._signer.headers(timestamp=int(time.time()), method=method, path=path, body=b"")
        headers = {
            "Host": f"{self._host}:{self._port}",
            INSTANCE_HEADER: self._instance,
            "Content-Length": "0",
        } | signed
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()
