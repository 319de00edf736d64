"""Things that may happen once: an event that Slack tells again, a state that was used."""

import secrets
import time
from collections.abc import Callable
from typing import Protocol

from deplite_apiserver.shared.link import USUAL_SECONDS, Link

MOST = 10_000
"""Things that one replica remembers in its own memory."""


class Once(Protocol):
    """Remembers what happened; without Redis the last ten thousand things, whatever their seconds."""

    async def first(self, kind: str, key: str, seconds: int) -> bool:
        """Say whether this is the first time; whoever asks next within `seconds` hears that it is not.

        Args:
            kind: a word for what it is, so that equal keys of different things are apart.
            key: which one; short.
            seconds: how long to remember it.

        Raises:
            UnavailableError: nobody can say for the moment, and nothing is remembered for sure.
        """

    async def happened(self, kind: str, key: str) -> bool:
        """Say whether `first` was asked for this within its seconds, without remembering anything.

        Raises:
            UnavailableError: nobody can say for the moment.
        """

    async def forget(self, kind: str, key: str) -> None:
        """Let it happen after all.

        Raises:
            UnavailableError: it may be remembered still.
        """


class MemoryOnce:
    """What happened on the one replica that there is; forgotten with it."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._until: dict[tuple[str, str], float] = {}
        """In the order in which it happened."""

    async def first(self, kind: str, key: str, seconds: int) -> bool:
        """As `Once.first`."""
        if await self.happened(kind, key):
            return False
        await self.forget(kind, key)
        self._prune()
        self._until[kind, key] = self._monotonic() + seconds
        return True

    async def happened(self, kind: str, key: str) -> bool:
        """As `Once.happened`."""
        return self._until.get((kind, key), float("-inf")) > self._monotonic()

    async def forget(self, kind: str, key: str) -> None:
        """As `Once.forget`."""
        self._until.pop((kind, key), None)

    def _prune(self) -> None:
        now = self._monotonic()
        while self._until:
            oldest = next(iter(self._until))
            if len(self._until) < MOST and self._until[oldest] > now:
                return
            del self._until[oldest]


class RedisOnce:
    """What happened on any replica."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def first(self, kind: str, key: str, seconds: int) -> bool:
        """As `Once.first`."""
        return await set_first(self._link, self._key(kind, key), seconds)

    async def happened(self, kind: str, key: str) -> bool:
        """As `Once.happened`."""
        name = self._key(kind, key)
        return bool(await self._link.ask(lambda: self._link.client.exists(name), repeatable=True))

    async def forget(self, kind: str, key: str) -> None:
        """As `Once.forget`."""
        name = self._key(kind, key)
        await self._link.ask(lambda: self._link.client.delete(name), repeatable=True)

    def _key(self, kind: str, key: str) -> str:
        return self._link.key("once", kind, key)


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
