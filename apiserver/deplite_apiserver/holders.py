"""Which object a credential stands for, where several hold its hash.

Whoever learns a token or code can put it into a Secret of his own and name that in an object of his. So the oldest
object that holds a hash is the one, also where it is spent, expired or being deleted: a younger one is never used.
"""

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from deplite.kube.cache import Cache, Change
from deplite.resources import ApiToken, EnrollmentToken
from deplite.resources.resource import Resource

Kind = TypeVar("Kind", bound=Resource)

log = logging.getLogger(__name__)


def token_hashes(token: ApiToken) -> frozenset[str]:
    """Return the hashes under which a token is found."""
    return frozenset(known.sha256 for known in token.status.hashes)


def code_hashes(code: EnrollmentToken) -> frozenset[str]:
    """Return the hash under which a code is found, if it has one."""
    return frozenset([code.status.hash] if code.status.hash else [])


class Holders(Generic[Kind]):
    """Who holds the hashes of one kind of credential: a reader of the index `hash` of its cache."""

    def __init__(self, cache: Cache[Kind], hashes: Callable[[Kind], frozenset[str]]) -> None:
        """Read a cache by `hashes`, its index, and warn of each object that comes to hold what another one holds."""
        self._cache = cache
        self._hashes = hashes
        cache.subscribe(self._warn)

    def oldest(self, sha256: str) -> Kind | None:
        """Return the object that a credential of that hash stands for; none before all holders are known."""
        if not self._cache.synced:
            return None
        return min(self._cache.by("hash", sha256), key=lambda found: found.age, default=None)

    def _warn(self, change: Change[Kind]) -> None:
        before = self._hashes(change.old) if change.old else frozenset()
        now = self._hashes(change.new) if change.new else frozenset()
        for sha256 in now - before:
            holders = self._cache.by("hash", sha256)
            if len(holders) > 1:
                log.warning(
                    "%s: %s holds a credential that another one holds, too; of all only the oldest is used: %s",
                    self._cache.kind.PLURAL,
                    "/".join(change.key),
                    "/".join(min(holders, key=lambda found: found.age).key),
                    extra={"action": "credential_shared"},
                )
