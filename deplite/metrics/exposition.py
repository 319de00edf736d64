"""`/metrics` on a port of its own: what a part measures is nobody's business who only reaches its public one.

Whoever reaches the port cannot load the event loop: all scrapes of one second share one text, answers leave one after
the other, and connections are few.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics import exposition as openmetrics

from deplite.errors import DepliteError

VARIABLE = "DEPLITE_METRICS_LISTEN"
FRESH_SECONDS = 1.0
"""For how long a text is shown to whoever asks."""
GAP_SECONDS = 0.02
"""Between two answers."""
CONNECTIONS = 16
"""So many may be open; one more closes the oldest, so that nobody keeps the others out."""

_PLAIN: tuple[str, Callable[[CollectorRegistry], bytes]] = (CONTENT_TYPE_PLAIN_0_0_4, generate_latest)
_OPEN: tuple[str, Callable[[CollectorRegistry], bytes]] = (
    openmetrics.CONTENT_TYPE_LATEST,
    openmetrics.generate_latest,
)

log = logging.getLogger(__name__)


class MetricsListenError(DepliteError):
    """Nobody can listen there."""


@contextlib.asynccontextmanager
async def exposed(registry: CollectorRegistry, address: tuple[str, int] | None) -> AsyncIterator[None]:
    """Serve a registry until the block ends.

    Args:
        registry: what is shown.
        address: host and port; None: nowhere.

    Raises:
        MetricsListenError: the address is taken, or none of this machine's.
    """
    if address is None:
        yield
        return
    application = web.Application()
    application.add_routes([web.get("/metrics", _Scrapes(registry).answer)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        listening = await _listen(runner, *address)
        log.info("shows metrics at http://%s:%d/metrics", *address, extra={"action": "metrics_shown"})
        try:
            yield
        finally:
            listening.close()
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> asyncio.Server:
    server = runner.server
    assert server is not None

    loop = asyncio.get_running_loop()
    coming: list[web.RequestHandler] = []
    """Accepted in this turn of the loop, in which the server has not heard of them yet."""

    def connected() -> asyncio.Protocol:
        open_ = [*server.connections, *coming]
        for oldest in open_[: max(0, len(open_) + 1 - CONNECTIONS)]:
            oldest.force_close()
        accepted = server()
        coming.append(accepted)
        loop.call_soon(coming.remove, accepted)
        return accepted

    try:
        return await loop.create_server(connected, host, port, backlog=CONNECTIONS)
    except OSError as error:
        raise MetricsListenError(f"{VARIABLE} cannot be listened on: {error.strerror}; choose another.") from None


class _Scrapes:
    """Answers scrapes of a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry, self._turn = registry, asyncio.Lock()
        self._texts: dict[str, tuple[float, bytes]] = {}
        """By content type: when it was made, and the text."""

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one."""
        accepts = ",".join(request.headers.getall("Accept", []))
        kind, render = _OPEN if "application/openmetrics-text" in accepts else _PLAIN
        async with self._turn:
            await asyncio.sleep(GAP_SECONDS)
            made, text = self._texts.get(kind, (-FRESH_SECONDS, b""))
            if time.monotonic() - made >= FRESH_SECONDS:
                text = render(self._registry)
                self._texts[kind] = time.monotonic(), text
        return web.Response(body=text, headers={"Content-Type": kind})
