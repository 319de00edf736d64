"""Two operators: one acts; when it dies, loses its Lease or is told to stop, the other goes on."""

import asyncio

from deplite.kube.client import KubeClient
from deplite.local.probe import ask_port
from deplite.resources import Agent
from deplite.resources.resource import Meta
from tests.kube.operating.conftest import LEASE, Patient, Start
from tests.organizations import SYSTEM_NAMESPACE

async def works(kube: KubeClient, organization: str, patient: Patient, name: str) -> None:
    await kube.create(Agent(metadata=Meta(namespace=organization, name=name)))
    await patient.condition(Agent, organization, name, "NotEnrolled")


async def test_second_waits_alive_and_takes_over_from_the_dead(
    kube: KubeClient, organization: str, patient: Patient, start: Start
) -> None:
    first = await start("first")
    await first.wait_ready()
    second = await start("second")
    await works(kube, organization, patient, "a")
    await second.wait_ready("/livez")
    await second.wait_ready("/standbyz")
    assert (await ask_port(second.port, "/readyz")).status == 503
    assert (await ask_port(first.port, "/standbyz")).status == 200
    first.kill()
    await second.wait_ready()
    await works(kube, organization, patient, "b")


async def test_who_cannot_ask_for_the_lease_would_not_take_over(kube: KubeClient, start: Start) -> None:
    leader = await start("holder")
    await leader.wait_ready()
    waiting = await start("shut-out")
    await waiting.wait_ready("/standbyz")
    binding = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{SYSTEM_NAMESPACE}/rolebindings/deplite-operator"
    held = await kube.connection.request("GET", binding)
    await kube.connection.request("DELETE", binding)
    try:
        async with asyncio.timeout(120):
            while (await ask_port(waiting.port, "/standbyz")).status != 503:
                await asyncio.sleep(0.2)
    finally:
        bare = {key: held[key] for key in ("apiVersion", "kind", "roleRef", "subjects")}
        body = bare | {"metadata": {"name": "deplite-operator"}}
        await kube.connection.request("POST", binding.rpartition("/")[0], body=body)
    await waiting.wait_ready("/standbyz")


async def test_losing_the_lease_ends_the_process(kube: KubeClient, start: Start) -> None:
    operator = await start("loser")
    await operator.wait_ready()
    body = {"spec": {"holderIdentity": "usurper", "leaseDurationSeconds": 1}}
    await kube.connection.request("PATCH", LEASE, body=body, content_type="application/merge-patch+json")
    assert await operator.wait() == 1


async def test_told_to_stop_it_gives_the_lease_up(kube: KubeClient, start: Start) -> None:
    operator = await start("polite")
    await operator.wait_ready()
    assert await operator.stop() == 0
    lease = await kube.connection.request("GET", LEASE)
    assert lease["spec"].get("holderIdentity", "") == ""


async def test_while_waiting_it_can_be_stopped(start: Start) -> None:
    leader = await start("leader")
    await leader.wait_ready()
    waiting = await start("waiting")
    await waiting.wait_ready("/livez")
    assert await waiting.stop() == 0
