"""A pod takes over at one replica, and another one has not heard of it yet: what that tells the former pod ends."""

from collections.abc import AsyncIterator

import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.resources import Agent, AgentPool, ApiToken, DeployJob, Trigger
from deplite.resources.identifiers import object_id
from tests.kube.edge.answers import refused
from tests.kube.jobs.conftest import WORKFLOW, make_token
from tests.kube.pools.cluster import PodAgent, Pool, make_node
from tests.kube.replicas.conftest import Pair, deaf_of_agents, leading
from tests.kube.serving import told, until


@pytest_asyncio.fixture
async def pool(kube: KubeClient, organization: str, pair: Pair) -> AsyncIterator[tuple[Pool, str]]:
    """A pool and one of its nodes."""
    made = Pool(kube=kube, namespace=organization, name="web")
    await made.declare()
    await told(AgentPool)
    node = await make_node(kube)
    yield made, node
    await made.close()
    await kube.connection.request("DELETE", f"/api/v1/nodes/{node}")


async def reported(agent: PodAgent) -> None:
    answer = await agent.call("POST", "/agent/workflows/report", {"workflows": [WORKFLOW]})
    assert answer.status_code == 200, answer.text
    await told(Agent)


async def ended(kube: KubeClient, namespace: str, job_id: str) -> tuple[str, str | None]:
    status = (await kube.get(DeployJob, namespace, job_id)).status
    return status.phase.value, status.reason.value if status.reason else None


async def test_a_claim_that_a_replica_takes_by_the_former_key_ends_and_the_key_is_worth_nothing_soon(
    kube: KubeClient, pair: Pair, pool: tuple[Pool, str]
) -> None:
    made, node = pool
    old = await made.enrolled(pair.one.base, await made.pod(node), "i1")
    await reported(old)
    spec = {"agent": f"web.{node}", "workflow": "deploy-prod"}
    await kube.create(
        Trigger.model_validate({"metadata": {"name": "deploy", "namespace": made.namespace}, "spec": spec})
    )
    token = await make_token(kube, made.namespace, "ci", grants=[{"type": "trigger", "triggers": ["deploy"]}])
    await told(Trigger, ApiToken)
    await leading(pair)
    for behind, ahead in (pair.leader_first(), pair.leader_first()[::-1]):
        path = f"/triggers/{object_id('tr', made.namespace, 'deploy')}/run"
        ran = await pair.clients[0].post(path, json={}, headers={"Authorization": f"Bearer {token}"})
        job_id = ran.json()["jobId"]
        await told(DeployJob)
        new = PodAgent(ahead.base, f"after {old.instance}".replace(" ", "-"))
        made.agents.append(new)
        with deaf_of_agents(behind):
            assert (await new.enroll(await made.token(await made.pod(node)))).status_code == 201
            old.base = behind.base
            assert (await old.report(job_id, "running")).status_code == 204  # its key is news here
            late = await new.report(job_id, "running")
            refused(late, 409, "job_finished" if late.json()["code"] == "job_finished" else "already_claimed")
        await until(lambda job_id=job_id: ended(kube, made.namespace, job_id), ("Failed", "agent_crashed"))
        for replica in pair.both:
            old.base = replica.base
            refused(await old.call("POST", "/agent/heartbeat"), 401, "bad_signature")
            new.base = replica.base
            assert (await new.call("POST", "/agent/heartbeat")).status_code == 204
        old = new
        await reported(old)


async def test_the_stream_of_the_former_pod_is_closed_at_the_other_replica(
    kube: KubeClient, pair: Pair, pool: tuple[Pool, str]
) -> None:
    made, node = pool
    old = await made.enrolled(pair.other.base, await made.pod(node), "i1")
    async with old.stream(extra={"X-Deplite-Instance": "i1"}) as events:
        new = await made.enrolled(pair.one.base, await made.pod(node), "i2")
        async with new.stream(extra={"X-Deplite-Instance": "i2"}) as newer:
            assert [name async for name, _ in events] == []
            await reported(new)
            await until(lambda: pair.connected((made.namespace, f"web.{node}")), [True, True])
            del newer
    assert (await made.agent_on(node)).status.condition("DuplicateIdentity") is None
