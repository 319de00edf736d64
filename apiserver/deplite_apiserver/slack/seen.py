"""Which requests of Slack were dealt with: it sends an event again when the answer was late. In this process."""

from collections.abc import Callable

from deplite_apiserver.slack.remembered import Remembered

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
        self._ids: Remembered[bool] = Remembered(monotonic, KEEP_SECONDS, MOST)

    def first(self, one: str) -> bool:
        """Note an id; whether it is new."""
        if self._ids.get(one):
            return False
        self._ids.put(one, True)
        return True
