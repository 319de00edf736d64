"""A failover behind one address: the server before lives on, takes nothing any more, and holds old connections open."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from deplite.resources.limits import RateLimit
from deplite_apiserver.limits.limiter import Reservation
from deplite_apiserver.limits.windows import quotas
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.shared.bells import RedisBells
from deplite_apiserver.shared.connect import connect
from deplite_apiserver.shared.link import RedisAwayError
from deplite_apiserver.shared.settings import RedisSettings
from tests.faults.proxy import FaultProxy
from tests.kube.serving import until
from tests.kube.shared.conftest import Unhurried, link_to, mark
from tests.kube.shared.test_away import Jobs, pulse_of
from tests.valkey import Valkey

MANY = quotas("k", "token", RateLimit(per_minute=1000))


async def test_all_connections_are_made_anew_to_the_server_after_it(
    mortal: Valkey, tmp_path: Path, installation: str
) -> None:
    successor = Valkey(tmp_path / "successor")
    await successor.start()
    async with FaultProxy(mortal.port) as proxy:
        address = RedisSettings(url=f"redis://127.0.0.1:{proxy.port}", password_file=mortal.password_file)
        link = Unhurried(connect(address), installation, Metrics())
        limiter, pulse = pulse_of(link, Jobs())
        bells = RedisBells(link)
        heard: list[int] = []
        bells.subscribe("n", heard.append)
        hearing = asyncio.create_task(bells.run())
        await bells.listening.wait()
        await mark(link)
        await asyncio.gather(*(limiter.reserve(MANY) for _ in range(10)))
        async with mortal.client() as client:
            await client.replicaof("127.0.0.1", successor.port)
        with pytest.raises(RedisAwayError):
            await limiter.reserve(MANY)
        with pytest.raises(RedisAwayError):
            await pulse.look()
        proxy.target_port = successor.port

        async def back() -> bool:
            with contextlib.suppress(RedisAwayError):
                await pulse.look()
            return pulse.seeded.is_set() and not link.away

        await until(back, True)
        found = await asyncio.gather(*(limiter.reserve(MANY) for _ in range(10)))
        assert all(isinstance(one, Reservation) for one in found)
        await _heard(successor, installation, heard)
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)
        await link.close()
    await successor.kill()


async def _heard(server: Valkey, installation: str, heard: list[int]) -> None:
    """Ring at the server until that is heard: whoever still listened to the one before would not hear it."""
    there = link_to(server, installation)
    bells = RedisBells(there)
    ringing = asyncio.create_task(bells.run())

    async def rung() -> bool:
        bells.ring("n", 1)
        await asyncio.sleep(0.1)
        return bool(heard)

    await until(rung, True)
    ringing.cancel()
    await asyncio.gather(ringing, return_exceptions=True)
    await there.close()
