"""Counts each request where its answer begins, by its route's template: never by its path."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deplite_apiserver.audit.entry import entry_in
from deplite_apiserver.metrics.metrics import Metrics

NONE = "none"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class MetricsMiddleware:
    """The outermost layer: time begins once a request's head was read. The route is known when something answers."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._note(scope, message["status"], time.monotonic() - began)
            await send(message)

        await self._app(scope, receive, tell)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("route")
        method = scope["method"] if scope["method"] in _METHODS else NONE  # a stranger may send any word
        entry = entry_in(scope)
        code = entry.code if status >= 400 else None
        self._metrics.answered(
            NONE if route is None else route.path, method, status, code, None if entry.waited else seconds
        )
