"""What deleted files go on counting for a while: whoever holds an address could upload to it anew."""

import math
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime

from deplite.kube.cache import Cache, Change
from deplite_apiserver.files.view import URL_SECONDS, FileView

LINGER_SECONDS = URL_SECONDS + 300
"""After the announcement: until the address has ended and a round of `sweeper/strays.py` saw what came last."""
_STEP_SECONDS = 60


class Lingering:
    """Counts of files that were deleted while their address was good; to be made before the cache is filled.

    However many they are, an organization takes a few dozen numbers: those whose time ends in one minute are one sum.
    They are in memory: a restart forgets them, and the next round of `sweeper/strays.py` finds what was stored again.
    """

    def __init__(self, files: Cache[FileView], now: Callable[[], datetime]) -> None:
        """Follow the cache.

        Args:
            files: the cache of files.
            now: the present moment in UTC.
        """
        self._now = now
        self._ending: defaultdict[str, dict[int, tuple[int, int]]] = defaultdict(dict)
        """Number and bytes of each organization's, by the step in which they end."""
        files.subscribe(self._changed)

    def of(self, organization: str) -> tuple[int, int]:
        """Return how many there are, and the bytes that were announced for them."""
        self._prune()
        ending = self._ending.get(organization, {}).values()
        return sum(number for number, _ in ending), sum(size for _, size in ending)

    def _changed(self, change: Change[FileView]) -> None:
        old, new = change.old, change.new
        if old is None or (new is not None and new.uid == old.uid):
            return
        self._prune()
        step = math.ceil((old.created_at.timestamp() + LINGER_SECONDS) / _STEP_SECONDS)
        if step > self._step():
            number, size = self._ending[old.namespace].get(step, (0, 0))
            self._ending[old.namespace][step] = number + 1, size + (old.declared_size or 0)

    def _prune(self) -> None:
        present = self._step()
        for organization, ending in list(self._ending.items()):
            for step in [step for step in ending if step <= present]:
                del ending[step]
            if not ending:
                del self._ending[organization]

    def _step(self) -> int:
        return int(self._now().timestamp() // _STEP_SECONDS)
