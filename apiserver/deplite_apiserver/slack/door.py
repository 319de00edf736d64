"""What the door of Slack remembers and does beside requests: `context.slack.door`."""

import asyncio
from collections.abc import Callable

from deplite.kube.client import KubeClient
from deplite_apiserver.caches import Caches
from deplite_apiserver.clock import Clock
from deplite_apiserver.shared.once import Once
from deplite_apiserver.slack.chores import Chores
from deplite_apiserver.slack.links import Links
from deplite_apiserver.slack.seen import Seen


class Door:
    """One replica's.

    Attributes:
        links: which Slack user is which member.
        chores: what is said to Slack later.
        seen: requests that were dealt with.
    """

    def __init__(self, kube: KubeClient, caches: Caches, clock: Clock, once: Once) -> None:
        self.links = Links(kube, caches.slack.note, clock.now)
        self.chores = Chores()
        self.seen = Seen(once)
        self._following: set[asyncio.Task[str]] = set()

    def follow(self, task: asyncio.Task[str], late: Callable[[str], object]) -> None:
        """Keep a task that outlives its request; `late` is given what it returns."""
        self._following.add(task)

        def ended(done: asyncio.Task[str]) -> None:
            self._following.discard(done)
            if not done.cancelled():
                late(done.result())

        task.add_done_callback(ended)

    async def run(self) -> None:
        """Do all that goes on beside requests, for ever."""
        await self.chores.run()

    async def close(self) -> None:
        """Let what is under way end, for a moment."""
        if self._following:
            await asyncio.wait(self._following, timeout=1.0)
        for task in tuple(self._following):
            task.cancel()
        await self.chores.close()
