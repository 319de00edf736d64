"""What the operator knows: one cache a kind, fed by kopf's watches and made whole by a list every minute.

The caches hold typed objects; an Agent's reported workflows are cut down to their names, which is all that is asked.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from deplite.kube.cache import Cache, Change, Key
from deplite.kube.client import KubeClient
from deplite.resources import (
    Agent,
    AgentPool,
    ApiToken,
    EnrollmentToken,
    Organization,
    Resource,
    SlackInstallation,
    Trigger,
)
from deplite.resources.agentpool import POOL_LABEL

KINDS: tuple[type[Resource], ...] = (
    Organization,
    Agent,
    AgentPool,
    Trigger,
    ApiToken,
    EnrollmentToken,
    SlackInstallation,
)
"""The kinds that the operator reconciles; DeployJobs are none of them."""

Item = tuple[type[Resource], Key]
"""One object to look at."""


def _project_agent(known: Mapping[str, Any] | Agent) -> Agent:
    body = known.wire() if isinstance(known, Agent) else known
    status = dict(body.get("status") or {})
    status["workflows"] = [{"name": workflow.get("name")} for workflow in status.get("workflows", ())]
    return Agent.model_validate(dict(body) | {"status": status})


class World:
    """All objects of the kinds that the operator reconciles."""

    def __init__(self, kube: KubeClient) -> None:
        self.organizations = Cache(kube, Organization, Organization.model_validate)
        self.agents = Cache(kube, Agent, _project_agent, indexes={"pool": pool_of})
        self.pools = Cache(kube, AgentPool, AgentPool.model_validate)
        self.triggers = Cache(kube, Trigger, Trigger.model_validate, indexes={"agent": _agent_of})
        self.tokens = Cache(kube, ApiToken, ApiToken.model_validate, indexes={"namespace": lambda t: t.namespace})
        self.codes = Cache(kube, EnrollmentToken, EnrollmentToken.model_validate, indexes={"agent": _code_agent})
        self.slack = Cache(kube, SlackInstallation, SlackInstallation.model_validate, indexes={"team": _team_of})
        caches = (
            self.organizations,
            self.agents,
            self.pools,
            self.triggers,
            self.tokens,
            self.codes,
            self.slack,
        )
        self._caches: dict[type[Resource], Cache[Any]] = dict(zip(KINDS, caches, strict=True))

    @property
    def caches(self) -> Iterable[Cache[Any]]:
        """The copy of each kind."""
        return self._caches.values()

    @property
    def synced(self) -> bool:
        """Whether each kind was listed once."""
        return all(cache.synced for cache in self._caches.values())

    def subscribe(self, callback: Callable[[type[Resource], Change[Any]], None]) -> None:
        """Call back at each change of each kind."""
        for kind, cache in self._caches.items():
            cache.subscribe(lambda change, kind=kind: callback(kind, change))  # type: ignore[misc]

    def get(self, kind: type[Resource], key: Key) -> Any:
        """Return the object, or None."""
        return self._caches[kind].get(*key)

    def items(self) -> Iterable[Item]:
        """Return every object's kind and key."""
        return [(kind, value.key) for kind, cache in self._caches.items() for value in cache.values()]

    def note(self, resource: Resource) -> None:
        """Put in what the API server answered to a read or a write of ours."""
        self._caches[type(resource)].note(resource)

    def forget(self, kind: type[Resource], key: Key) -> None:
        """Take out what the API server says is not there."""
        self._caches[kind].forget(*key)

    def hear(self, kind: type[Resource], type_: str | None, body: Mapping[str, Any]) -> None:
        """Take in an event of a watch; `type_` is None for an object of kopf's first list."""
        if type_ == "DELETED":
            self._caches[kind].ended(body)
        else:
            self._caches[kind].note(body)

    async def refresh(self) -> None:
        """List each kind, so that whatever the watches lost is found."""
        for cache in self._caches.values():
            await cache.refresh()


def pool_of(agent: Agent) -> Key | None:
    """Return the pool that an agent says it belongs to."""
    name = agent.metadata.labels.get(POOL_LABEL)
    return None if name is None else (agent.namespace, name)


def _agent_of(trigger: Trigger) -> Key:
    return trigger.namespace, trigger.spec.agent


def _team_of(installation: SlackInstallation) -> str:
    return installation.spec.team_id


def _code_agent(code: EnrollmentToken) -> Key | None:
    return (code.namespace, code.spec.agent) if code.spec.agent is not None else None
