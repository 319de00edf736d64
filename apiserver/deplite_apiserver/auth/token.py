"""API tokens: checksum first, then the hash in the cache, then expiry and networks; every failure looks alike."""

import asyncio
import contextlib
from datetime import datetime
from ipaddress import ip_network

from deplite.kube.errors import UnavailableError
from deplite.resources import ApiToken
from deplite.resources.credentials import describe, well_formed
from deplite_apiserver.auth.callers import TokenCaller
from deplite_apiserver.caches import Caches
from deplite_apiserver.edge.source import within
from deplite_apiserver.errors import InvalidTokenError

REREAD_SECONDS = 0.4
"""For the API server to tell of a token while no watch stands, beside what the call itself needs; a run asks anew and
is not accepted without an answer (`call_of`)."""


async def verify_token(caches: Caches, text: str, *, address: str, now: datetime) -> TokenCaller:
    """Return the caller that an API token stands for.

    Args:
        caches: where tokens are found; a miss waits for the cache to catch up.
        text: the token.
        address: the client's IP address.
        now: the present moment.

    Raises:
        InvalidTokenError: it is unknown, expired, rotated away, revoked, or used from a network it may not come from.
    """
    if not well_formed(text, "tk"):
        raise InvalidTokenError
    shown = describe(text)
    token = await caches.find(caches.tokens, lambda: caches.token_holders.oldest(shown.sha256))
    if token is not None:
        with contextlib.suppress(UnavailableError, TimeoutError):  # what is known goes on being told
            async with asyncio.timeout(REREAD_SECONDS):
                token = await caches.current(caches.tokens, token)
    if token is None or not token_good(token, shown.sha256, now) or not address_allowed(token, address):
        raise InvalidTokenError
    return TokenCaller(token=token, prefix=shown.prefix)


def token_good(token: ApiToken, sha256: str, now: datetime) -> bool:
    """Whether the token, and this spelling of it, are still good."""
    if token.metadata.deletion_timestamp is not None:
        return False
    if token.spec.expires_at is not None and now >= token.spec.expires_at:
        return False
    return any(
        known.sha256 == sha256 and (known.not_after is None or now < known.not_after) for known in token.status.hashes
    )


def still_good(caches: Caches, caller: TokenCaller, now: datetime) -> ApiToken | None:
    """Return the token of a caller who stays, as it is now; None once it is revoked, rotated away or expired."""
    token = caches.tokens.get(*caller.token.key)
    if token is None or token.metadata.uid != caller.token.metadata.uid:
        return None
    shown = [known for known in token.status.hashes if known.prefix == caller.prefix]
    return token if any(token_good(token, known.sha256, now) for known in shown) else None


def address_allowed(token: ApiToken, address: str) -> bool:
    """Whether the token may be used from there; no list allows any network."""
    if not token.spec.allowed_cidrs:
        return True
    try:
        return within(address, [ip_network(cidr, strict=False) for cidr in token.spec.allowed_cidrs])
    except ValueError:
        return False
