"""Wrong credentials, counted by the address that they come from: after a hundred in a minute it has to wait.

Only what fails is counted, and only what fails is refused: a caller with a good credential is served even when it
shares its address (a NAT, an ingress) with somebody who guesses. Health probes show no credential and never come here.
"""

import contextlib
from collections.abc import AsyncIterator
from ipaddress import IPv6Address, ip_address, ip_network

from deplite_apiserver.errors import InvalidEnrollTokenError, InvalidTokenError, PodReplacedError
from deplite_apiserver.limits.limiter import Limiter, refusal
from deplite_apiserver.limits.windows import Exceeded, Quota

FAILURES_PER_MINUTE = 100
SCOPE = "authentication"


@contextlib.asynccontextmanager
async def failures_counted(limiter: Limiter, address: str) -> AsyncIterator[None]:
    """Count the block's refusal of a credential against an address.

    Raises:
        RateLimitedError: instead of the refusal, where the address has had its failures of this minute.
    """
    try:
        yield
    except (InvalidTokenError, InvalidEnrollTokenError, PodReplacedError):
        key = f"{SCOPE}:{source_of(address)}"
        quota = Quota(key=key, scope=SCOPE, window="minute", limit=FAILURES_PER_MINUTE)
        outcome = await limiter.reserve([quota])
        if isinstance(outcome, Exceeded):
            raise refusal(outcome) from None
        raise


def source_of(address: str) -> str:
    """Return what failures are counted under: an IPv4 address, or the /64 that one IPv6 caller usually has."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or ip_network((int(found), 64), strict=False))
    return str(found)
