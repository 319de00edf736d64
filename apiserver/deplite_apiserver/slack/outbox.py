"""Which card of a workspace is sent next, and when. Pure: it is told the time.

A card waits once, however often its job changes, and what is sent shows the job as it is then: a burst collapses by
itself. First messages and ends come before other news, and steps only where nothing else waits. A channel is left alone
for a moment after each message, and all of the workspace while Slack asks for it.
"""

from dataclasses import dataclass, replace
from enum import IntEnum

from deplite_apiserver.jobs.steps import JobKey


@dataclass(frozen=True, kw_only=True)
class Tempo:
    """Seconds, by what Slack allows: about one message a second in a channel, 50 edits a minute in a workspace."""

    channel: float = 1.2
    """Between two messages or edits in one channel."""
    step: float = 3.0
    """Between an edit of a card and one that shows nothing but another step."""


class Urgency(IntEnum):
    """What a card is sent for; the smaller, the sooner."""

    FIRST = 0
    """It is not there yet, or does not show the end."""
    NEWS = 1
    STEP = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A card that waits."""

    key: JobKey
    channel: str
    urgency: Urgency


MOST = 1000
"""Cards of one workspace that wait in memory; the others are in the cluster, and are looked for when there is room."""


class Outbox:
    """The cards of one workspace.

    Attributes:
        left_out: whether cards found no room since this was last set to false.
    """

    def __init__(self, tempo: Tempo | None = None, most: int = MOST) -> None:
        """Make an empty one.

        Args:
            tempo: how fast.
            most: how many may wait.
        """
        self._tempo, self._most = tempo or Tempo(), most
        self._waiting: dict[JobKey, Item] = {}
        self._free_at: dict[str, float] = {}
        self._sent_at: dict[JobKey, float] = {}
        self._paused_until = float("-inf")
        self.left_out = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, key: JobKey, channel: str, urgency: Urgency) -> None:
        """Let a card wait; one that waits already keeps its place, and the more urgent reason."""
        known = self._waiting.get(key)
        if known is not None:
            self._waiting[key] = replace(known, urgency=min(known.urgency, urgency))
        elif len(self._waiting) < self._most:
            self._waiting[key] = Item(key=key, channel=channel, urgency=urgency)
        elif urgency is not Urgency.STEP:
            self.left_out = True

    def drop(self, key: JobKey) -> None:
        """Let go of a card that is of no use any more."""
        self._waiting.pop(key, None)

    def take(self, now: float) -> Item | None:
        """Take out the card that is to be sent now, if one is."""
        self._prune(now)
        found = min(
            (item for item in self._waiting.values() if self._due(item) <= now),
            key=lambda item: item.urgency,
            default=None,
        )
        if found is None or (found.urgency is Urgency.STEP and not self._only_steps()):
            return None
        del self._waiting[found.key]
        self._free_at[found.channel] = now + self._tempo.channel
        self._sent_at.pop(found.key, None)
        self._sent_at[found.key] = now
        return found

    def wait(self, now: float) -> float | None:
        """Return the seconds until `take` may find something; None: nothing waits."""
        steps = self._only_steps()
        waiting = (item for item in self._waiting.values() if steps or item.urgency is not Urgency.STEP)
        due = min(map(self._due, waiting), default=None)
        return None if due is None else max(due - now, 0.0)

    def pause(self, until: float) -> None:
        """Send nothing before a moment."""
        self._paused_until = max(self._paused_until, until)

    def _due(self, item: Item) -> float:
        due = max(self._paused_until, self._free_at.get(item.channel, self._paused_until))
        if item.urgency is Urgency.STEP and item.key in self._sent_at:
            due = max(due, self._sent_at[item.key] + self._tempo.step)
        return due

    def _only_steps(self) -> bool:
        return all(item.urgency is Urgency.STEP for item in self._waiting.values())

    def _prune(self, now: float) -> None:
        self._free_at = {channel: at for channel, at in self._free_at.items() if at > now}
        for key in [key for key, at in self._sent_at.items() if at + self._tempo.step <= now]:
            del self._sent_at[key]
