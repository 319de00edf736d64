"""What replicas tell each other of agents, and when which job was first sent."""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

import pytest

from deplite_apiserver.dispatch.sent import key_of
from deplite_apiserver.dispatch.streams import AgentKey
from deplite_apiserver.shared.bells import RedisBells
from deplite_apiserver.shared.firsts import RedisSent
from deplite_apiserver.shared.link import Link
from deplite_apiserver.shared.others import COUNTED_SECONDS, FRESH_SECONDS, Known, Others, RedisOthers
from tests.kube.serving import until
from tests.unit.apiserver.clocks import StillClock
from tests.unit.apiserver.jobs.builders import live

WEB, DB = ("org-a", "web"), ("org-a", "db")


class Replica:
    """One that knows what a test says, on a clock of the test's."""

    def __init__(self, link: Link, clock: StillClock) -> None:
        self.bells = RedisBells(link)
        self.others = RedisOthers(link, self.bells, clock.monotonic)
        self.known: list[Known] = []
        self.heard: list[tuple[AgentKey, str | None, bool]] = []
        self.exchanges, self.takes = 0, True
        self.others.attach(
            tell=lambda: self.known,
            takes=lambda: self.takes,
            opened_there=lambda *said: self.heard.append(said),
            exchanged=self._exchanged,
        )

    def _exchanged(self) -> None:
        self.exchanges += 1


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def pair(links: tuple[Link, Link], clock: StillClock) -> tuple[Replica, Replica]:
    return Replica(links[0], clock), Replica(links[1], clock)


async def exchange(replicas: Iterable[Replica]) -> None:
    for replica in replicas:
        await replica.others.exchange()


async def test_contacts_and_streams_of_the_others_are_known_by_their_ages(
    pair: tuple[Replica, Replica], clock: StillClock
) -> None:
    here, there = pair
    clock.advance(1000)
    there.known = [
        Known(agent=WEB, contact_age=5.0, stream_age=60.0),
        Known(agent=DB, contact_age=50.0, stream_age=None),
    ]
    await exchange((there, here))
    now = clock.monotonic()
    contacts = [here.others.contact(agent) for agent in (WEB, DB)]
    assert contacts[0] is not None
    assert contacts[1] is not None
    assert [now - contact for contact in contacts if contact] == pytest.approx([5, 50], abs=20)  # with Redis' own time
    assert contacts[0] - contacts[1] == pytest.approx(45)
    since = here.others.stream_since(WEB)
    assert since is not None
    assert contacts[0] - since == pytest.approx(55)
    assert here.others.stream_since(DB) is None
    assert here.others.streamed_at(WEB) is not None
    assert (there.others.contact(WEB), there.others.stream_since(WEB)) == (None, None)  # it does not hear itself
    assert here.exchanges == 1


async def test_a_replica_that_says_nothing_holds_no_streams_after_a_while(
    pair: tuple[Replica, Replica], clock: StillClock
) -> None:
    here, there = pair
    there.known = [Known(agent=WEB, contact_age=0.0, stream_age=1.0)]
    await exchange((there, here))
    assert here.others.stream_since(WEB) is not None
    clock.advance(FRESH_SECONDS)
    await here.others.exchange()  # what it hears is what it has heard before
    assert here.others.stream_since(WEB) is None
    assert here.others.contact(WEB) is not None


async def test_a_replica_that_leaves_holds_none_at_once(pair: tuple[Replica, Replica]) -> None:
    here, there = pair
    there.known = [Known(agent=WEB, contact_age=0.0, stream_age=1.0)]
    await exchange((there, here))
    await there.others.leave()
    await here.others.exchange()
    assert here.others.stream_since(WEB) is None


async def test_loads_are_of_those_that_take_new_streams_and_were_heard_of_just_now(
    pair: tuple[Replica, Replica], clock: StillClock
) -> None:
    here, there = pair
    there.known = [
        Known(agent=WEB, contact_age=0.0, stream_age=1.0),
        Known(agent=DB, contact_age=50.0, stream_age=None),
    ]
    assert here.others.loads() == {}
    await exchange((there, here))
    assert list(here.others.loads().values()) == [1]
    there.takes = False  # it is about to end
    await exchange((there, here))
    assert here.others.loads() == {}
    assert here.others.stream_since(WEB) is not None
    there.takes, there.known = True, []
    await exchange((there, here))
    assert list(here.others.loads().values()) == [0]
    clock.advance(COUNTED_SECONDS)
    await here.others.exchange()
    assert here.others.loads() == {}
    assert Others().loads() == {}


