"""What a limiter does, whoever counts: memory for one replica, a shared store for several."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from deplite_apiserver.errors import RateLimitedError
from deplite_apiserver.limits.windows import Exceeded, Quota


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """One counted use; give it back where nothing came of it."""

    counted: tuple[tuple[str, str, int], ...]
    """Key, window and window start of each counter."""
    seeded: str = ""
    """Which seeding of a shared store it belongs to; after another one there is nothing to give back."""


class Limiter(Protocol):
    """Counts uses in fixed windows."""

    async def reserve(self, quotas: Sequence[Quota]) -> Reservation | Exceeded:
        """Check all quotas and, if each has room, count one use in each: in one step, or not at all."""

    async def check(self, quotas: Sequence[Quota]) -> Exceeded | None:
        """Return what would forbid one more use now, counting nothing; None where each quota has room."""

    async def give_back(self, reservation: Reservation) -> None:
        """Take a use back that did not happen."""


def refusal(exceeded: Exceeded) -> RateLimitedError:
    """Return the error that tells a caller about an exhausted quota, in the seed's and the SDKs' members."""
    extra = {
        "error": "rate_limited",
        "scope": exceeded.quota.scope,
        "window": exceeded.quota.window,
        "limit": exceeded.quota.limit,
        "observed": exceeded.observed,
    }
    return RateLimitedError(retry_after=exceeded.retry_after, extra=extra)
