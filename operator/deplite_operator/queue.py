"""The work: which objects wait to be looked at, each at most once and by one worker at a time.

An object whose look failed comes back later and later, at the latest after a minute; a change of it comes at once, but
for kinds that rest between two looks. One that is unsettled comes back as well, since no watch tells how that goes on.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import NoReturn

from deplite.kube.errors import KubeError, UnavailableError
from deplite.protocol.backoff import Backoff
from deplite.resources import AgentPool, Resource
from deplite_operator.world import Item

WORKERS = 16
"""Looks at once: far below the client's pool, so that none waits for a connection."""
LONGEST_WAIT = 60.0
FIRST_AGAIN, LONGEST_AGAIN = 1.0, 16.0
"""Seconds until an unsettled object is looked at again: after news of it, and in the end."""
RESTS: Mapping[type[Resource], float] = {AgentPool: 1.0}
"""Seconds between two looks: hundreds of agents may have news of one pool, and each look at it lists its pods."""

log = logging.getLogger(__name__)


class WorkQueue:
    """Items to look at, in the order of their first mention."""

    def __init__(self, look: Callable[[Item], Awaitable[bool]], rests: Mapping[type[Resource], float] = RESTS) -> None:
        """Make an empty queue.

        Args:
            look: what is done with an item; it says whether that is unsettled, and an exception means later again.
            rests: of kinds that are not looked at again at once, whatever happens.
        """
        self._look, self._rests = look, rests
        self._queue: asyncio.Queue[Item] = asyncio.Queue()
        self._waiting: set[Item] = set()
        self._active: set[Item] = set()
        """What is looked at, or rests after that."""
        self._again: set[Item] = set()
        self._failed: dict[Item, Backoff] = {}
        self._unsettled: dict[Item, Backoff] = {}
        self._timers: dict[Item, asyncio.TimerHandle] = {}

    @property
    def waiting(self) -> Iterable[Item]:
        """What waits to be looked at."""
        return self._waiting

    @property
    def failing(self) -> Iterable[Item]:
        """Whose last look failed."""
        return self._failed

    @property
    def unsettled(self) -> Collection[Item]:
        """What comes back by itself."""
        return self._timers.keys()

    def add(self, item: Item) -> None:
        """Have an item looked at; one that waits already is not added twice."""
        self._unsettled.pop(item, None)
        self._enqueue(item)

    def _enqueue(self, item: Item) -> None:
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
            self._forget_timer(item)
            try:
                unsettled = await self._look(item)
                self._failed.pop(item, None)
                self._soon(item) if unsettled else self._unsettled.pop(item, None)
            except Exception as error:  # a bug in one look must not end all others
                self._later(item, error)
            finally:
                self._rest(item)

    def _rest(self, item: Item) -> None:
        if seconds := self._rests.get(item[0]):
            asyncio.get_running_loop().call_later(seconds, self._release, item)
        else:
            self._release(item)

    def _release(self, item: Item) -> None:
        self._active.discard(item)
        if item in self._again:
            self._again.discard(item)
            self._enqueue(item)

    def _soon(self, item: Item) -> None:
        wait = self._unsettled.setdefault(item, Backoff(first=FIRST_AGAIN, most=LONGEST_AGAIN)).next()
        self._timers[item] = asyncio.get_running_loop().call_later(wait, self._due, item)

    def _due(self, item: Item) -> None:
        self._timers.pop(item, None)
        self._enqueue(item)

    def _forget_timer(self, item: Item) -> None:
        if (timer := self._timers.pop(item, None)) is not None:
            timer.cancel()

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
