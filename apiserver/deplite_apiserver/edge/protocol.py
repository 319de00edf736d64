"""The HTTP connection, with bounds that the server we use does not have: how long a head may be, and may take to come.

A head that nobody can parse gets the documented shape, too: such a request never reaches the app.
"""

import asyncio
import json
import logging
import re
import secrets

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

log = logging.getLogger("deplite_apiserver.access")

MAX_HEAD_BYTES = 256 * 1024
"""As it comes from the wire, request line included; `edge.limits` has finer bounds."""
_KEY_WITH_CONTROL = re.compile(rb"\nidempotency-key:[^\n]*[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", re.IGNORECASE)


class BoundedProtocol(HttpToolsProtocol):
    """Gives up a connection whose next head is too long or too slow; bodies are bounded by `edge.body`."""

    head_seconds = 10.0
    _received = 0
    _in_head = True
    _timer: asyncio.TimerHandle | None = None
    _latest: bytearray
    """What has come of a head that is not complete; and otherwise the last bytes, in which one may begin."""

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
        self._latest = self._latest if self._in_head and self._received else bytearray()
        self._latest += data
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
        """Answer what is no HTTP; the parser lets no control character into any header's value."""
        if _KEY_WITH_CONTROL.search(self._latest):
            self._refuse(422, "invalid_idempotency_key", "Idempotency-Key must not have control characters.")
        else:
            self._refuse(400, "bad_request", "The request is malformed.")

    def _slow(self) -> None:
        self._refuse(408, "request_timeout", "The head of the request did not arrive in time.")

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer and close; what would go into or before the answer to an earlier request is not said."""
        if not self._answering():
            request_id = secrets.token_hex(8)
            extra = {"action": "request", "status": status, "requestId": request_id}
            log.info("%s %s", status, code, extra=extra)
            self.transport.write(_refusal(status, code, message, request_id))
        self.transport.close()

    def _answering(self) -> bool:
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete and (self._in_head or cycle.response_started)


def _refusal(status: int, code: str, message: str, request_id: str) -> bytes:
    body = json.dumps({"statusCode": status, "code": code, "message": message}, separators=(",", ":")).encode()
    lines = (
        "content-type: application/json",
        f"content-length: {len(body)}",
        f"x-request-id: {request_id}",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
        "connection: close",
    )
    return STATUS_LINE[status] + "\r\n".join((*lines, "", "")).encode() + body


def protocol_class(head_seconds: float) -> type[BoundedProtocol]:
    """Return the protocol with that much time for a head."""
    return type("Protocol", (BoundedProtocol,), {"head_seconds": head_seconds})
