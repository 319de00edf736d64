"""When each agent was last heard of, and what `Agent.status.state` says about it.

Heartbeats write nothing to Kubernetes: the state changes when a stream opens, and after 30 s without one (180 s of
silence where it seems open), so that a rolling update of thousands of agents is not thousands of writes.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from deplite.kube.errors import KubeError, NotFoundError, UnavailableError
from deplite.resources.agent import Agent
from deplite.resources.resource import Resource, utc
from deplite_apiserver.dispatch.hearing import Hearing
from deplite_apiserver.dispatch.streams import AgentKey, Stream, Streams
from deplite_apiserver.shared.others import Known, Others

log = logging.getLogger(__name__)

DISCONNECTED_SECONDS = 30.0
"""Without a stream for so long: disconnected."""
SILENT_SECONDS = 180.0
"""Without any call for so long: disconnected, though a stream seems open."""
TOLD_SECONDS = 600.0
"""Contacts further back are no news to the other replicas."""
MARGIN_SECONDS = 5.0
"""What two replicas' measures of an age may differ by, where Redis is slow."""
AWAY_SECONDS = 1.0
"""Between two writes while the Kubernetes API is away."""

State = Literal["Connected", "Disconnected"]


class AgentStore(Protocol):
    """What is needed of `KubeClient`."""

    async def patch_status(
        self, kind: type[Agent], namespace: str, name: str, body: Mapping[str, Any], *, version: str | None = None
    ) -> Agent:
        """Merge into the agent's status."""


def state_of(*, has_stream: bool, silence: float, alone: float, silent_after: float = SILENT_SECONDS) -> State:
    """Say what an agent is.

    Args:
        has_stream: whether its stream is open, here or at another replica.
        silence: seconds since its last call that could have been heard.
        alone: seconds since it last had a stream, as far as we could see.
        silent_after: silence after which it is disconnected, though its stream seems open.
    """
    if silence >= silent_after or (not has_stream and alone >= DISCONNECTED_SECONDS):
        return "Disconnected"
    return "Connected"


