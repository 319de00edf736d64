"""Brings caches up to date for look-ups that missed: who waits for the same cache shares a round."""

import asyncio
import contextlib
from typing import Any

from deplite.kube.cache import Cache
from deplite.kube.errors import KubeError
from deplite_apiserver.limits.pace import Pace

ROUNDS_PER_SECOND = 25
"""Of each cache: misses of junk, one after the other, cost the API server no more. Beyond, the next round is waited
for: whoever asks for what was made a moment ago hears the truth, whatever junk others ask for."""
IN_TROUBLE_PER_SECOND = 5
"""The same while the cache's watch has failed; beyond, nobody waits."""
TURN_SECONDS = 0.02


class Rounds:
    """One replica's."""

    def __init__(self, seconds: float) -> None:
        """Make it.

        Args:
            seconds: how long a round may take.
        """
        self._seconds = seconds
        self._pace, self._slow_pace = Pace(ROUNDS_PER_SECOND), Pace(IN_TROUBLE_PER_SECOND)
        self._coming: dict[Cache[Any], asyncio.Task[None]] = {}
        self._running: dict[Cache[Any], asyncio.Lock] = {}

    async def reach(self, cache: Cache[Any]) -> bool:
        """Return once a cache has what was written before this call; false where its watch has failed and too many ask.

        Raises:
            KubeError: the API server cannot be asked, or the cache does not get so far.
        """
        coming = self._coming.get(cache)
        if coming is None:
            if cache.failing and not self._slow_pace.allows(cache):
                return False
            coming = self._coming[cache] = asyncio.create_task(self._round(cache))
            coming.add_done_callback(_seen)
        await asyncio.shield(coming)
        return True

    async def _round(self, cache: Cache[Any]) -> None:
        async with self._running.setdefault(cache, asyncio.Lock()):
            while not self._pace.allows(cache):  # noqa: ASYNC110 - nothing but time makes room for another round
                await asyncio.sleep(TURN_SECONDS)
            del self._coming[cache]  # who comes from now on may ask for what this one does not see
            await cache.freshen(self._seconds)


def _seen(round_: "asyncio.Task[None]") -> None:
    """Look at how a round ended, for all who waited for it may have gone."""
    with contextlib.suppress(asyncio.CancelledError, KubeError):
        round_.result()
