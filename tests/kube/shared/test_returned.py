"""Redis is back: what replicas did without it, it is told at once, whoever notices first and whatever it knows."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deplite.kube.errors import UnavailableError as KubeUnavailableError
from deplite.patience import PATIENCE
from deplite_apiserver.errors import UnavailableError
from deplite_apiserver.shared.limiter import RedisLimiter
from deplite_apiserver.shared.link import Link, RedisAwayError
from deplite_apiserver.shared.nonces import RedisNonces
from deplite_apiserver.shared.pulse import Pulse
from tests.kube.shared.conftest import link_to, mark
from tests.kube.shared.test_away import Jobs
from tests.valkey import Valkey


class Replica:
    """What one replica has of it."""

    def __init__(self, valkey: Valkey, installation: str) -> None:
        self.link, self.jobs = link_to(valkey, installation), Jobs()
        self.nonces = RedisNonces(self.link)
        self.pulse = Pulse(self.link, RedisLimiter(self.link), self.jobs, settle_seconds=0)
        self.pulse.subscribe(self.nonces.tell)


@pytest_asyncio.fixture
async def pair(mortal: Valkey, installation: str) -> AsyncIterator[tuple[Replica, Replica]]:
    here, there = Replica(mortal, installation), Replica(mortal, installation)
    yield here, there
    await here.link.close()
    await there.link.close()


async def notice(link: Link) -> None:
    token = PATIENCE.set(0.5)
    with pytest.raises(RedisAwayError):
        await link.ask(link.client.ping, probing=True)
    PATIENCE.reset(token)


async def test_nonces_are_known_here_while_redis_is_away_and_everywhere_when_it_is_back(
    pair: tuple[Replica, Replica], mortal: Valkey
) -> None:
    here, there = pair
    await here.pulse.look()
    assert await here.nonces.spend("ag-1", "before", 1000)
    await mortal.kill()
    assert await here.nonces.spend("ag-1", "meanwhile", 1000)  # an agent's call goes on
    assert not await here.nonces.spend("ag-1", "meanwhile", 1000)
    assert not await here.nonces.spend("ag-1", "before", 1000)
    await mortal.start()
    await here.pulse.look()
    assert not await there.nonces.spend("ag-1", "meanwhile", 1000)
    assert not await there.nonces.spend("ag-1", "before", 1000)
    assert await there.nonces.spend("ag-1", "new", 1000)


async def test_also_where_a_call_and_not_the_pulse_finds_redis_back(
    pair: tuple[Replica, Replica], mortal: Valkey
) -> None:
    here, there = pair
    await here.pulse.look()
    mortal.pause()
    try:
        await notice(here.link)
        assert await here.nonces.spend("ag-1", "meanwhile", 1000)
    finally:
        mortal.resume()
    assert await here.link.ask(here.link.client.ping, probing=True)  # as one that was under way all the time
    assert not here.link.away
    await here.pulse.look()
    assert not await there.nonces.spend("ag-1", "meanwhile", 1000)


async def test_also_by_a_replica_that_began_while_redis_was_away(pair: tuple[Replica, Replica], mortal: Valkey) -> None:
    here, there = pair
    await mortal.kill()
    assert await here.nonces.spend("ag-1", "meanwhile", 1000)
    await mortal.start()
    await here.pulse.look()
    assert not await there.nonces.spend("ag-1", "meanwhile", 1000)


async def test_also_while_the_jobs_cannot_be_counted(pair: tuple[Replica, Replica], mortal: Valkey) -> None:
    here, there = pair
    await here.pulse.look()
    assert await here.nonces.spend("ag-1", "before", 1000)
    await mortal.restart()
    here.jobs.error = KubeUnavailableError("away", retry_after=1)
    with pytest.raises(KubeUnavailableError):
        await here.pulse.look()
    assert not await there.nonces.spend("ag-1", "before", 1000)


async def test_what_could_not_be_told_is_told_with_the_next_look(pair: tuple[Replica, Replica], mortal: Valkey) -> None:
    pulse, outcomes, told = pair[0].pulse, ["fails", "is heard"], []

    async def tell() -> None:
        if outcomes.pop(0) == "fails":
            raise UnavailableError(retry_after=1)

    async def tell_later() -> None:
        told.append("later")

    await mark(pair[0].link)
    pulse.subscribe(tell)
    pulse.subscribe(tell_later)
    with pytest.raises(UnavailableError):
        await pulse.look()
    assert told == []
    for _ in range(3):
        await pulse.look()
    assert (outcomes, told) == ([], ["later"])  # and then it is enough
