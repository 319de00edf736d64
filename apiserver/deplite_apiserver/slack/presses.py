"""Buttons that were just pressed: two people who press the same one at the same moment start one run. In memory."""

from collections.abc import Callable
from dataclasses import dataclass

from deplite_apiserver.slack.remembered import Remembered

HOLD_SECONDS = 60.0
MOST = 10_000


@dataclass
class Press:
    """A press of a card's button, and what it has started."""

    started: str | None = None
    """The id of the job."""


class Presses:
    """Remembers presses for a minute."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Begin with none.

        Args:
            monotonic: seconds of a clock that never goes back.
        """
        self._known: Remembered[Press] = Remembered(monotonic, HOLD_SECONDS, MOST)

    def earlier(self, card: str) -> Press | None:
        """Return the press of the last minute, or note this one as the first."""
        if (press := self._known.get(card)) is not None:
            return press
        self._known.put(card, Press())
        return None

    def started(self, card: str, job_id: str) -> None:
        """Note what a press has started."""
        if (press := self._known.get(card)) is not None:
            press.started = job_id

    def forget(self, card: str) -> None:
        """Let the next press count as the first: this one has started nothing."""
        self._known.drop(card)
