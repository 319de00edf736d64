"""Removes what REST left: a token or a code that nobody was ever shown, and an agent that was revoked long ago."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Protocol

from deplite.kube.errors import NotFoundError
from deplite.resources.agent import Agent
from deplite.resources.agentpool import POOL_LABEL
from deplite.resources.apitoken import ApiToken
from deplite.resources.enrollmenttoken import EnrollmentToken
from deplite.resources.reasons import AGENT_REVOKED, STALLED
from deplite.resources.resource import Resource

HALF_MADE_AFTER = timedelta(minutes=10)
REVOKED_KEPT = timedelta(days=30)
"""How long a revoked agent stays listed; afterwards its calls are those of an unknown one, refused like before."""


class Deleter(Protocol):
    """What is needed of `KubeClient`."""

    async def delete(self, kind: type[Resource], namespace: str, name: str, *, uid: str | None = None) -> None:
        """Delete one very object."""


def half_made(found: ApiToken | EnrollmentToken, now: datetime) -> bool:
    """Whether REST created the object and then never got to mint."""
    minted = found.status.hashes if isinstance(found, ApiToken) else found.status.hash
    created = found.metadata.creation_timestamp
    return found.spec.minted_by == "api" and not minted and created is not None and now - created >= HALF_MADE_AFTER


def long_revoked(found: Agent, now: datetime) -> bool:
    """Whether an agent that REST made was revoked long ago; one that is declared goes when its declaration does.

    One of a pool stays: its pod would enrol again.
    """
    seen = found.status.condition(STALLED)
    if (
        POOL_LABEL in found.metadata.labels
        or not (found.managed_by_api and found.spec.revoked)
        or seen is None
        or seen.reason != AGENT_REVOKED
    ):
        return False
    return now - seen.last_transition_time >= REVOKED_KEPT


class Leftovers:
    """Deletes half-made credentials and long revoked agents."""

    def __init__(
        self,
        *,
        store: Deleter,
        credentials: Callable[[], Iterable[ApiToken | EnrollmentToken]],
        agents: Callable[[], Iterable[Agent]],
        now: Callable[[], datetime],
    ) -> None:
        self._store, self._credentials, self._agents, self._now = store, credentials, agents, now

    async def round(self) -> None:
        """Delete those that are due."""
        now = self._now()
        due: list[Resource] = [one for one in self._credentials() if half_made(one, now)]
        due += [one for one in self._agents() if long_revoked(one, now)]
        for found in [one for one in due if one.metadata.deletion_timestamp is None]:
            try:
                await self._store.delete(type(found), found.namespace, found.name, uid=found.metadata.uid)
            except NotFoundError:
                continue
