"""Followers at one replica of a log that grows at another: they are woken across, and its agent is asked to hurry.

A follower that looks says so to the others every few seconds; who stores lines of such a log rings.
"""

import time
from collections.abc import Callable
from typing import Any

from deplite_apiserver.shared.bells import Bells
from deplite_apiserver.storage.logstore import FOLLOWED_SECONDS, LogStore
from deplite_apiserver.storage.pieces import LogName

SAID_SECONDS = FOLLOWED_SECONDS / 2
FOLLOWED, LINES = "log-followed", "log-lines"
_PRUNE_AT = 1000


class DistantFollowers:
    """Which logs are followed elsewhere."""

    def __init__(
        self, bells: Bells, logs: LogStore | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Make it, and have it hear of followers and of lines.

        Args:
            bells: reach the other replicas.
            logs: where lines are stored; None: nobody is elsewhere.
            monotonic: seconds of a clock that never goes back.
        """
        self._bells, self._logs, self._monotonic = bells, logs, monotonic
        self._said_at: dict[LogName, float] = {}
        self._followed_until: dict[LogName, float] = {}
        self._wake: Callable[[LogName], None] = lambda _: None
        bells.subscribe(FOLLOWED, self._hear_followed)
        bells.subscribe(LINES, lambda name: self._wake(_read(name)))
        if logs is not None:
            logs.subscribe(lambda name, _: self._stored(name))

    def subscribe(self, wake: Callable[[LogName], None]) -> None:
        """Call back when another replica stored lines of a log that is followed here."""
        self._wake = wake

    def follow(self, name: LogName) -> None:
        """Note that somebody here follows a log."""
        now = self._monotonic()
        if now - self._said_at.get(name, float("-inf")) >= SAID_SECONDS:
            if len(self._said_at) > _PRUNE_AT:
                self._said_at = {one: at for one, at in self._said_at.items() if now - at < SAID_SECONDS}
            self._said_at[name] = now
            self._bells.ring(FOLLOWED, [name.organization, name.storage_key])

    def _hear_followed(self, said: Any) -> None:
        now = self._monotonic()
        if len(self._followed_until) > _PRUNE_AT:
            self._followed_until = {one: until for one, until in self._followed_until.items() if until > now}
        self._followed_until[_read(said)] = now + FOLLOWED_SECONDS
        if self._logs is not None:
            self._logs.note_followed(_read(said))

    def _stored(self, name: LogName) -> None:
        if self._followed_until.get(name, 0.0) > self._monotonic():
            self._bells.ring(LINES, [name.organization, name.storage_key])


def _read(said: Any) -> LogName:
    return LogName(organization=str(said[0]), storage_key=str(said[1]))
