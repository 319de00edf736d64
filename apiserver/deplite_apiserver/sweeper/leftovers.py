"""Removes what a REST call left half made: a token or a code that nobody was ever shown."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Protocol

from deplite.kube.errors import NotFoundError
from deplite.resources.apitoken import ApiToken
from deplite.resources.enrollmenttoken import EnrollmentToken
from deplite.resources.resource import Resource

HALF_MADE_AFTER = timedelta(minutes=10)


class Deleter(Protocol):
    """What is needed of `KubeClient`."""

    async def delete(self, kind: type[Resource], namespace: str, name: str, *, uid: str | None = None) -> None:
        """Delete one very object."""


def half_made(found: ApiToken | EnrollmentToken, now: datetime) -> bool:
    """Whether REST created the object and then never got to mint."""
    minted = found.status.hashes if isinstance(found, ApiToken) else found.status.hash
    created = found.metadata.creation_timestamp
    return found.spec.minted_by == "api" and not minted and created is not None and now - created >= HALF_MADE_AFTER


class Leftovers:
    """Deletes half-made credentials."""

    def __init__(
        self,
        *,
        store: Deleter,
        credentials: Callable[[], Iterable[ApiToken | EnrollmentToken]],
        now: Callable[[], datetime],
    ) -> None:
        self._store, self._credentials, self._now = store, credentials, now

    async def round(self) -> None:
        """Delete those that are due."""
        now = self._now()
        for found in [one for one in self._credentials() if half_made(one, now)]:
            try:
                await self._store.delete(type(found), found.namespace, found.name, uid=found.metadata.uid)
            except NotFoundError:
                continue
