"""Calls that a busy server may answer with 503: made again, as it asks for."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx

SECONDS = 120


async def heard(call: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """Make a call until the answer is another one than 503; what it did then may have been done before already."""
    async with asyncio.timeout(SECONDS):
        while (answer := await call()).status_code == 503:
            await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))
        return answer
