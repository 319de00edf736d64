"""How often a second something that costs others may be done. What is too much is not waited for, but left undone."""

import time
from collections import deque
from collections.abc import Callable, Hashable

_PRUNE_AT = 1000


class Pace:
    """At most so many in any second, for each key by itself; in this process."""

    def __init__(self, most: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing done.

        Args:
            most: how often a second.
            monotonic: seconds of a clock that never goes back.
        """
        self._most, self._monotonic = most, monotonic
        self._done: dict[Hashable, deque[float]] = {}

    def allows(self, key: Hashable = None) -> bool:
        """Whether it may be done once more now; if so, it counts as done."""
        now = self._monotonic()
        done = self._done.setdefault(key, deque(maxlen=self._most))
        if len(done) == self._most and now - done[0] < 1.0:
            return False
        done.append(now)
        if len(self._done) > _PRUNE_AT:
            self._done = {one: times for one, times in self._done.items() if now - times[-1] < 1.0}
        return True
