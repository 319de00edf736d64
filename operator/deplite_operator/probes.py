"""`/livez`, `/readyz` and `/standbyz`, without credentials.

Alive is a running loop, ready is leading with everything listed. The third one is what several operators are asked: it
is well, too, to wait while another one leads.
"""

from collections.abc import Callable

from aiohttp import web


class Probes:
    """The one HTTP server of the operator."""

    def __init__(self, host: str, port: int, ready: Callable[[], bool], waiting: Callable[[], bool]) -> None:
        """Make it; it does not listen yet.

        Args:
            host: the address to listen on.
            port: 0 for any free one.
            ready: whether the operator acts.
            waiting: whether another one does, and this one would take over.
        """
        self._host, self._port, self._ready, self._waiting = host, port, ready, waiting
        application = web.Application()
        application.add_routes(
            [
                web.get("/livez", self._livez),
                web.get("/readyz", self._readyz),
                web.get("/standbyz", self._standbyz),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._runner.addresses[0][1])

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address is taken.
        """
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n") if self._ready() else web.Response(text="not leading yet\n", status=503)

    async def _standbyz(self, request: web.Request) -> web.Response:
        return web.Response(text="waiting\n") if self._waiting() else await self._readyz(request)
