"""The process: settings, one event loop, uvicorn, and an end within ten seconds however many streams are open."""

import contextlib
import logging
import os
import resource
import sys
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI

from deplite.errors import DepliteError
from deplite.log import configure_logging, form_in
from deplite.metrics.exposition import exposed
from deplite.proxies import spare_loopback
from deplite_apiserver.app import create_app
from deplite_apiserver.assembly import assembled
from deplite_apiserver.clock import Clock, SystemClock
from deplite_apiserver.edge.protocol import protocol_class
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.metrics.readings import show
from deplite_apiserver.server import Server
from deplite_apiserver.settings import Settings, load_settings

log = logging.getLogger(__name__)

GRACE_SECONDS = 5
"""For requests under way, which wait at most 2.5 s for what is away; what follows has the rest of the ten seconds."""
_MOST_FILES = 65_536


def build(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """Return the app of one replica; without a clock it goes by the machine's."""
    metrics = Metrics()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with assembled(settings, clock or SystemClock(), metrics) as context:
            app.state.context = context
            show(metrics, context)
            async with exposed(metrics.registry, settings.metrics_listen):
                yield

    return create_app(lifespan, settings.waits.request, metrics)


def configuration(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """Return how uvicorn serves the app."""
    return uvicorn.Config(
        app,
        host=settings.listen_host,
        port=settings.listen_port,
        log_config=None,
        access_log=False,
        http=protocol_class(settings.read_seconds),
        ws="none",
        loop="asyncio",  # under uvloop a connect that is given up may leave its file descriptor to two connections
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=4096,
    )


def open_many_files() -> None:
    """Raise the limit of open files as far as we may: each agent holds a connection, and 1024 is the usual limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main() -> None:
    """Run one replica until a signal ends it."""
    spare_loopback()
    configure_logging(form_in(os.environ, "json"))
    try:
        settings = load_settings()
    except DepliteError as error:
        log.critical("%s", error, extra={"action": "settings_wrong"})
        sys.exit(1)
    configure_logging(settings.log_format, settings.log_level)
    open_many_files()
    Server(configuration(build(settings), settings), settings.shared_listen, settings.drain_seconds).run()


if __name__ == "__main__":
    main()
