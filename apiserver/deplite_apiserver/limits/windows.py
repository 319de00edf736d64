"""Fixed windows aligned to the UTC minute, hour and day, and the decision over several of them at once. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from deplite.resources.limits import RateLimit

WINDOW_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}


@dataclass(frozen=True, kw_only=True)
class Quota:
    """One counter with its bound."""

    key: str
    """What is counted, e.g. `token:<namespace>/<name>`."""
    scope: str
    """The word an over-limit answer shows: `token` or `workflow` or `token_read`."""
    window: str
    """`minute`, `hour` or `day`."""
    limit: int

    def window_start(self, now: datetime) -> int:
        """Return when the present window began, in unix seconds."""
        seconds = WINDOW_SECONDS[self.window]
        return int(now.timestamp()) // seconds * seconds

    def seconds_left(self, now: datetime) -> int:
        """Return whole seconds until the present window ends, at least 1."""
        end = self.window_start(now) + WINDOW_SECONDS[self.window]
        return max(1, -int(-(end - now.timestamp()) // 1))


def quotas(key: str, scope: str, limit: RateLimit) -> tuple[Quota, ...]:
    """Return the quotas of a rate limit; none where nothing is limited."""
    bounds = {"minute": limit.per_minute, "hour": limit.per_hour, "day": limit.per_day}
    return tuple(
        Quota(key=key, scope=scope, window=window, limit=bound) for window, bound in bounds.items() if bound is not None
    )


@dataclass(frozen=True, kw_only=True)
class Exceeded:
    """The answer of a limiter that refuses."""

    quota: Quota
    """The exhausted one whose window ends last."""
    observed: int
    """How many it has counted."""
    retry_after: int
    """Whole seconds until it lets somebody through again."""


def judge(checked: Sequence[Quota], counts: Sequence[int], now: datetime) -> Exceeded | None:
    """Return what forbids one more, or None where every quota has room."""
    exhausted = [(quota, count) for quota, count in zip(checked, counts, strict=True) if count >= quota.limit]
    if not exhausted:
        return None
    quota, observed = max(exhausted, key=lambda found: found[0].seconds_left(now))
    return Exceeded(quota=quota, observed=observed, retry_after=quota.seconds_left(now))
