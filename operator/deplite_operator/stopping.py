"""Being told to stop: SIGINT and SIGTERM, before kopf runs and while it does."""

import asyncio
import logging
import signal
from collections.abc import Mapping
from typing import Any

log = logging.getLogger(__name__)


class Stopping:
    """Whether this process was told to stop."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self.ending = asyncio.Event()
        """Set once kopf has begun to end, for whatever reason."""

    def listen(self) -> None:
        """Take the signals; once before kopf starts, and once more after it has put its own handlers in place."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._tell)

    def _tell(self) -> None:
        # kopf closes its connections before the tasks that use them have ended: what those say then is no fault.
        asyncio.get_running_loop().set_exception_handler(_quietly)
        self.told.set()


def _quietly(_: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    log.debug("while stopping: %s (%r)", context.get("message"), context.get("exception"))
