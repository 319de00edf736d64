"""Nonces that agents have spent: a request that verified once does not verify again."""

from collections.abc import Iterable
from typing import Protocol

from deplite.protocol.request import CLOCK_WINDOW_SECONDS


class Nonces(Protocol):
    """Remembers spent nonces at least as long as their requests could be replayed."""

    async def spend(self, agent_id: str, nonce: str, timestamp: int) -> bool:
        """Spend a nonce whose signature has verified; false where it was spent before."""


class MemoryNonces:
    """The nonces of a single replica."""

    def __init__(self) -> None:
        self._spent: dict[tuple[str, str], int] = {}
        self._newest = 0

    async def spend(self, agent_id: str, nonce: str, timestamp: int) -> bool:
        """As `Nonces.spend`."""
        self._prune(timestamp)
        if (agent_id, nonce) in self._spent:
            return False
        self._spent[agent_id, nonce] = timestamp
        return True

    def remembered(self) -> Iterable[tuple[str, str]]:
        """Return agent and nonce of all that could still be replayed, and perhaps some more."""
        return self._spent

    def _prune(self, timestamp: int) -> None:
        # Timestamps lie within ±300 s of our clock, so one 600 s behind the newest can no longer be replayed. The
        # dictionary is in the order of arrival: what is old is at its front.
        self._newest = max(self._newest, timestamp)
        horizon = self._newest - 2 * CLOCK_WINDOW_SECONDS - 1
        while self._spent:
            first = next(iter(self._spent))
            if self._spent[first] >= horizon:
                return
            del self._spent[first]
