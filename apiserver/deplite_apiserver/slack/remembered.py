"""What is remembered for a while in this process: the newest of it, and no more than so much."""

from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """Values by key, each for the same time."""

    def __init__(self, clock: Callable[[], float], seconds: float, most: int) -> None:
        """Begin with none.

        Args:
            clock: seconds.
            seconds: how long each is remembered.
            most: how many at most; then the oldest goes first.
        """
        self._clock, self._seconds, self._most = clock, seconds, most
        self._known: dict[str, tuple[float, Value]] = {}

    def get(self, key: str) -> Value | None:
        """Return what is remembered under a key."""
        at, value = self._known.get(key, (float("-inf"), None))
        return value if self._clock() - at < self._seconds else None

    def put(self, key: str, value: Value) -> None:
        """Remember something from now on."""
        self._known.pop(key, None)
        self._prune()
        self._known[key] = self._clock(), value

    def drop(self, key: str) -> None:
        """Forget something."""
        self._known.pop(key, None)

    def _prune(self) -> None:
        # In the order of arrival: what is old is at the front.
        now = self._clock()
        while self._known:
            oldest = next(iter(self._known))
            if len(self._known) < self._most and now - self._known[oldest][0] < self._seconds:
                return
            del self._known[oldest]
