"""Where a request comes from: the peer's address, or what proxies of ours say of it."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from fastapi import Request

Network = IPv4Network | IPv6Network


def client_address(request: Request) -> str:
    """Return the caller's IP address; empty where the server does not know it."""
    peer = request.client.host if request.client else ""
    trusted: Sequence[Network] = request.app.state.context.settings.trusted_proxies
    return nearest_stranger(peer, request.headers.getlist("x-forwarded-for"), trusted) if trusted else peer


def nearest_stranger(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """Return the address behind trusted proxies: the rightmost hop that is none of them.

    Each proxy appends whom it heard, so what stands to the left of the first stranger is only that stranger's word.

    Args:
        peer: the address at the other end of the connection.
        forwarded: the values of the `X-Forwarded-For` headers, in their order.
        trusted: the networks of the proxies whose word counts.
    """
    address = peer
    for hop in reversed([hop.strip() for value in forwarded for hop in value.split(",")]):
        if not within(address, trusted):
            break
        found = _plain(hop)
        if found is None:
            break  # a trusted proxy says something that is no address: what it last said counts
        address = str(found)
    return address


def within(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address is in one of the networks; what is no address is in none."""
    found = _plain(address)
    return found is not None and any(found in network for network in networks)


def _plain(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address, an IPv4 one where it was mapped into IPv6; some proxies add a port, or brackets."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
