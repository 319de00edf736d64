"""`/metrics` on a port of its own: what a part measures is nobody's business who only reaches its public one."""

import contextlib
import logging
from collections.abc import AsyncIterator

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

from deplite.errors import DepliteError

VARIABLE = "DEPLITE_METRICS_LISTEN"

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
    application.add_routes([web.get("/metrics", make_aiohttp_handler(registry))])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, *address).start()
        except OSError as error:
            raise MetricsListenError(f"{VARIABLE} cannot be listened on: {error.strerror}; choose another.") from None
        log.info("shows metrics at http://%s:%d/metrics", *address, extra={"action": "metrics_shown"})
        yield
    finally:
        await runner.cleanup()
