"""The Lease against the real API server: one holder, taken over when it dies, lost in time by who holds it."""

import asyncio

import pytest

from deplite.kube.client import KubeClient
from deplite.kube.lease import Lease, LeaseLostError

TIMES = {"duration": 2.0, "renew": 1.5, "retry": 0.2}


def lease(kube: KubeClient, namespace: str, identity: str) -> Lease:
    return Lease(kube, namespace, "leader", identity, **TIMES)


async def test_one_holds_and_the_other_waits(kube: KubeClient, organization: str) -> None:
    first, second = lease(kube, organization, "first"), lease(kube, organization, "second")
    await first.acquire()
    holding = asyncio.create_task(first.hold())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(second.acquire(), 3)
    assert first.held
    assert not second.held
    holding.cancel()
    await first.release()
    async with asyncio.timeout(2):
        await second.acquire()
    assert second.held
    assert not first.held


async def test_dead_holder_is_followed_after_the_duration(kube: KubeClient, organization: str) -> None:
    first, second = lease(kube, organization, "first"), lease(kube, organization, "second")
    await first.acquire()
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(10):
        await second.acquire()
    assert asyncio.get_running_loop().time() - began >= TIMES["duration"] - 0.1
    assert not first.held


async def test_deposed_holder_notices(kube: KubeClient, organization: str) -> None:
    first = lease(kube, organization, "first")
    await first.acquire()
    path = f"/apis/coordination.k8s.io/v1/namespaces/{organization}/leases/leader"
    body = {"spec": {"holderIdentity": "usurper", "leaseDurationSeconds": 60}}
    await kube.connection.request("PATCH", path, body=body, content_type="application/merge-patch+json")
    with pytest.raises(LeaseLostError):
        await asyncio.wait_for(first.hold(), 5)
    assert not first.held


async def test_two_at_once_get_one_lease(kube: KubeClient, organization: str) -> None:
    candidates = [lease(kube, organization, f"c{number}") for number in range(5)]
    acquiring = [asyncio.create_task(candidate.acquire()) for candidate in candidates]
    await asyncio.wait(acquiring, timeout=1)
    assert sum(task.done() for task in acquiring) == 1
    for task in acquiring:
        task.cancel()
    await asyncio.gather(*acquiring, return_exceptions=True)
