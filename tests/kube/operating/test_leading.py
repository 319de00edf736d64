"""Two operators: one acts; when it dies, loses its Lease, is told to stop or is paused, the other goes on (F27)."""

import asyncio
import itertools
import signal
from typing import NamedTuple

import pytest

from deplite.kube.client import KubeClient
from deplite.kube.errors import NotFoundError
from deplite.local.probe import ask_port
from deplite.resources import Agent, ApiToken, Trigger
from deplite.resources.resource import Meta
from tests.faults.httpproxy import Exchange
from tests.kube.operating.conftest import LEASE, Operator, Patient, Start
from tests.kube.operating.declared import Declared
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
    await first.wait_ready("/standbyz")
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


class Write(NamedTuple):
    """One write to the Kubernetes API."""

    by: str
    method: str
    path: str


def noting(operator: Operator, writes: list[Write]) -> None:
    """Write down each of the operator's writes."""

    async def note(exchange: Exchange) -> None:
        if exchange.writes:
            writes.append(Write(operator.name, exchange.method, exchange.path))

    operator.proxy.fault = note


async def test_f27_a_forced_rolling_update_never_has_two_that_act(
    kube: KubeClient, organization: str, start: Start
) -> None:
    """The new one runs before the old one ends, whatever the chart says (it says `Recreate`)."""
    writes: list[Write] = []
    present = await start("rolled-0")
    noting(present, writes)
    await present.wait_ready()
    one = Declared(kube=kube, namespace=organization)
    await one.apply_all()
    wanted = await one.ready()

    async def never_at_rest() -> None:
        for number in itertools.count():
            await kube.patch(Trigger, organization, "deploy", {"spec": {"suspended": number % 2 == 0}})
            await asyncio.sleep(0.05)

    changing = asyncio.create_task(never_at_rest())
    for number in range(1, 4):
        coming = await start(f"rolled-{number}")
        noting(coming, writes)
        await coming.wait_ready("/livez")
        seen = len(writes)
        async with asyncio.timeout(60):  # the one that leads goes on beside it
            while len(writes) < seen + 3:
                await asyncio.sleep(0.05)
        assert present.process is not None
        present.process.terminate()
        await coming.wait_ready()
        async with asyncio.timeout(60):
            while all(write.by != coming.name for write in writes):
                await asyncio.sleep(0.05)
        assert await present.wait() == 0
        present = coming
    changing.cancel()
    await asyncio.gather(changing, return_exceptions=True)
    await kube.patch(Trigger, organization, "deploy", {"spec": {"suspended": False}})
    await one.settles(wanted)
    assert [name for name, _ in itertools.groupby(write.by for write in writes)] == [
        f"rolled-{number}" for number in range(4)
    ]


async def test_f27_who_was_paused_past_its_lease_writes_nothing(
    kube: KubeClient, organization: str, patient: Patient, start: Start
) -> None:
    """It wakes before a write that would bring back what was deleted meanwhile, and with others on their way."""
    paused = await start("paused", lease="20/18/0.5")  # it has its Lease until it is paused, whatever it does before
    await paused.wait_ready()
    (paused.failpoints / "operator.secret.decided").write_text("stop")
    one = Declared(kube=kube, namespace=organization)
    agents = [Agent(metadata=Meta(namespace=organization, name=f"agent-{number}")) for number in range(200)]
    creating = [kube.create(agent) for agent in agents]
    await asyncio.gather(*creating[:100], one.apply(ApiToken), *creating[100:])
    async with asyncio.timeout(60):
        while not (paused.failpoints / "operator.secret.decided.hit").exists():
            await asyncio.sleep(0.05)
    successor = await start("successor")
    await successor.wait_ready()
    await patient.condition(ApiToken, organization, "ci", "Minted", "SecretsReady")
    successor.kill()
    await kube.delete(ApiToken, organization, "ci")
    await kube.delete_secret(organization, "ci-token")
    writes: list[Write] = []
    noting(paused, writes)
    assert paused.process is not None
    paused.process.send_signal(signal.SIGCONT)
    assert await paused.wait() == 1
    assert "the lease is lost" in paused.log.read_text()
    assert writes == []
    with pytest.raises(NotFoundError):
        await kube.get_secret(organization, "ci-token")
