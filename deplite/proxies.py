"""Proxies that the environment names lead out of this machine, and never back to it."""

import os
from collections.abc import MutableMapping

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
SPARED = ("NO_PROXY", "no_proxy")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def spare_loopback(environment: MutableMapping[str, str] = os.environ) -> None:
    """Have every HTTP client of this process reach loopback directly, as kubectl and other programs in Go do anyway.

    Python's clients take a proxy for all that `NO_PROXY` does not name, and our parts on one machine use loopback.
    """
    if not any(environment.get(name) or environment.get(name.lower()) for name in PROXIES):
        return
    named = (environment.get("no_proxy") or environment.get("NO_PROXY") or "").split(",")
    spared = ",".join(dict.fromkeys(host for entry in (*named, *_LOOPBACK) if (host := entry.strip())))
    environment.update(dict.fromkeys(SPARED, spared))
