"""Nonces that agents have spent: a request that verified once does not verify again."""

from collections.abc import Callable, Iterable
from typing import Protocol

from deplite.protocol.request import CLOCK_WINDOW_SECONDS
from deplite_apiserver.errors import RateLimitedError, UnavailableError
from deplite_apiserver.limits.flow import Flow, Flows

_OTHER_CALLS_PER_SECOND = 100
"""Beside requests with log lines: a hundred times what an agent of many jobs needs."""
_BURST_SECONDS = 20


class Nonces(Protocol):
    """Remembers spent nonces at least as long as their requests could be replayed."""

    async def spend(self, agent_id: str, nonce: str, timestamp: int) -> bool:
        """Spend a nonce whose signature has verified; false where it was spent before.

        Raises:
            UnavailableError: it cannot be told.
        """


class PacedNonces:
    """Lets each agent spend no more than it needs, for every nonce takes memory for ten minutes, here and in Redis."""

    def __init__(self, nonces: Nonces, monotonic: Callable[[], float], *, log_requests_per_second: int) -> None:
        """Make it.

        Args:
            nonces: where they are spent.
            monotonic: seconds of a clock that never goes back.
            log_requests_per_second: how many of an agent's calls may carry log lines; these have their own limit.
        """
        rate = _OTHER_CALLS_PER_SECOND + log_requests_per_second
        self._nonces = nonces
        self._calls = Flows(monotonic, Flow(scope="agent_calls", rate=rate, burst=rate * _BURST_SECONDS))

    async def spend(self, agent_id: str, nonce: str, timestamp: int) -> bool:
        """As `Nonces.spend`.

        Raises:
            UnavailableError: as there, or the agent makes too many calls: agents repeat what gets 503.
        """
        try:
            self._calls.charge(agent_id, 1)
        except RateLimitedError as error:
            raise UnavailableError("This agent makes too many calls.", retry_after=error.retry_after) from None
        return await self._nonces.spend(agent_id, nonce, timestamp)


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
