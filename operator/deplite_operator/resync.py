"""Looks at everything again, once a minute: whatever a watch lost, a clock ended or a person deleted is found."""

import asyncio
import logging
from typing import NoReturn

from deplite.kube.errors import KubeError
from deplite.protocol.backoff import Backoff
from deplite_operator.context import Context
from deplite_operator.queue import WorkQueue

log = logging.getLogger(__name__)


async def first_list(context: Context) -> None:
    """Fill the caches, however long the API server or our kinds take to be there."""
    backoff = Backoff()
    while True:
        if await _refresh(context):
            return
        await asyncio.sleep(backoff.next())


async def resync(context: Context, queue: WorkQueue) -> NoReturn:
    """List and look at everything, for ever."""
    while True:
        queue.add_all(context.world.items())
        await asyncio.sleep(context.settings.resync_seconds)
        await _refresh(context)


async def _refresh(context: Context) -> bool:
    try:
        with context.metrics.resyncing():
            await context.world.refresh()
    except KubeError as error:
        log.warning("the resources could not be listed: %s", error, extra={"action": "resync_failed"})
        return False
    return True