async def test_what_cannot_be_read_is_not_heard_and_the_others_are(
    pair: tuple[Replica, Replica], links: tuple[Link, Link], clock: StillClock
) -> None:
    here, there = pair
    there.known = [Known(agent=WEB, contact_age=0.0, stream_age=1.0)]
    presence, client = links[0].key("presence"), links[0].client
    await there.others.exchange()
    seconds, _ = await client.time()
    for unreadable in ('{"of": "another version"}', '{"takes": true, "known": [1]}', "[[", ""):
        await client.hset(presence, "a-third", f"{seconds} {unreadable}")
        clock.advance(2)
        await here.others.exchange()
    assert (here.others.silence, here.exchanges) == (8, 0)
    assert here.others.stream_since(WEB) is not None
    await client.hset(presence, "a-third", f"{seconds - 1000} of a replica that is gone")
    for _ in range(2):
        await here.others.exchange()
    assert (here.others.silence, here.exchanges) == (0, 1)


async def test_bells_tell_of_streams_between_two_exchanges(pair: tuple[Replica, Replica]) -> None:
    here, there = pair
    tasks = [asyncio.create_task(replica.bells.run()) for replica in pair]
    await asyncio.gather(*(replica.bells.listening.wait() for replica in pair))
    await there.others.exchange()
    there.others.opened(WEB, "one", again=True)

    async def held() -> bool:
        return here.others.stream_since(WEB) is not None

    await until(held, True)
    assert here.heard == [(WEB, "one", True)]
    await here.others.exchange()
    assert await held()  # what was said before the bell does not count against it
    there.others.closed(WEB)
    await until(held, False)
    assert here.others.streamed_at(WEB) is not None
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_silence_is_what_could_not_be_heard_of_the_others(
    pair: tuple[Replica, Replica], clock: StillClock
) -> None:
    clock.advance(30)
    assert pair[0].others.silence == 30
    await pair[0].others.exchange()
    assert pair[0].others.silence == 0
    assert Others().silence == 0


@contextlib.asynccontextmanager
async def told(sent: RedisSent) -> Any:
    """Run what tells Redis, for the block."""
    task = asyncio.create_task(sent.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_when_a_job_was_sent_first_is_learnt_by_all(links: tuple[Link, Link], clock: StillClock) -> None:
    here, there = RedisSent(links[0], "sent", clock.monotonic), RedisSent(links[1], "sent", clock.monotonic)
    key = links[0].key("sent", key_of(live())[2])

    async def known_to_redis() -> int:
        return int(await links[0].client.exists(key))

    async with told(there), told(here):
        await here.learn([live()])
        assert here.age(live()) is None
        there.note(live())
        await until(known_to_redis, 1)
        await here.learn([live()])
        age = here.age(live())
        assert age is not None
        assert 0 <= age < 60
        clock.advance(100)
        here.note(live())  # sent again by another replica: the first time counts
        assert here.age(live()) == age + 100
        await links[0].client.delete(key)  # a Redis that forgot everything
        await there.returned()
        await until(known_to_redis, 1)
        fresh = RedisSent(links[0], "sent", clock.monotonic)
        await fresh.learn([live()])
        again = fresh.age(live())
        assert again is not None
        assert again >= 100
        there.forget(live())
        await until(known_to_redis, 0)
        assert there.age(live()) is None


async def test_kinds_are_apart_and_nothing_is_learnt_of_nobody(links: tuple[Link, Link], clock: StillClock) -> None:
    sent, stopped = RedisSent(links[0], "sent", clock.monotonic), RedisSent(links[0], "told", clock.monotonic)
    async with told(sent):
        sent.note(live())

        async def learnt() -> bool:
            other = RedisSent(links[1], "sent", clock.monotonic)
            await other.learn([live()])
            return other.age(live()) is not None

        await until(learnt, True)
    await stopped.learn([live()])
    await stopped.learn([])
    assert stopped.age(live()) is None
