"""The agents' streams that are open on this replica. One an agent: a newer one takes the place of the older."""

import asyncio
import itertools
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import Counter

from deplite_apiserver.metrics.metrics import Metrics

log = logging.getLogger(__name__)

AgentKey = tuple[str, str]
"""Namespace and object name of an Agent."""

MAX_WAITING = 1000
"""Events that wait for a slow agent; beyond, its stream is closed, and what it missed is sent when it comes back."""


@dataclass(frozen=True, kw_only=True)
class StreamEvent:
    """One event as it goes over the wire."""

    event: str
    data: dict[str, Any]

    def text(self) -> str:
        """Return the data as one line of JSON, in ASCII: nothing in it can end a line of the stream."""
        return json.dumps(self.data, separators=(",", ":"))


DISPLACED = StreamEvent(event="displaced", data={})
"""To our agent, before its stream closes: another process uses its identity; it waits a minute before it comes back."""

_REMEMBERED = 8
"""Displaced processes of an agent that are known again."""


@dataclass(kw_only=True, eq=False)
class Stream:
    """One open stream: events go in at one end and are sent at the other."""

    agent: AgentKey
    agent_id: str
    instance: str | None
    number: int
    closed: bool = False
    superseded: bool = False
    """Another replica has a newer one."""
    sent: Counter
    """Counts the events that are put in, by name."""
    _queue: asyncio.Queue[StreamEvent | None] = field(default_factory=asyncio.Queue)

    def send(self, event: StreamEvent) -> bool:
        """Put an event in; says whether it will be sent."""
        if self.closed:
            return False
        if self._queue.qsize() >= MAX_WAITING:
            log.warning("agent %s does not read its stream", self.agent_id, extra={"action": "stream_overflow"})
            self.close()
            return False
        self._queue.put_nowait(event)
        self.sent.labels(event.event).inc()
        return True

    def close(self) -> None:
        """End the stream once what is in it has been sent."""
        if not self.closed:
            self.closed = True
            self._queue.put_nowait(None)

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be sent."""
        return self._queue.empty()

    async def events(self) -> AsyncIterator[StreamEvent]:
        """Yield what was put in, until the stream is closed."""
        while (event := await self._queue.get()) is not None:
            yield event


class Streams:
    """Which agents can be reached from here."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._open: dict[AgentKey, Stream] = {}
        self._numbers = itertools.count(1)
        self._on_open: list[Callable[[Stream], None]] = []
        self._on_close: list[Callable[[Stream], None]] = []
        self._on_contest: list[Callable[[AgentKey], None]] = []
        self._displaced: dict[AgentKey, deque[str]] = {}
        self._stopping = False

    def subscribe(
        self,
        *,
        opened: Callable[[Stream], None] | None = None,
        closed: Callable[[Stream], None] | None = None,
        contested: Callable[[AgentKey], None] | None = None,
    ) -> None:
        """Call back when an agent's stream opens, when its last one has closed, when two processes fight for it."""
        if opened is not None:
            self._on_open.append(opened)
        if closed is not None:
            self._on_close.append(closed)
        if contested is not None:
            self._on_contest.append(contested)

    def open(self, agent: AgentKey, agent_id: str, instance: str | None) -> Stream:
        """Open a stream; one that the agent had open is closed, for two may mean a dead connection or a copied key."""
        older = self._open.get(agent)
        number = next(self._numbers)
        sent = self._metrics.events_sent
        stream = Stream(agent=agent, agent_id=agent_id, instance=instance, number=number, sent=sent)
        self._metrics.streams_opened.inc()
        self._open[agent] = stream
        if older is not None:
            self._displace(older, instance)
        if self._stopping:
            stream.close()
        for callback in self._on_open:
            callback(stream)
        return stream

    def close(self, stream: Stream) -> None:
        """Forget a stream whose connection ended."""
        stream.close()
        if self._open.get(stream.agent) is stream:
            del self._open[stream.agent]
            if not stream.superseded:
                self._displaced.pop(stream.agent, None)
            for callback in self._on_close:
                callback(stream)

    def release(self, agent: AgentKey) -> bool:
        """Close an agent's stream so that it connects anew, unless something waits to be sent; says whether it did."""
        stream = self.of(agent)
        if stream is None or not stream.idle:
            return False
        stream.close()
        self._metrics.streams_moved.inc()
        return True

    def supersede(self, agent: AgentKey, instance: str | None, *, again: bool = False) -> None:
        """Close the agent's stream here: another replica has a newer one.

        Args:
            agent: whose.
            instance: the process that opened the newer one.
            again: whether that process had been displaced there before: then it lives beside the one here.
        """
        older = self.of(agent)
        if older is not None:
            log.info("agent %s has a newer stream elsewhere", older.agent_id, extra={"action": "stream_superseded"})
            older.superseded = True
            self._displace(older, instance, again=again)

    def was_displaced(self, agent: AgentKey, instance: str | None) -> bool:
        """Whether a process of the agent has been displaced here."""
        return instance is not None and instance in self._displaced.get(agent, ())

    def of(self, agent: AgentKey) -> Stream | None:
        """Return the agent's stream, if it is open here."""
        stream = self._open.get(agent)
        return None if stream is None or stream.closed else stream

    def agents(self) -> list[AgentKey]:
        """Return the agents whose streams are open here."""
        return [key for key, stream in self._open.items() if not stream.closed]

    def end(self) -> int:
        """Close all streams, and none that is opened from now on; says how many."""
        agents = self.agents()
        for agent in agents:
            self._open[agent].close()
        return len(agents)

    @property
    def stopping(self) -> bool:
        """Whether the process is about to end."""
        return self._stopping

    def stop(self) -> None:
        """Close all streams, and each one that is opened from now on: the process is about to end."""
        self._stopping = True
        self.end()

    def _displace(self, older: Stream, instance: str | None, *, again: bool = False) -> None:
        if older.instance is not None and instance is not None and older.instance != instance:
            displaced = self._displaced.setdefault(older.agent, deque(maxlen=_REMEMBERED))
            if again or instance in displaced:  # it lives, so it is no successor that the other one is
                self._contested(older)
            if older.instance not in displaced:
                displaced.append(older.instance)
        older.close()

    def _contested(self, older: Stream) -> None:
        log.warning(
            "two processes hold the identity of agent %s; stop the copied one",
            older.agent_id,
            extra={"action": "duplicate_identity"},
        )
        older.send(DISPLACED)
        for callback in self._on_contest:
            callback(older.agent)
