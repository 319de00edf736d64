"""How fast each caller may use something up: token buckets, which fill again all the time. In this process.

Each replica measures by itself, so that a caller who asks several of them gets as many times as much.
"""

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from deplite_apiserver.errors import RateLimitedError

_PRUNE_AT = 10_000
_ROUNDING_SECONDS = 1e-6
"""Who waited as long as they were told is let through, however times were rounded."""


@dataclass(frozen=True, kw_only=True)
class Flow:
    """How much may be used at once, and how fast that comes back."""

    scope: str
    """The word an over-limit answer shows."""
    rate: float
    """Units a second."""
    burst: float
    """Units that may be used at once."""

    def used(self, before: float, seconds: float) -> float:
        """Return how much of the burst is still in use, seconds after it was `before`."""
        return max(0.0, before - self.rate * seconds)

    def wait(self, used: float, amount: float) -> int:
        """Return the whole seconds until an amount has room; 0: it has now."""
        missing = used + amount - self.burst
        return max(0, math.ceil(missing / self.rate - _ROUNDING_SECONDS))


class Flows:
    """One or more flows of each caller: an amount is counted in all of them, or in none."""

    def __init__(self, monotonic: Callable[[], float], *flows: Flow) -> None:
        """Make it; nobody has used anything yet.

        Args:
            monotonic: seconds of a clock that never goes back.
            flows: what is measured.
        """
        self._monotonic, self._flows = monotonic, flows
        self._used: dict[Hashable, tuple[float, tuple[float, ...]]] = {}
        """When it was counted, and how much was in use then."""
        self._prune_at = _PRUNE_AT

    def charge(self, caller: Hashable, *amounts: float) -> None:
        """Count an amount in each flow.

        Raises:
            RateLimitedError: one of them has no room now; nothing was counted.
        """
        now = self._monotonic()
        used = self._now_used(caller, now)
        waits = [flow.wait(*both) for flow, *both in zip(self._flows, used, amounts, strict=True)]
        if (longest := max(waits)) > 0:
            slowest = waits.index(longest)
            raise _refusal(self._flows[slowest], used[slowest], longest)
        self._used[caller] = now, tuple(one + amount for one, amount in zip(used, amounts, strict=True))
        if len(self._used) > self._prune_at:
            self._prune(now)

    def _now_used(self, caller: Hashable, now: float) -> tuple[float, ...]:
        at, before = self._used.get(caller, (now, (0.0,) * len(self._flows)))
        return tuple(flow.used(one, now - at) for flow, one in zip(self._flows, before, strict=True))

    def _prune(self, now: float) -> None:
        self._used = {caller: found for caller, found in self._used.items() if any(self._now_used(caller, now))}
        # Where most of them are in use, looking at all of them again at every charge would be slow.
        self._prune_at = max(_PRUNE_AT, 2 * len(self._used))


def _refusal(flow: Flow, observed: float, retry_after: int) -> RateLimitedError:
    extra = {
        "error": "rate_limited",
        "scope": flow.scope,
        "window": "second",
        "limit": math.floor(flow.rate),
        "observed": math.ceil(observed),
    }
    return RateLimitedError(retry_after=retry_after, extra=extra)
