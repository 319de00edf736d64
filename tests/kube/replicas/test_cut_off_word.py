"""What a replica says in the cluster while it cannot reach Redis: how long it is believed, and when it is said."""

from typing import Any

import pytest

from deplite.kube.client import KubeClient
from deplite.kube.lease import Lease
from deplite_apiserver.dispatch.cutoff import ALONE_SECONDS, LEASE_NAME, CutOff
from deplite_apiserver.shared.others import EXCHANGE_SECONDS
from deplite_apiserver.shared.pulse import PROBE_SECONDS
from tests.unit.apiserver.clocks import StillClock

DURATION = 15


async def said(kube: KubeClient, namespace: str) -> dict[str, Any]:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE_NAME}"
    spec: dict[str, Any] = (await kube.connection.request("GET", path))["spec"]
    return spec


class Replica:
    """One with agents, on a clock of the test's."""

    def __init__(self, kube: KubeClient, namespace: str, name: str, *, duration: float = DURATION) -> None:
        self.clock, self.alone = StillClock(), 0.0
        lease = Lease(kube, namespace, LEASE_NAME, name, duration=duration, monotonic=self.clock.monotonic)
        self.cut_off = CutOff(lease, alone=lambda: self.alone, needed=lambda: True)

    async def sees_somebody(self) -> bool:
        await self.cut_off.look()
        return self.cut_off.somebody


@pytest.mark.parametrize("duration", [DURATION, 10**6])
async def test_a_replica_that_died_is_believed_for_a_while_and_its_name_is_taken_out(
    kube: KubeClient, organization: str, duration: float
) -> None:
    dead = Replica(kube, organization, "dead", duration=duration)
    dead.alone = ALONE_SECONDS + 1
    assert await dead.sees_somebody()
    here = Replica(kube, organization, "here")
    assert await here.sees_somebody()
    here.clock.advance(DURATION - 1)
    assert await here.sees_somebody()
    assert (await said(kube, organization))["holderIdentity"] == "dead"
    here.clock.advance(2)
    assert not await here.sees_somebody()
    assert (await said(kube, organization))["holderIdentity"] == ""
    assert not await Replica(kube, organization, "new").sees_somebody()


async def test_one_that_renews_is_believed_as_long_as_it_does(kube: KubeClient, organization: str) -> None:
    there, here = Replica(kube, organization, "there"), Replica(kube, organization, "here")
    there.alone = ALONE_SECONDS + 1
    for _ in range(4):
        assert await there.sees_somebody()
        assert await here.sees_somebody()
        here.clock.advance(DURATION - 1)
    there.alone = 0.0
    assert not await there.sees_somebody()
    assert not await here.sees_somebody()


def test_one_exchange_that_fails_is_not_yet_said_in_the_cluster() -> None:
    assert ALONE_SECONDS > 2 * EXCHANGE_SECONDS + PROBE_SECONDS