class Presence:
    """Last contacts, and the writer of `state` and `lastSeenAt` of agents."""

    def __init__(
        self,
        *,
        store: AgentStore,
        streams: Streams,
        hearing: Hearing,
        others: Others | None = None,
        monotonic: Callable[[], float],
        now: Callable[[], datetime],
        note: Callable[[Resource], None],
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        """Make an empty record of contacts.

        Args:
            store: where Agents are.
            streams: the open streams.
            hearing: the clock of silence.
            others: what other replicas know of agents; None: there are none.
            monotonic: seconds of a clock that never goes back.
            now: the present moment in UTC.
            note: is told each Agent that was written.
            silent_seconds: silence after which an agent is disconnected, though its stream seems open.
        """
        self._store, self._streams, self._hearing, self._note = store, streams, hearing, note
        self._others = others or Others()
        self._monotonic, self._now, self._silent_seconds = monotonic, now, silent_seconds
        self._contacts: dict[AgentKey, float] = {}
        self._opened_at: dict[AgentKey, float] = {}
        self._streamed_at: dict[AgentKey, float] = {}
        self._wanted: asyncio.Queue[AgentKey] = asyncio.Queue()
        streams.subscribe(opened=self._opened, closed=self._closed)

    def touch(self, agent: AgentKey) -> None:
        """Note that a signed call of the agent just came."""
        self._contacts[agent] = self._monotonic()

    def last_seen(self, agent: AgentKey) -> datetime | None:
        """Return when the agent last called, as far as this replica knows."""
        contact = self._contact(agent)
        return None if contact is None else self._now() - timedelta(seconds=self._monotonic() - contact)

    def silence(self, agent: AgentKey) -> float:
        """Return for how many seconds the agent has been silent while we were listening."""
        return self._hearing.silence(self._contact(agent))

    def connected(self, agent: AgentKey) -> bool:
        """Whether the agent holds a stream, here or at another replica, and was heard of lately."""
        return self._has_stream(agent) and self.silence(agent) < self._silent_seconds

    def state(self, agent: AgentKey) -> State:
        """Say what the agent is, as far as this replica can see."""
        has_stream = self._has_stream(agent)
        streamed_at = _later(self._streamed_at.get(agent), self._others.streamed_at(agent))
        alone = 0.0 if has_stream else self._hearing.silence(streamed_at)
        return state_of(
            has_stream=has_stream, silence=self.silence(agent), alone=alone, silent_after=self._silent_seconds
        )

    def forget(self, agent: AgentKey) -> None:
        """Drop what is remembered of an agent that no longer exists."""
        self._contacts.pop(agent, None)
        self._streamed_at.pop(agent, None)

    def known(self) -> Iterator[Known]:
        """Yield what this replica knows of agents by itself, for the others."""
        now = self._monotonic()
        for agent, contact in self._contacts.items():
            opened = self._opened_at.get(agent) if self._streams.of(agent) is not None else None
            if opened is not None or now - contact < TOLD_SECONDS:
                stream_age = None if opened is None else now - opened
                yield Known(agent=agent, contact_age=now - contact, stream_age=stream_age)

    def yield_streams(self) -> None:
        """Close the streams here of which another replica has a newer one: the bell that told of it got lost."""
        for agent, opened in list(self._opened_at.items()):
            elsewhere = self._others.stream_since(agent)
            if elsewhere is not None and elsewhere > opened + MARGIN_SECONDS:
                self._streams.supersede(agent, None)

    async def run(self, agent_of: Callable[[str, str], Agent | None]) -> None:
        """Write `Connected` as soon as an agent's stream opens, for ever.

        Args:
            agent_of: finds an Agent by namespace and name.
        """
        while True:
            key = await self._wanted.get()
            agent = agent_of(*key)
            if agent is not None and not await self.settle(agent):
                await asyncio.sleep(AWAY_SECONDS)

    async def settle(self, agent: Agent, store: AgentStore | None = None) -> bool:
        """Write the agent's state if it has changed.

        Args:
            agent: the agent, as it is known.
            store: where to write it; None: as ever. The sweeper has one that refuses once its Lease is over.

        Returns:
            False: the Kubernetes API is away, and need not be asked for other agents; the next sweep tries again.
        """
        if agent.spec.revoked or (agent.status.state in ("Pending", "Revoked") and not self.connected(agent.key)):
            return True
        state = self.state(agent.key)
        if state == agent.status.state:
            return True
        body: dict[str, Any] = {"state": state}
        seen = self.last_seen(agent.key)
        if seen is not None:
            body["lastSeenAt"] = utc(seen)
        try:
            self._note(await (store or self._store).patch_status(Agent, agent.namespace, agent.name, body))
        except NotFoundError:
            self.forget(agent.key)
        except KubeError as error:
            log.warning("state of an agent not written: %s", error, extra={"action": "presence_failed"})
            return not isinstance(error, UnavailableError)
        return True

    def _contact(self, agent: AgentKey) -> float | None:
        return _later(self._contacts.get(agent), self._others.contact(agent))

    def _has_stream(self, agent: AgentKey) -> bool:
        return self._streams.of(agent) is not None or self._others.stream_since(agent) is not None

    def _opened(self, stream: Stream) -> None:
        self.touch(stream.agent)
        if stream.closed:  # this process is about to end
            return
        again = self._streams.was_displaced(stream.agent, stream.instance)
        self._opened_at[stream.agent] = self._monotonic()
        self._others.opened(stream.agent, stream.instance, again=again)
        self._wanted.put_nowait(stream.agent)

    def _closed(self, stream: Stream) -> None:
        self._streamed_at[stream.agent] = self._monotonic()
        self._opened_at.pop(stream.agent, None)
        self._others.closed(stream.agent)


def _later(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else max(one, other)
