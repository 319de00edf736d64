"""Refuses requests whose head alone is wrong: too many header bytes, or two ways to say how long the body is."""

from starlette.types import ASGIApp, Receive, Scope, Send

from deplite_apiserver.edge.failures import noted

MAX_HEADER_BYTES = 16 * 1024
"""Authorization is not among them: who checks a credential refuses one that is too long like any other bad one."""
MAX_HEAD_BYTES = 128 * 1024
"""All headers together."""
_CLOSE = {"Connection": "close"}


class HeadMiddleware:
    """Looks at the headers before anything else reads the request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            headers = scope["headers"]
            names = {name for name, _ in headers}
            if {b"content-length", b"transfer-encoding"} <= names:
                message = "Send Content-Length or Transfer-Encoding, not both."
                await noted(scope, 400, "bad_request", message, headers=_CLOSE)(scope, receive, send)
                return
            whole = sum(len(name) + len(value) for name, value in headers)
            credential = sum(len(value) for name, value in headers if name == b"authorization")
            if whole > MAX_HEAD_BYTES or whole - credential > MAX_HEADER_BYTES:
                message = f"The headers are longer than {MAX_HEADER_BYTES} bytes."
                await noted(scope, 431, "headers_too_large", message, headers=_CLOSE)(scope, receive, send)
                return
        await self._app(scope, receive, send)
