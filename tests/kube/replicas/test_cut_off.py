"""One replica alone cannot reach Redis, and the one that sweeps can."""

import asyncio
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from deplite.kube.client import KubeClient
from deplite.kube.errors import NotFoundError
from deplite.protocol.phases import Phase
from deplite_apiserver.dispatch.cutoff import LEASE_NAME
from deplite_apiserver.dispatch.hearing import MAX_PAUSE_SECONDS
from deplite_apiserver.settings import Settings, Waits
from deplite_apiserver.shared.settings import RedisSettings
from tests.faults.proxy import FaultProxy
from tests.kube.edge.people import People
from tests.kube.jobs.conftest import Bench, benched
from tests.kube.jobs.test_stream import following
from tests.kube.replicas.test_together import at, streaming
from tests.kube.serving import served, until
from tests.organizations import SYSTEM_NAMESPACE
from tests.valkey import Valkey

LOST_SECONDS = 60.0
"""Longer than it takes for the Lease to be there and seen, also on a busy machine."""
_LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM_NAMESPACE}/leases/{LEASE_NAME}"


async def heartbeat(bench: Bench) -> None:
    assert (await bench.agent.call("POST", "/agent/heartbeat")).status_code == 204
    await asyncio.sleep(1)


async def cut_off(kube: KubeClient) -> str | None:
    """Return who is said to be cut off."""
    try:
        said = await kube.connection.request("GET", _LEASE)
    except NotFoundError:
        return None
    holder: str = said["spec"]["holderIdentity"]
    return holder or None


async def test_nobody_is_lost_whom_only_a_replica_without_redis_hears(
    kube: KubeClient, organization: str, settings: Settings, valkey: Valkey, people: People
) -> None:
    hasty = settings.model_copy(update={"lost_seconds": LOST_SECONDS, "redis": valkey.settings, "waits": Waits()})
    async with FaultProxy(valkey.port) as proxy, served(hasty) as sweeping, sweeping.client():

        async def leads() -> bool:
            return sweeping.context.desk.leads

        await until(leads, True)
        through = RedisSettings(url=f"redis://127.0.0.1:{proxy.port}", password_file=valkey.password_file)
        async with (
            served(hasty.model_copy(update={"redis": through})) as other,
            benched(kube, organization, sweeping, people) as bench,
        ):
            job_id = await bench.made()
            async with streaming(bench, other) as stream:
                assert await stream.get() is not None
                assert (await bench.report(job_id, "running")).status_code == 204

                async def known() -> bool:
                    return sweeping.context.desk.presence.connected((bench.namespace, bench.agent_name))

                await until(known, True)
                await proxy.refuse()
                async with asyncio.timeout(LOST_SECONDS):
                    while await cut_off(kube) != other.context.desk.identity:
                        await heartbeat(bench)
                began = time.monotonic()
                while time.monotonic() - began < LOST_SECONDS * 1.1:
                    await heartbeat(bench)
                assert await cut_off(kube) == other.context.desk.identity
                assert sweeping.context.desk.leads
                assert (await bench.job(job_id)).status.phase is Phase.RUNNING
                # Jobs go on there as ever, and reach it from the other one.
                second = await bench.made()
                found = await stream.get()
                assert found is not None
                assert bench.agent.verify(found[1])["job_id"] == second
            await proxy.accept()

            async def counts_again() -> bool:
                await heartbeat(bench)
                return sweeping.context.desk.hearing.silence(None) > 2 * MAX_PAUSE_SECONDS

            at(bench, sweeping)
            await until(counts_again, True, seconds=120)
            assert await cut_off(kube) is None
            assert (await bench.job(job_id)).status.phase is Phase.RUNNING


async def test_who_reaches_neither_kubernetes_nor_redis_sends_agents_elsewhere(
    kube: KubeClient, organization: str, settings: Settings, valkey: Valkey, people: People, tmp_path: Path
) -> None:
    assert settings.kubeconfig is not None
    async with (
        FaultProxy(valkey.port) as redis_proxy,
        FaultProxy(urlsplit(kube.connection.host).port or 0) as kube_proxy,
    ):
        kubeconfig = tmp_path / "kubeconfig"
        there = f"https://127.0.0.1:{kube_proxy.port}"
        kubeconfig.write_text(settings.kubeconfig.read_text().replace(kube.connection.host, there))
        redis = RedisSettings(url=f"redis://127.0.0.1:{redis_proxy.port}", password_file=valkey.password_file)
        behind = settings.model_copy(update={"kubeconfig": kubeconfig, "redis": redis, "waits": Waits()})
        async with served(behind) as replica, benched(kube, organization, replica, people) as bench:
            found: httpx.Response | None = None

            async def beat() -> int:
                nonlocal found
                found = await bench.agent.call("POST", "/agent/heartbeat")
                return found.status_code

            async with streaming(bench, replica) as stream:
                await kube_proxy.refuse()
                await redis_proxy.refuse()
                await until(beat, 503, seconds=120)
                assert found is not None
                assert (found.headers["Retry-After"], found.headers["Connection"]) == ("1", "close")
                assert await following(stream) is None
            await redis_proxy.accept()
            await until(beat, 204, seconds=120)  # the others hear of it again
            await kube_proxy.accept()
