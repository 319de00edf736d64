"""Callers are not kept waiting for what is away: whatever their request needs has 2.5 seconds to answer, as a rule."""

from starlette.types import ASGIApp, Receive, Scope, Send

from deplite.patience import PATIENCE


class PatienceMiddleware:
    """Sets the patience of everything that is done for one request."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app, self._seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; the lifespan, in which all background work begins, keeps the usual patience."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        before = PATIENCE.set(self._seconds)
        try:
            await self._app(scope, receive, send)
        finally:
            PATIENCE.reset(before)
