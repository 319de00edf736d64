"""Buttons that were just pressed: two people who press the same one at the same moment start one run. In memory."""

from collections.abc import Callable
from dataclasses import dataclass

HOLD_SECONDS = 60.0
MOST = 10_000


@dataclass
class Press:
    """A press of a card's button, and what it has started."""

    at: float
    started: str | None = None
    """The id of the job."""


class Presses:
    """Remembers presses for a minute."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Begin with none.

        Args:
            monotonic: seconds of a clock that never goes back.
        """
        self._monotonic = monotonic
        self._known: dict[str, Press] = {}

    def earlier(self, card: str) -> Press | None:
        """Return the press of the last minute, or note this one as the first."""
        now = self._monotonic()
        while self._known:
            oldest = next(iter(self._known))
            if len(self._known) < MOST and now - self._known[oldest].at < HOLD_SECONDS:
                break
            del self._known[oldest]
        if card in self._known:
            return self._known[card]
        self._known[card] = Press(at=now)
        return None

    def started(self, card: str, job_id: str) -> None:
        """Note what a press has started."""
        if card in self._known:
            self._known[card].started = job_id

    def forget(self, card: str) -> None:
        """Let the next press count as the first: this one has started nothing."""
        self._known.pop(card, None)
