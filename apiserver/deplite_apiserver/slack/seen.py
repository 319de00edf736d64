"""Which requests of Slack were dealt with: it sends an event again when the answer was late. In this process."""

from collections.abc import Callable

KEEP_SECONDS = 3600.0
"""Slack's last repeat of an event comes some minutes after the first."""
MOST = 10_000


class Seen:
    """Remembers ids for an hour, the newest ten thousand."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Begin with none.

        Args:
            monotonic: seconds of a clock that never goes back.
        """
        self._monotonic = monotonic
        self._at: dict[str, float] = {}

    def first(self, one: str) -> bool:
        """Note an id; whether it is new."""
        now = self._monotonic()
        self._prune(now)
        if one in self._at:
            return False
        self._at[one] = now
        return True

    def _prune(self, now: float) -> None:
        # In the order of arrival: what is old is at the front.
        while self._at:
            oldest = next(iter(self._at))
            if len(self._at) <= MOST and now - self._at[oldest] < KEEP_SECONDS:
                return
            del self._at[oldest]
