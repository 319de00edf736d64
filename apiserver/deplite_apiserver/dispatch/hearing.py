"""Whether this server is able to hear agents, and since when without a break.

An agent's silence counts only while we could have heard it, or of it: a process that was paused, an event loop that
stood still, a Kubernetes API that did not answer (then calls are refused), a Redis by which the other replicas could
not tell us whom they hear, or one of them that it does not reach (`cutoff.py`) must never mark anybody as lost.
"""

from collections.abc import Callable

TICK_SECONDS = 1.0
"""How often `tick` is to be called."""
MAX_PAUSE_SECONDS = 6.0
"""Two ticks further apart than this mean that the process stood still."""
MAX_DEAF_SECONDS = 15.0
"""A Kubernetes API that has answered nothing for so long is away: it is asked every two seconds. So are the other
replicas where Redis has brought nothing of them for so long: we ask every three."""


class Hearing:
    """The clock of silence.

    Attributes:
        since: monotonic time since which every call of an agent would have been heard.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Make the clock; it starts now.

        Args:
            monotonic: seconds of a clock that never goes back.
        """
        self._monotonic = monotonic
        self.since = self._ticked_at = monotonic()

    def tick(self, deaf: float) -> None:
        """Look whether hearing went on.

        Args:
            deaf: seconds since the last word from the Kubernetes API, or from the other replicas if that is longer ago;
                without end while one of these cannot tell what it hears.
        """
        now = self._monotonic()
        paused = now - self._ticked_at > MAX_PAUSE_SECONDS
        if paused or deaf > MAX_DEAF_SECONDS:
            self.since = now
        self._ticked_at = now

    def silence(self, contact_at: float | None) -> float:
        """Return for how many seconds somebody last heard of then has been silent while we were listening."""
        now = self._monotonic()
        if now - self._ticked_at > MAX_PAUSE_SECONDS:
            return 0.0
        return now - max(self.since, self.since if contact_at is None else contact_at)
