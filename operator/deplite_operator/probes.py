"""`/livez` and `/readyz`, without credentials: alive is a running loop, ready is leading with everything listed."""

from collections.abc import Callable

from aiohttp import web


class Probes:
    """The one HTTP server of the operator."""

    def __init__(self, host: str, port: int, ready: Callable[[], bool]) -> None:
        """Make it; it does not listen yet.

        Args:
            host: the address to listen on.
            port: 0 for any free one.
            ready: whether the operator acts.
        """
        self._host, self._port, self._ready = host, port, ready
        application = web.Application()
        application.add_routes([web.get("/livez", self._livez), web.get("/readyz", self._readyz)])
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
