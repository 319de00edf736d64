"""How many Events an object gets: whoever changes a spec in a loop must not fill the cluster's store."""

import time
from collections.abc import Callable

BURST = 25
"""How many Events one object gets at once, as client-go has it."""
EVERY = 300.0
"""Seconds until it gets one more."""
OBJECTS = 4096
"""Of how many objects this is remembered."""


class Allowance:
    """How many Events each object may still get, kept for the objects that were told of last."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._full: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._full)

    def take(self, uid: str) -> bool:
        """Take one Event for an object; False where it had too many."""
        now = self._clock()
        full = max(self._full.pop(uid, now), now) + EVERY
        allowed = full - now <= BURST * EVERY
        self._full[uid] = full if allowed else full - EVERY
        if len(self._full) > OBJECTS:
            del self._full[next(iter(self._full))]  # who was told of longest ago
        return allowed
