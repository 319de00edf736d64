"""The Lease against the real API server: one holder, taken over when it dies, lost in time by who holds it."""

import asyncio

import pytest

from deplite.kube.client import KubeClient
from deplite.kube.lease import Lease, LeaseLostError

DURATION = 6.0
"""Seconds, of which a machine that is busy elsewhere must not keep a holder from renewing."""


def lease(kube: KubeClient, namespace: str, identity: str, duration: float = DURATION) -> Lease:
    return Lease(kube, namespace, "leader", identity, duration=duration, renew=duration - 1, retry=0.2)


async def test_one_holds_and_the_other_waits(kube: KubeClient, organization: str) -> None:
    first, second = lease(kube, organization, "first"), lease(kube, organization, "second")
    await first.acquire()
    holding = asyncio.create_task(first.hold())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(second.acquire(), DURATION + 1)
    assert first.held
    assert not second.held
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)


async def test_what_is_given_up_need_not_be_waited_for(kube: KubeClient, organization: str) -> None:
    first, second = lease(kube, organization, "first", 120), lease(kube, organization, "second", 120)
    await first.acquire()
    await first.release()
    async with asyncio.timeout(60):
        await second.acquire()
    assert second.held
    assert not first.held


async def test_dead_holder_is_followed_after_the_duration(kube: KubeClient, organization: str) -> None:
    first, second = lease(kube, organization, "first", 2.0), lease(kube, organization, "second", 2.0)
    began = asyncio.get_running_loop().time()
    await first.acquire()
    async with asyncio.timeout(60):
        await second.acquire()
    assert asyncio.get_running_loop().time() - began >= 2.0
    assert not first.held


async def test_deposed_holder_notices(kube: KubeClient, organization: str) -> None:
    first = lease(kube, organization, "first")
    await first.acquire()
    path = f"/apis/coordination.k8s.io/v1/namespaces/{organization}/leases/leader"
    body = {"spec": {"holderIdentity": "usurper", "leaseDurationSeconds": 60}}
    await kube.connection.request("PATCH", path, body=body, content_type="application/merge-patch+json")
    with pytest.raises(LeaseLostError, match="Somebody else holds"):
        await asyncio.wait_for(first.hold(), 60)
    assert not first.held


async def test_two_at_once_get_one_lease(kube: KubeClient, organization: str) -> None:
    candidates = [lease(kube, organization, f"c{number}", 60) for number in range(5)]
    acquiring = [asyncio.create_task(candidate.acquire()) for candidate in candidates]
    await asyncio.wait(acquiring, timeout=60, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait(acquiring, timeout=1)
    assert sum(task.done() for task in acquiring) == 1
    for task in acquiring:
        task.cancel()
    await asyncio.gather(*acquiring, return_exceptions=True)
