"""The HTTP connection, with bounds that the server we use does not have: how long a head may be, and may take to come.

A head that nobody can parse gets the documented shape, too: such a request never reaches the app.
"""

import asyncio
import json

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_HEAD_BYTES = 256 * 1024
"""As it comes from the wire, request line included; `edge.limits` has finer bounds."""


class BoundedProtocol(HttpToolsProtocol):
    """Gives up a connection whose next head is too long or too slow; bodies are bounded by `edge.body`."""

    head_seconds = 10.0
    _received = 0
    _in_head = True
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a first request, no longer than for another one."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(self.timeout_keep_alive, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes of a head or a body."""
        if self._in_head and not self._received:
            self._stop_waiting()
            self._timer = self.loop.call_later(self.head_seconds, self._slow)
        self._received += len(data)
        super().data_received(data)
        if self._in_head and self._received > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(431, "headers_too_large", "The head of the request is too long.")

    def on_headers_complete(self) -> None:
        """Hand the request to the app."""
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect the next head."""
        self._in_head, self._received = True, 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(400, "bad_request", "The request is malformed.")

    def _slow(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self._refuse(408, "request_timeout", "The head of the request did not arrive in time.")
        else:
            self.transport.close()  # an answer to the request before is on its way: nothing may be put into it

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: int, code: str, message: str) -> None:
        body = json.dumps({"statusCode": status, "code": code, "message": message}, separators=(",", ":")).encode()
        head = f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[status] + head.encode() + body)
        self.transport.close()


def protocol_class(head_seconds: float) -> type[BoundedProtocol]:
    """Return the protocol with that much time for a head."""
    return type("Protocol", (BoundedProtocol,), {"head_seconds": head_seconds})
