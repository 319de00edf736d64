"""The local copies that requests are decided on: one watch a kind, whole objects but for jobs and files."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any, TypeVar

from prometheus_client import Counter

from deplite.kube.cache import Cache
from deplite.kube.client import KubeClient
from deplite.kube.errors import KubeError, NotFoundError
from deplite.resources import Agent, AgentPool, ApiToken, EnrollmentToken, Organization, StoredFile, Trigger
from deplite.resources.deployjob import DeployJob
from deplite.resources.identifiers import object_id
from deplite.resources.organization import ORGANIZATION_NAME
from deplite.resources.resource import Resource
from deplite.resources.slackinstallation import SlackInstallation
from deplite_apiserver.errors import UnavailableError
from deplite_apiserver.files.view import INDEXES as FILE_INDEXES
from deplite_apiserver.files.view import FileView
from deplite_apiserver.files.view import project as project_file
from deplite_apiserver.holders import Holders, code_hashes, token_hashes
from deplite_apiserver.jobs.view import INDEXES as JOB_INDEXES
from deplite_apiserver.jobs.view import JobView, project
from deplite_apiserver.rounds import Rounds
from deplite_apiserver.settings import Waits

PULSE_SECONDS = 2.0
"""How often the API server is asked for a sign of life that only etcd can give; its watches go on without etcd."""


Found = TypeVar("Found")
Kind = TypeVar("Kind", bound=Resource)


class Caches:
    """All caches of a replica. The indexes `id` hold REST ids, `namespace` an organization's objects."""

    def __init__(self, kube: KubeClient, waits: Waits) -> None:
        self._kube = kube
        self._missing, self._choosing = Rounds(waits.missing), Rounds(waits.choosing)
        self._answered_at = time.monotonic()
        self.organizations: Cache[Organization] = Cache(kube, Organization, Organization.model_validate)
        self.agents: Cache[Agent] = Cache(
            kube,
            Agent,
            Agent.model_validate,
            indexes={"id": lambda found: object_id("ag", *found.key), "namespace": lambda found: found.namespace},
        )
        self.pools: Cache[AgentPool] = Cache(kube, AgentPool, _without_agents)
        self.triggers: Cache[Trigger] = Cache(
            kube,
            Trigger,
            Trigger.model_validate,
            indexes={
                "id": lambda found: object_id("tr", *found.key),
                "namespace": lambda found: found.namespace,
                "agent": lambda found: (found.namespace, found.spec.agent),
                "scheduled": lambda found: found.spec.type == "schedule" or found.status.schedule is not None or None,
            },
        )
        self.tokens: Cache[ApiToken] = Cache(
            kube,
            ApiToken,
            ApiToken.model_validate,
            indexes={
                "id": lambda found: object_id("tok", *found.key),
                "namespace": lambda found: found.namespace,
                "hash": token_hashes,
            },
        )
        self.token_holders = Holders(self.tokens, token_hashes)
        self.enrollments: Cache[EnrollmentToken] = Cache(
            kube,
            EnrollmentToken,
            EnrollmentToken.model_validate,
            indexes={
                "id": lambda found: object_id("enr", *found.key),
                "namespace": lambda found: found.namespace,
                "hash": code_hashes,
            },
        )
        self.code_holders = Holders(self.enrollments, code_hashes)
        self.slack: Cache[SlackInstallation] = Cache(
            kube,
            SlackInstallation,
            SlackInstallation.model_validate,
            indexes={"namespace": lambda found: found.namespace, "team": lambda found: found.spec.team_id},
        )
        self.jobs: Cache[JobView] = Cache(kube, DeployJob, project, indexes=JOB_INDEXES)
        self.files: Cache[FileView] = Cache(kube, StoredFile, project_file, indexes=FILE_INDEXES)

    def all(self) -> tuple[Cache[Any], ...]:
        """Return every cache."""
        return (
            self.organizations,
            self.agents,
            self.pools,
            self.triggers,
            self.tokens,
            self.enrollments,
            self.slack,
            self.jobs,
            self.files,
        )

    @property
    def synced(self) -> bool:
        """Whether every first list is complete."""
        return all(cache.synced for cache in self.all())

    @property
    def failing(self) -> bool:
        """Whether the API server did not answer one of them the last time."""
        return any(cache.failing for cache in self.all())

    @property
    def silence(self) -> float:
        """Seconds since the API server last answered out of etcd."""
        return time.monotonic() - self._answered_at

    async def run(self, failures: Counter) -> None:
        """Keep all caches, for ever; failed watches are counted by resource."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._feel_pulse())
            for cache in self.all():
                group.create_task(cache.run(failures.labels(cache.kind.PLURAL).inc))

    async def _feel_pulse(self) -> None:
        while True:
            with contextlib.suppress(KubeError):
                await self._kube.version(Organization)
                self._answered_at = time.monotonic()
            await asyncio.sleep(PULSE_SECONDS)

    def organization(self, namespace: str) -> Organization | None:
        """Return the Organization object of a namespace."""
        return self.organizations.get(namespace, ORGANIZATION_NAME)

    async def find(self, cache: Cache[Any], look: Callable[[], Found | None]) -> Found | None:
        """Look something up; on a miss, once more when the cache has caught up with the API server.

        Objects made a moment ago through another replica or kubectl are found so. Misses of junk cannot flood the API
        server: look-ups at the same time share what is asked of it, and beyond a few dozen a second they wait to do so.

        Raises:
            UnavailableError: the cache is still being filled, or its watch failed: what it lacks may well exist.
            KubeError: the API server cannot be asked: neither "found" nor "not found" would be the truth.
        """
        found = look()
        if found is not None:
            return found
        if not cache.synced or not await self._missing.reach(cache):
            raise UnavailableError(retry_after=1)
        return look()

    async def settle(self, cache: Cache[Any]) -> None:
        """See what was written before this call, before one of all is chosen; a large quiet cache counts as such.

        Raises:
            UnavailableError: the cache's watch failed, and too many ask.
            KubeError: the API server cannot be asked, or the cache does not get so far.
        """
        if not await self._choosing.reach(cache):
            raise UnavailableError(retry_after=1)

    async def current(self, cache: Cache[Any], known: Kind) -> Kind | None:
        """Return what may be decided on: the object as cached, or as the API server has it while no watch stands.

        A token that was revoked at another replica is refused here soon, also when watches come back late.

        Raises:
            KubeError: the API server does not tell.
        """
        return await self.reread(cache, known.key, known.metadata.uid) if cache.deaf else known

    async def reread(self, cache: Cache[Any], key: tuple[str, str], uid: str) -> Any:
        """Return an object as the API server has it now, which the cache then knows; None: it is gone.

        Raises:
            KubeError: the API server does not tell.
        """
        try:
            found = await self._kube.get(cache.kind, *key)
        except NotFoundError:
            cache.forget(*key, uid)
            return None
        cache.note(found)
        return found


def _without_agents(body: Any) -> AgentPool:
    """Return a pool without the names of its agents: there may be thousands, and nobody here asks for them."""
    pool = AgentPool.model_validate(body)
    return pool.model_copy(update={"status": pool.status.model_copy(update={"agents": ()})})
