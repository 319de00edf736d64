"""Shows on an Agent that two processes use its identity: a condition while it lasts, and an Event when it begins.

A process that is restarted takes the place of its dead predecessor once. Two that live displace each other again and
again: a machine was cloned, or its state folder copied.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

from deplite.kube.errors import ConflictError, KubeError, NotFoundError
from deplite.kube.event import Event
from deplite.resources.agent import Agent
from deplite.resources.reasons import DUPLICATE_IDENTITY, TWO_PROCESSES
from deplite.resources.resource import Condition, Resource
from deplite_apiserver.dispatch.streams import AgentKey, Streams

log = logging.getLogger(__name__)

QUIET_SECONDS = 180.0
"""Without another displacement for so long, it is over: our agent waits a minute before it tries again."""
MAX_TRIES = 5
_MESSAGE = (
    "Two processes use this agent's identity and displace each other; stop the copy, or enrol it as another agent."
)


class AgentStore(Protocol):
    """What is needed of `KubeClient`."""

    async def get(self, kind: type[Agent], namespace: str, name: str) -> Agent:
        """Return the agent."""

    async def patch_status(
        self, kind: type[Agent], namespace: str, name: str, body: Mapping[str, Any], *, version: str | None = None
    ) -> Agent:
        """Merge into the agent's status where `version` is still the present one."""

    async def tell(self, about: Resource, event: Event) -> None:
        """Create an Event."""


class KnownAgents(Protocol):
    """What is needed of the cache of agents."""

    def get(self, namespace: str, name: str) -> Agent | None:
        """Return an agent."""

    def values(self) -> Iterable[Agent]:
        """Return all agents."""

    def note(self, resource: Resource) -> None:
        """Put the answer to a write of our own in."""


class Duplicates:
    """The only writer of the condition `DuplicateIdentity`."""

    def __init__(
        self,
        *,
        store: AgentStore,
        swept: AgentStore,
        agents: KnownAgents,
        streams: Streams,
        monotonic: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        """Listen to the streams; `run` writes.

        Args:
            store: where Agents are.
            swept: the same, for what only the sweeper does: it refuses writes once the Lease is over.
            agents: the cache of agents.
            streams: the open streams.
            monotonic: seconds of a clock that never goes back.
            now: the present moment in UTC.
        """
        self._store, self._swept, self._agents = store, swept, agents
        self._monotonic, self._now = monotonic, now
        self._since = monotonic()
        self._seen: dict[AgentKey, float] = {}
        self._wanted: asyncio.Queue[AgentKey] = asyncio.Queue()
        streams.subscribe(contested=self._contested)

    async def run(self) -> None:
        """Show each duplicate as soon as it is seen, for ever."""
        while True:
            key = await self._wanted.get()
            try:
                await self._show(key)
            except NotFoundError:
                continue
            except KubeError as error:  # the next displacement, within a minute, tries again
                log.warning("a duplicate identity is not shown: %s", error, extra={"action": "duplicate_failed"})

    def seen(self, agent: AgentKey) -> None:
        """Note that another replica has seen one; it shows it."""
        self._seen[agent] = self._monotonic()

    async def settle(self) -> None:
        """Take the condition from agents for which it is over."""
        for agent in self._agents.values():
            quiet = self._monotonic() - self._seen.get(agent.key, self._since)
            if agent.status.condition(DUPLICATE_IDENTITY) is not None and quiet >= QUIET_SECONDS:
                self._seen.pop(agent.key, None)
                try:
                    await self._write(agent, shown=False)
                except NotFoundError:
                    continue

    async def _show(self, key: AgentKey) -> None:
        agent = self._agents.get(*key)
        if agent is None or (written := await self._write(agent, shown=True)) is None:
            return
        told = Event(
            reason=DUPLICATE_IDENTITY, message=_MESSAGE, component="deplite-apiserver", at=self._now(), warning=True
        )
        await self._store.tell(written, told)

    async def _write(self, agent: Agent, *, shown: bool) -> Agent | None:
        """Set or remove the condition; None where it was so already."""
        store = self._store if shown else self._swept
        for attempt in range(1, MAX_TRIES + 1):
            if (agent.status.condition(DUPLICATE_IDENTITY) is not None) is shown:
                return None
            body = {"conditions": [condition.wire() for condition in self._conditions(agent, shown=shown)]}
            try:
                written = await store.patch_status(Agent, *agent.key, body, version=agent.metadata.resource_version)
            except ConflictError:
                if attempt == MAX_TRIES:
                    raise
                agent = await store.get(Agent, *agent.key)
                continue
            self._agents.note(written)
            return written
        raise AssertionError("the loop above returns or raises")

    def _conditions(self, agent: Agent, *, shown: bool) -> list[Condition]:
        others = [one for one in agent.status.conditions if one.type != DUPLICATE_IDENTITY]
        if not shown:
            return others
        ours = Condition(
            type=DUPLICATE_IDENTITY,
            status="True",
            reason=TWO_PROCESSES,
            message=_MESSAGE,
            last_transition_time=self._now(),
            observed_generation=agent.metadata.generation,
        )
        return [*others, ours]

    def _contested(self, agent: AgentKey) -> None:
        self.seen(agent)
        self._wanted.put_nowait(agent)
