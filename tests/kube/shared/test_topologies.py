"""One server with TLS, the master that Sentinels name and its successor, and a cluster: by their addresses."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from deplite.local.authority import make_pair
from deplite.local.ports import choose
from deplite.resources.limits import RateLimit
from deplite_apiserver.limits.limiter import Reservation
from deplite_apiserver.limits.windows import Exceeded, quotas
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.shared.bells import RedisBells
from deplite_apiserver.shared.connect import connect
from deplite_apiserver.shared.firsts import RedisSent
from deplite_apiserver.shared.limiter import RedisLimiter
from deplite_apiserver.shared.link import Link, RedisAwayError
from deplite_apiserver.shared.nonces import RedisNonces
from deplite_apiserver.shared.settings import RedisSettings
from tests.kube.serving import until
from tests.kube.shared.conftest import Unhurried, mark
from tests.unit.apiserver.jobs.builders import NOW, live
from tests.valkey import PASSWORD, Valkey

TWO = quotas("k", "token", RateLimit(per_minute=2, per_hour=9, per_day=9))


async def works(link: Link) -> None:
    """Use everything once: scripts over several keys, pipelines, and the channel."""
    await mark(link)
    limiter = RedisLimiter(link, now=lambda: NOW)  # no minute turns
    reserved = await limiter.reserve(TWO)
    assert isinstance(reserved, Reservation)
    await limiter.give_back(reserved)
    assert [type(await limiter.reserve(TWO)) for _ in range(3)] == [Reservation, Reservation, Exceeded]
    nonces = RedisNonces(link)
    assert await nonces.spend("ag-1", "a", 1000)
    await nonces.tell()
    bells, other = RedisBells(link), RedisBells(link)
    tasks = [asyncio.create_task(one.run()) for one in (bells, other)]
    heard: list[int] = []
    other.subscribe("n", heard.append)
    await other.listening.wait()
    bells.ring("n", 1)
    await until(lambda: asyncio.sleep(0, heard), [1])
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def linked(settings: RedisSettings, installation: str) -> AsyncIterator[Link]:
    link = Unhurried(connect(settings), installation, Metrics())
    yield link
    await link.close()


@contextlib.asynccontextmanager
async def with_tls(folder: Path, target: int) -> AsyncIterator[int]:
    """Listen with TLS, and pass everything to a port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "node.crt", folder / "node.key")

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(pump(reader, up), pump(up_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_tls_with_an_authority_of_our_own(valkey: Valkey, installation: str, tmp_path: Path) -> None:
    for name in ("good", "foreign"):
        (tmp_path / name).mkdir()
        make_pair(tmp_path / name, name)
    async with with_tls(tmp_path / "good", valkey.port) as port:
        settings = RedisSettings(url=f"rediss://127.0.0.1:{port}", password_file=valkey.password_file)
        good = settings.model_copy(update={"ca_file": tmp_path / "good" / "authority.crt"})
        async with linked(good, installation) as link:
            await works(link)
        for wrong in (settings, settings.model_copy(update={"ca_file": tmp_path / "foreign" / "authority.crt"})):
            async with linked(wrong, installation) as link:
                with pytest.raises(RedisAwayError):
                    await mark_through(link)


async def mark_through(link: Link) -> None:
    await link.ask(lambda: link.client.set("k", "v"))


async def test_a_database_by_its_number(valkey: Valkey, installation: str) -> None:
    settings = valkey.settings
    async with linked(settings.model_copy(update={"url": f"{settings.url}/3"}), installation) as link:
        await works(link)
        assert await link.client.dbsize() > 0
    async with linked(settings, installation) as link:
        assert [key async for key in link.client.scan_iter(match=link.key("*"))] == []


async def test_a_user_of_its_own(valkey: Valkey, installation: str, tmp_path: Path) -> None:
    async with valkey.client() as client:
        await client.acl_setuser(
            "deplite", enabled=True, passwords=["+its-own"], keys=["*"], channels=["*"], categories=["+@all"]
        )
    password = tmp_path / "password"
    password.write_text("its-own\n")
    user = valkey.settings.model_copy(update={"username": "deplite", "password_file": password})
    async with linked(user, installation) as link:
        await works(link)
    async with linked(user.model_copy(update={"username": "nobody"}), installation) as link:
        with pytest.raises(RedisAwayError):
            await mark_through(link)
        assert link.refused


async def _formed(client: Redis) -> bool:
    return b"cluster_state:ok" in await client.execute_command("CLUSTER", "INFO", NEVER_DECODE=True)


async def _linked_up(client: Redis) -> bool:
    """Whether a replica has all that its master has."""
    return (await client.info("replication"))["master_link_status"] == "up"


async def _followers(client: Redis) -> int:
    """How many replicas a Sentinel knows."""
    return len(await client.execute_command("SENTINEL", "REPLICAS", "mymaster"))


async def test_a_cluster(tmp_path: Path, installation: str) -> None:
    node = Valkey(tmp_path / "node", "cluster-enabled yes", f"cluster-port {choose(['bus'], {})['bus']}")
    await node.start()
    async with node.client() as client:
        await client.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        await until(lambda: _formed(client), True)
    settings = RedisSettings(url=f"redis+cluster://127.0.0.1:{node.port}", password_file=node.password_file)
    async with linked(settings, installation) as link:
        await works(link)
        await goes_and_comes_back(link, node)
    await node.kill()


async def goes_and_comes_back(link: Link, node: Valkey) -> None:
    """Kill the only node and start it: that is away and back as with one server, and ends nothing that goes on."""
    bells, sent = RedisBells(link), RedisSent(link, "sent", asyncio.get_running_loop().time)
    tasks = [asyncio.create_task(one.run()) for one in (bells, sent)]
    await bells.listening.wait()
    await node.kill()
    for probing in (False, True):
        with pytest.raises(RedisAwayError):
            await link.ask(link.client.ping, repeatable=True, probing=probing)
        assert link.away
    with pytest.raises(RedisAwayError):
        await RedisLimiter(link).reserve(TWO)
    bells.ring("n", 1)
    sent.note(live())
    await until(lambda: asyncio.sleep(0, bells.listening.is_set()), False)
    await until(lambda: asyncio.sleep(0, bells._waiting), [])
    await node.start()
    await until(lambda: _back(link), True)
    await until(lambda: asyncio.sleep(0, bells.listening.is_set() and not sent._untold), True)
    assert not any(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _back(link: Link) -> bool:
    with contextlib.suppress(RedisAwayError):
        await link.ask(lambda: link.client.set(link.key("back"), "1"), probing=True)
    return not link.away


async def test_the_master_that_sentinels_name_and_the_one_after_it(tmp_path: Path, installation: str) -> None:
    master = Valkey(tmp_path / "master", f"masterauth {PASSWORD}")
    await master.start()
    replica = Valkey(tmp_path / "replica", f"masterauth {PASSWORD}", f"replicaof 127.0.0.1 {master.port}")
    await replica.start()
    watch = f"sentinel monitor mymaster 127.0.0.1 {master.port} 1"
    terms = [f"sentinel auth-pass mymaster {PASSWORD}", "sentinel down-after-milliseconds mymaster 500"]
    terms += ["sentinel failover-timeout mymaster 2000"]
    sentinel = Valkey(tmp_path / "sentinel", watch, *terms, sentinel=True)
    await sentinel.start()
    settings = RedisSettings(
        url=f"redis+sentinel://127.0.0.1:1,127.0.0.1:{sentinel.port}/mymaster",
        password_file=master.password_file,
        sentinel_password_file=sentinel.password_file,
    )
    async with linked(settings, installation) as link:
        await works(link)
        async with replica.client() as client:
            await until(lambda: _linked_up(client), True)
        async with sentinel.client() as client:
            await until(lambda: _followers(client), 1)
        await master.kill()

        async def written() -> bool:
            try:
                await link.ask(lambda: link.client.set("after", "it"), probing=True)
            except RedisAwayError:
                return False
            return True

        await until(written, True)
        refused = await RedisLimiter(link).reserve(TWO)
        assert isinstance(refused, Reservation | Exceeded)  # the successor knows the marker
    for server in (sentinel, replica, master):
        await server.kill()
