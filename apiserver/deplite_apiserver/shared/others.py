"""What the other replicas know of agents: who called them last, and whose streams they hold.

Each replica puts all that it knows into one field of a hash every few seconds, and reads those of the others; between
two of these exchanges a bell tells of each stream that opens or closes. Ages go over the wire, not times of a clock.
"""

import asyncio
import json
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deplite_apiserver.dispatch.streams import AgentKey
from deplite_apiserver.errors import UnavailableError
from deplite_apiserver.shared.bells import Bells
from deplite_apiserver.shared.link import Link

log = logging.getLogger(__name__)

EXCHANGE_SECONDS = 3.0
FRESH_SECONDS = 20.0
"""A replica that has said nothing for so long holds no streams any more."""
COUNTED_SECONDS = 8.0
"""One that has said nothing for two exchanges may be dead, and is no place for more streams."""
FORGOTTEN_SECONDS = 3600.0
OPENED, CLOSED = "stream-opened", "stream-closed"

_EXCHANGE = """
local time = redis.call('TIME')
local now = string.format('%.6f', time[1] + time[2] / 1000000)
redis.call('HSET', KEYS[1], ARGV[1], now .. ' ' .. ARGV[2])
redis.call('EXPIRE', KEYS[1], 600)
return {now, redis.call('HGETALL', KEYS[1])}
"""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What one replica knows of an agent."""

    agent: AgentKey
    contact_age: float
    """Seconds since it last called."""
    stream_age: float | None
    """Seconds since its stream opened there; None where none is open."""


@dataclass(kw_only=True)
class _Replica:
    """What another one said last."""

    published: str
    heard_at: float
    takes: bool = False
    """Whether it takes new streams."""
    streams: dict[AgentKey, float] = field(default_factory=dict)
    """When each opened, by our monotonic clock."""


class Others:
    """Of the only replica that there is: there are no others."""

    exist = False
    """Whether there may be others."""

    def attach(
        self,
        *,
        tell: Callable[[], Iterable[Known]],
        takes: Callable[[], bool],
        opened_there: Callable[[AgentKey, str | None, bool], None],
        exchanged: Callable[[], None],
    ) -> None:
        """Say who knows what this replica knows, and who wants to hear of the others.

        Args:
            tell: returns all of it.
            takes: returns whether this replica takes new streams.
            opened_there: is told that another replica opened a stream of an agent: which, its process, and whether
                that process had been displaced there before.
            exchanged: is called after each exchange.
        """

    @property
    def silence(self) -> float:
        """Seconds for which we could not have heard of what others hear."""
        return 0.0

    def contact(self, agent: AgentKey) -> float | None:
        """Return when the agent last called another replica, by our monotonic clock."""
        return None

    def stream_since(self, agent: AgentKey) -> float | None:
        """Return since when another replica holds the agent's stream, by our monotonic clock."""
        return None

    def streamed_at(self, agent: AgentKey) -> float | None:
        """Return when another replica last held the agent's stream."""
        return None

    def loads(self) -> Mapping[str, int]:
        """Return how many streams each other replica holds, of those that are there and take new ones."""
        return {}

    def opened(self, agent: AgentKey, instance: str | None, *, again: bool) -> None:
        """Tell the others that an agent's stream opened here."""

    def closed(self, agent: AgentKey) -> None:
        """Tell the others that it closed."""


