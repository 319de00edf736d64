"""Lets agents' streams begin one after the other: when thousands come back at once, everybody else's work goes on.

A request takes many turns of the event loop. Were all of those thousands to begin at one moment, each turn would take
seconds, and with it each step of a deploy; now a turn holds the work of a few of them. Nothing waits that need not: as
soon as one has begun the next one may, however long the first is still to wait for others.
"""

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

STREAM = "/agent/stream"


class TurnstileMiddleware:
    """Outside of all but the metrics, which tell how long it took: who waits here has cost next to nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"].endswith(STREAM):
            async with self._turn:  # first come, first served
                await asyncio.sleep(0)
        await self._app(scope, receive, send)
