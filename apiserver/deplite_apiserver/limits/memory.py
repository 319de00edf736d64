"""The limiter of a single replica: counters in this process."""

from collections.abc import Sequence
from datetime import datetime

from deplite_apiserver.clock import Clock
from deplite_apiserver.limits.limiter import Reservation
from deplite_apiserver.limits.windows import WINDOW_SECONDS, Exceeded, Quota, judge

_PRUNE_AT = 10_000

_Counter = tuple[str, str, int]
"""Key, window and window start."""


class MemoryLimiter:
    """Counts in memory; nothing awaits between the check and the count, so both are one step."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: dict[_Counter, int] = {}
        self._prune_at = _PRUNE_AT

    async def check(self, quotas: Sequence[Quota]) -> Exceeded | None:
        """As `Limiter.check`."""
        now = self._clock.now()
        return self._exceeded(quotas, _counters(quotas, now), now)

    async def reserve(self, quotas: Sequence[Quota]) -> Reservation | Exceeded:
        """As `Limiter.reserve`."""
        now = self._clock.now()
        keys = _counters(quotas, now)
        exceeded = self._exceeded(quotas, keys, now)
        if exceeded is not None:
            return exceeded
        for key in keys:
            self._counts[key] = self._counts.get(key, 0) + 1
        if len(self._counts) > self._prune_at:
            self._prune(now)
        return Reservation(counted=keys)

    async def give_back(self, reservation: Reservation) -> None:
        """As `Limiter.give_back`."""
        for key in reservation.counted:
            if self._counts.get(key, 0) > 0:
                self._counts[key] -= 1

    def seed(self, key: str, at: datetime) -> None:
        """Count a use that happened before this process started, so that a restart does not reset the windows."""
        for window, seconds in WINDOW_SECONDS.items():
            start = int(at.timestamp()) // seconds * seconds
            self._counts[key, window, start] = self._counts.get((key, window, start), 0) + 1

    def _exceeded(self, quotas: Sequence[Quota], keys: Sequence[_Counter], now: datetime) -> Exceeded | None:
        return judge(quotas, [self._counts.get(key, 0) for key in keys], now)

    def _prune(self, now: datetime) -> None:
        moment = now.timestamp()
        self._counts = {
            key: count for key, count in self._counts.items() if key[2] + WINDOW_SECONDS[key[1]] > moment and count
        }
        # Where most of them are still counting, looking at all of them again at every use would be slow.
        self._prune_at = max(_PRUNE_AT, 2 * len(self._counts))


def _counters(quotas: Sequence[Quota], now: datetime) -> tuple[_Counter, ...]:
    return tuple((quota.key, quota.window, quota.window_start(now)) for quota in quotas)
