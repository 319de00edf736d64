"""Looks after what earlier processes left: goes on with their jobs, and forgets the old ones."""

import asyncio

from deplite_agent.jobs.desk import Desk

PRUNE_SECONDS = 60 * 60.0


async def tend(desk: Desk) -> None:
    """Recover once, then prune each hour until cancelled."""
    desk.recover()
    while True:
        await asyncio.sleep(PRUNE_SECONDS)
        desk.prune()
