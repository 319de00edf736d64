"""Things that may happen once: an event that Slack tells again, a state that was used."""

import secrets
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from deplite_apiserver.shared.link import USUAL_SECONDS, Link


class Once(Protocol):
    """Remembers what happened."""

    async def first(self, kind: str, key: str, seconds: int) -> bool:
        """Say whether this is the first time; whoever asks next within `seconds` hears that it is not.

        Args:
            kind: a word for what it is, so that equal keys of different things are apart.
            key: which one; short.
            seconds: how long to remember it.

        Raises:
            UnavailableError: nobody can say for the moment, and nothing is remembered for sure.
        """


class MemoryOnce:
    """What happened on the one replica that there is; forgotten with it."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._until: dict[tuple[str, str], float] = {}
        self._ends: dict[int, deque[tuple[float, tuple[str, str]]]] = {}
        """By duration: then each is in the order in which they end."""

    async def first(self, kind: str, key: str, seconds: int) -> bool:
        """As `Once.first`."""
        now = self._monotonic()
        self._forget(now)
        if (kind, key) in self._until:
            return False
        self._until[kind, key] = now + seconds
        self._ends.setdefault(seconds, deque()).append((now + seconds, (kind, key)))
        return True

    def _forget(self, now: float) -> None:
        for ends in self._ends.values():
            while ends and ends[0][0] <= now:
                del self._until[ends.popleft()[1]]


class RedisOnce:
    """What happened on any replica."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def first(self, kind: str, key: str, seconds: int) -> bool:
        """As `Once.first`."""
        return await set_first(self._link, self._link.key("once", kind, key), seconds)


async def set_first(link: Link, key: str, seconds: int, *, wait: float = USUAL_SECONDS) -> bool:
    """Set a key that nobody has set within `seconds`; false where somebody has.

    Its value tells whether that was this very call, whose answer was lost: so it may be repeated.

    Raises:
        RedisAwayError: Redis does not answer.
    """
    mine = secrets.token_bytes(8)
    before = await link.ask(
        lambda: link.client.set(key, mine, nx=True, get=True, ex=seconds), repeatable=True, seconds=wait
    )
    return before is None or before == mine