class RedisOthers(Others):
    """What the others say over Redis."""

    exist = True

    def __init__(self, link: Link, bells: Bells, monotonic: Callable[[], float]) -> None:
        """Make it; `run` exchanges.

        Args:
            link: Redis.
            bells: tell of streams at once.
            monotonic: seconds of a clock that never goes back.
        """
        self._link, self._bells, self._monotonic = link, bells, monotonic
        self._me = secrets.token_hex(8)
        self._exchanged_at = monotonic()
        self._replicas: dict[str, _Replica] = {}
        self._contacts: dict[AgentKey, float] = {}
        self._streamed: dict[AgentKey, float] = {}
        self._tell: Callable[[], Iterable[Known]] = tuple
        self._takes: Callable[[], bool] = lambda: False
        self._opened_there: Callable[[AgentKey, str | None, bool], None] = lambda *_: None
        self._exchanged: Callable[[], None] = lambda: None
        bells.subscribe(OPENED, self._hear_opened)
        bells.subscribe(CLOSED, self._hear_closed)

    def attach(
        self,
        *,
        tell: Callable[[], Iterable[Known]],
        takes: Callable[[], bool],
        opened_there: Callable[[AgentKey, str | None, bool], None],
        exchanged: Callable[[], None],
    ) -> None:
        """As `Others.attach`."""
        self._tell, self._takes, self._opened_there, self._exchanged = tell, takes, opened_there, exchanged

    @property
    def silence(self) -> float:
        """As `Others.silence`: since the last exchange."""
        return self._monotonic() - self._exchanged_at

    def contact(self, agent: AgentKey) -> float | None:
        """As `Others.contact`."""
        return self._contacts.get(agent)

    def stream_since(self, agent: AgentKey) -> float | None:
        """As `Others.stream_since`."""
        now = self._monotonic()
        return max(
            (
                since
                for replica in self._replicas.values()
                if now - replica.heard_at < FRESH_SECONDS and (since := replica.streams.get(agent)) is not None
            ),
            default=None,
        )

    def streamed_at(self, agent: AgentKey) -> float | None:
        """As `Others.streamed_at`."""
        return self._streamed.get(agent)

    def loads(self) -> Mapping[str, int]:
        """As `Others.loads`."""
        since = self._monotonic() - COUNTED_SECONDS
        return {name: len(one.streams) for name, one in self._replicas.items() if one.takes and one.heard_at > since}

    def opened(self, agent: AgentKey, instance: str | None, *, again: bool) -> None:
        """As `Others.opened`."""
        payload = {"replica": self._me, "agent": agent, "instance": instance, "again": again}
        self._bells.ring(OPENED, payload)

    def closed(self, agent: AgentKey) -> None:
        """As `Others.closed`."""
        self._bells.ring(CLOSED, {"replica": self._me, "agent": agent})

    async def run(self) -> None:
        """Exchange, for ever."""
        while True:
            try:
                await self.exchange()
            except UnavailableError as error:
                log.debug("presence not exchanged: %s", error)
            except Exception:
                log.exception("presence not exchanged", extra={"action": "presence_not_exchanged"})
            await asyncio.sleep(EXCHANGE_SECONDS)

    async def exchange(self) -> None:
        """Say what we know, and hear what the others do.

        Raises:
            UnavailableError: Redis is away.
        """
        known = [[*one.agent, round(one.contact_age, 3), one.stream_age] for one in self._tell()]
        blob = json.dumps({"takes": self._takes(), "known": known}, separators=(",", ":"))
        now, flat = await self._link.run(_EXCHANGE, [self._link.key("presence")], [self._me, blob], repeatable=True)
        said = dict(zip(map(_text, flat[::2]), map(_text, flat[1::2]), strict=True))
        said.pop(self._me, None)
        read = [self._read(replica, text, float(now)) for replica, text in said.items()]
        self._replicas = {name: one for name, one in self._replicas.items() if name in said}
        if all(read):
            self._exchanged_at = self._monotonic()
            self._exchanged()
        await self._clean({name: float(text.partition(" ")[0]) for name, text in said.items()}, float(now))

    async def leave(self) -> None:
        """Say that this replica holds no streams any more.

        Raises:
            UnavailableError: Redis is away; the others notice by themselves.
        """
        await self._link.ask(lambda: self._link.client.hdel(self._link.key("presence"), self._me))

    def _read(self, replica: str, text: str, now: float) -> bool:
        """Take what a replica said; false where nobody here can read it, as that of another version may be."""
        try:
            self._take(replica, text, now)
        except (ValueError, TypeError, LookupError) as error:
            # Who called it is not known here: that is as deaf as without Redis.
            action = {"action": "replica_not_understood"}
            log.warning("what replica %s says cannot be read (%s)", replica, type(error).__name__, extra=action)
            return False
        return True

    def _take(self, replica: str, text: str, now: float) -> None:
        published, _, blob = text.partition(" ")
        before = self._replicas.get(replica)
        at = self._monotonic() - max(0.0, now - float(published))
        if before is not None and before.published == published:
            return
        said = json.loads(blob)
        taken = _Replica(published=published, heard_at=at, takes=said["takes"])
        for namespace, name, contact_age, stream_age in said["known"]:
            agent = (namespace, name)
            self._contacts[agent] = max(at - contact_age, self._contacts.get(agent, float("-inf")))
            if stream_age is not None:
                taken.streams[agent] = at - stream_age
                self._streamed[agent] = max(at, self._streamed.get(agent, float("-inf")))
        for agent, since in before.streams.items() if before is not None else ():
            if since > at:  # a bell told of it, after this was said
                taken.streams.setdefault(agent, since)
        self._replicas[replica] = taken

    async def _clean(self, published: dict[str, float], now: float) -> None:
        """Forget agents and replicas that were not heard of for long."""
        horizon = self._monotonic() - FORGOTTEN_SECONDS
        self._contacts = {agent: at for agent, at in self._contacts.items() if at > horizon}
        self._streamed = {agent: at for agent, at in self._streamed.items() if at > horizon}
        gone = [name for name, at in published.items() if now - at > 2 * FRESH_SECONDS]
        if gone:
            await self._link.ask(lambda: self._link.client.hdel(self._link.key("presence"), *gone))

    def _hear_opened(self, said: Any) -> None:
        agent, now = (said["agent"][0], said["agent"][1]), self._monotonic()
        replica = self._replicas.setdefault(said["replica"], _Replica(published="", heard_at=now))
        replica.heard_at = now
        replica.streams[agent] = self._contacts[agent] = self._streamed[agent] = now
        self._opened_there(agent, said["instance"], said["again"])

    def _hear_closed(self, said: Any) -> None:
        agent = (said["agent"][0], said["agent"][1])
        replica = self._replicas.get(said["replica"])
        if replica is not None and replica.streams.pop(agent, None) is not None:
            self._streamed[agent] = self._monotonic()


def _text(value: bytes) -> str:
    return value.decode()
