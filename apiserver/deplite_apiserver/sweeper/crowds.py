"""Merges the log of a job that goes on and has sent very many parts; a finished one is the business of `retire`."""

import logging
from collections.abc import Callable

from deplite_apiserver.storage.logstore import LogStore
from deplite_apiserver.storage.objects import StorageUnavailableError
from deplite_apiserver.sweeper.retirement import DISCARD_AFTER

log = logging.getLogger(__name__)


class Crowds:
    """What was merged, and is deleted a minute later. What a killed process leaves, the merge after the end takes."""

    def __init__(self, logs: LogStore, monotonic: Callable[[], float]) -> None:
        """Make it.

        Args:
            logs: the logs.
            monotonic: seconds of a clock that never goes back.
        """
        self._logs, self._monotonic = logs, monotonic
        self._merged: list[tuple[float, list[str]]] = []

    async def round(self) -> None:
        """Delete what was merged a minute ago, and merge the logs that have too many parts by now."""
        now = self._monotonic()
        while self._merged and now - self._merged[0][0] >= DISCARD_AFTER:
            await self._logs.discard(self._merged[0][1])
            self._merged.pop(0)
        for name in self._logs.crowded():
            try:
                keys = await self._logs.merge(name)
            except StorageUnavailableError:
                log.warning("the log %s was not merged", name.storage_key, extra={"action": "merge_failed"})
                continue
            self._merged.append((self._monotonic(), keys))
