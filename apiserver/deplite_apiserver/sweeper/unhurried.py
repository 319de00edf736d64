"""Goes through very many items without keeping requests and streams waiting."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

Item = TypeVar("Item")

AT_A_TIME = 200
"""Items looked at before calls and streams get their turn: a few milliseconds."""


async def unhurried(items: Iterable[Item]) -> AsyncIterator[Item]:
    """Go through many items, and let everybody else have a turn after each `AT_A_TIME` of them."""
    for number, item in enumerate(items, start=1):
        yield item
        if number % AT_A_TIME == 0:
            await asyncio.sleep(0)
