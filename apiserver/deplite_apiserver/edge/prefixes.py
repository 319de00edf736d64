"""Every route answers bare, under /api and under /v1: the prefix is taken off before anything looks at the path."""

from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

PREFIXES = ("/api", "/v1")
_KEPT = "deplite.prefix"


def path_with_prefix(scope: MutableMapping[str, Any]) -> str:
    """Return the path as the caller spelled it, for links in answers."""
    return f"{scope.get(_KEPT, '')}{scope['path']}"


class PrefixMiddleware:
    """Rewrites the path of each request; `/api/api/…` leads nowhere."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            path: str = scope["path"]
            for prefix in PREFIXES:
                if path.startswith(f"{prefix}/"):
                    scope.update({"path": path[len(prefix) :], _KEPT: prefix})  # layers outside see the route later
                    break
        await self._app(scope, receive, send)
