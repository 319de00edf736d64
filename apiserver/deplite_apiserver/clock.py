"""The time, injected wherever it matters so that tests can say what it is."""

import time
from datetime import UTC, datetime
from typing import Protocol

from deplite.failpoints import skewed


class Clock(Protocol):
    """What time it is."""

    def now(self) -> datetime:
        """Return the wall clock, in UTC."""

    def monotonic(self) -> float:
        """Return seconds of a clock that never goes back."""


class SystemClock:
    """The clock of this machine."""

    def __init__(self) -> None:
        self._seconds = skewed(time.time, "apiserver")

    def now(self) -> datetime:
        """Return the wall clock, in UTC."""
        return datetime.fromtimestamp(self._seconds(), UTC)

    def monotonic(self) -> float:
        """Return seconds since some fixed moment."""
        return time.monotonic()
