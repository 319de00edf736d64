"""Who may read pages of logs now: so many of one organization at a time, so that its logs hold up no other's.

A page of a log whose parts lie over one another in their seqs costs hundreds of reads; any agent can make such a log.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deplite.patience import patience
from deplite_apiserver.errors import RateLimitedError

AT_ONCE = 8
"""A quarter of the calls that the object store is asked at a time."""
WAIT_SECONDS = 20
"""For a place, by those who are in no hurry; callers over HTTP have less patience."""
_RETRY_SECONDS = 5


class Readers:
    """The places of every organization; one that reads nothing takes no memory."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._places: dict[str, asyncio.Semaphore] = {}
        self._asking: dict[str, int] = {}
        """How many read or wait."""

    @asynccontextmanager
    async def place(self, organization: str) -> AsyncIterator[None]:
        """Wait for a place, and have it as long as the block runs.

        Raises:
            RateLimitedError: others of the organization had all of them for too long.
        """
        places = self._places.setdefault(organization, asyncio.Semaphore(self._at_once))
        self._asking[organization] = self._asking.get(organization, 0) + 1
        try:
            await _entered(places)
            try:
                yield
            finally:
                places.release()
        finally:
            self._asking[organization] -= 1
            if not self._asking[organization]:
                del self._asking[organization], self._places[organization]


async def _entered(places: asyncio.Semaphore) -> None:
    if not places.locked():  # nothing to wait for, so no timer; state machines read logs without an event loop
        await places.acquire()
        return
    try:
        async with asyncio.timeout(patience(WAIT_SECONDS)):
            await places.acquire()
    except TimeoutError:
        message = "Too many pages of the organization's logs are read at the same time."
        raise RateLimitedError(message, retry_after=_RETRY_SECONDS) from None
