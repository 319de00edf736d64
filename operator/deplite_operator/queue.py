"""The work: which objects wait to be looked at, each at most once and by one worker at a time.

An object whose look failed comes back later and later, at the latest after a minute; a change of it comes at once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import NoReturn

from deplite.kube.errors import KubeError, UnavailableError
from deplite.protocol.backoff import Backoff
from deplite_operator.world import Item

WORKERS = 16
"""Looks at once: far below the client's pool, so that none waits for a connection."""
LONGEST_WAIT = 60.0

log = logging.getLogger(__name__)


class WorkQueue:
    """Items to look at, in the order of their first mention."""

    def __init__(self, look: Callable[[Item], Awaitable[None]]) -> None:
        """Make an empty queue.

        Args:
            look: what is done with an item; an exception of it means later again.
        """
        self._look = look
        self._queue: asyncio.Queue[Item] = asyncio.Queue()
        self._waiting: set[Item] = set()
        self._active: set[Item] = set()
        self._again: set[Item] = set()
        self._failed: dict[Item, Backoff] = {}

    @property
    def waiting(self) -> Iterable[Item]:
        """What waits to be looked at."""
        return self._waiting

    @property
    def failing(self) -> Iterable[Item]:
        """Whose last look failed."""
        return self._failed

    def add(self, item: Item) -> None:
        """Have an item looked at; one that waits already is not added twice."""
        if item in self._active:
            self._again.add(item)
        elif item not in self._waiting:
            self._waiting.add(item)
            self._queue.put_nowait(item)

    def add_all(self, items: Iterable[Item]) -> None:
        """Have several items looked at."""
        for item in items:
            self.add(item)

    async def run(self) -> NoReturn:
        """Work for ever."""
        async with asyncio.TaskGroup() as group:
            for number in range(WORKERS):
                group.create_task(self._work(), name=f"worker {number}")
        raise AssertionError("workers never end")

    async def _work(self) -> NoReturn:
        while True:
            item = await self._queue.get()
            self._waiting.discard(item)
            self._active.add(item)
            try:
                await self._look(item)
                self._failed.pop(item, None)
            except Exception as error:  # a bug in one look must not end all others
                self._later(item, error)
            finally:
                self._active.discard(item)
            if item in self._again:
                self._again.discard(item)
                self.add(item)

    def _later(self, item: Item, error: Exception) -> None:
        kind, (namespace, name) = item
        wait = self._failed.setdefault(item, Backoff(most=LONGEST_WAIT)).next()
        if isinstance(error, UnavailableError):
            wait = max(wait, error.retry_after)
        expected = isinstance(error, KubeError)
        log.warning(
            "%s %s/%s: %s; again in %.1f s",
            kind.KIND,
            namespace,
            name,
            error,
            wait,
            exc_info=None if expected else error,
            extra={"action": "look_failed"},
        )
        asyncio.get_running_loop().call_later(wait, self.add, item)
