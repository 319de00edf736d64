"""Which requests of Slack were dealt with, at whichever replica: it sends an event again when the answer was late.

Nothing starts twice without this, for a run's name is made of its request. It is remembered so that a repeat is not
answered a second time, and so that a command which names no job by its id is not taken for one about a newer job.
"""

import contextlib

from deplite_apiserver.errors import UnavailableError
from deplite_apiserver.shared.once import Once

KEEP_SECONDS = 3600
"""Slack's last repeat of an event comes some minutes after the first."""
_EVENT, _COMMAND = "slack-event", "slack-command"


class Seen:
    """Requests of the last hour."""

    def __init__(self, once: Once) -> None:
        """Make it.

        Args:
            once: what all replicas remember together.
        """
        self._once = once

    async def dealt_with(self, event_id: str) -> bool:
        """Whether an event has its answer; while nobody can say, it counts as new: that costs a second answer."""
        try:
            return await self._once.happened(_EVENT, event_id)
        except UnavailableError:
            return False

    async def done(self, event_id: str) -> None:
        """Note that an event has its answer: not before, so that whoever dies on the way leaves it to the repeat."""
        with contextlib.suppress(UnavailableError):
            await self._once.first(_EVENT, event_id, KEEP_SECONDS)

    async def first(self, act: str, speaker: str, key: str) -> bool:
        """Note a command, before it is done; whether it is new.

        Args:
            act: the word for it.
            speaker: the id of who gave it.
            key: what a repeat of the same request has again.

        Raises:
            UnavailableError: nobody can say for the moment.
        """
        return await self._once.first(_COMMAND, f"{act} {speaker} {key}", KEEP_SECONDS)
