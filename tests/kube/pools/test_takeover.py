"""A pod takes the place of another one: what that ran has ended, what waits is the new one's, and neither fights."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.resources import Agent, ApiToken, DeployJob, Trigger
from deplite.resources.identifiers import object_id
from tests.kube.edge.answers import refused
from tests.kube.jobs.conftest import WORKFLOW, make_token
from tests.kube.pools.cluster import Pod, PodAgent, Pool
from tests.kube.pools.test_enrollment import enroll
from tests.kube.serving import Replica, told, until


@dataclass(frozen=True, kw_only=True)
class Post:
    """A pool's agent on one node, with triggers and a token that may run them."""

    pool: Pool
    node: str
    replica: Replica
    http: httpx.AsyncClient
    token: str

    async def arrive(self, instance: str | None, pod: Pod | None = None) -> PodAgent:
        """Have a pod of the pool come to the node, enrol, and report."""
        agent = await self.pool.enrolled(self.replica.base, pod or await self.pool.pod(self.node), instance)
        answer = await agent.call("POST", "/agent/workflows/report", {"workflows": [WORKFLOW]})
        assert answer.status_code == 200, answer.text
        await told(Agent)
        return agent

    async def run(self, trigger: str = "deploy") -> str:
        path = f"/triggers/{object_id('tr', self.pool.namespace, trigger)}/run"
        answer = await self.http.post(path, json={}, headers={"Authorization": f"Bearer {self.token}"})
        assert answer.status_code == 202, answer.text
        await told(DeployJob)
        return str(answer.json()["jobId"])

    async def declare(self, name: str, **spec: Any) -> None:
        wanted = {"agent": f"web.{self.node}", "workflow": "deploy-prod"} | spec
        metadata = {"name": name, "namespace": self.pool.namespace}
        await self.pool.kube.create(Trigger.model_validate({"metadata": metadata, "spec": wanted}))

    async def ended(self, job_id: str) -> tuple[str, str | None]:
        """Return phase and reason, as the cluster has them."""
        status = (await self.pool.kube.get(DeployJob, self.pool.namespace, job_id)).status
        return status.phase.value, status.reason.value if status.reason else None

    async def log(self, job_id: str) -> list[str]:
        answer = await self.http.get(f"/jobs/{job_id}/logs", headers={"Authorization": f"Bearer {self.token}"})
        return [line["content"] for line in answer.json()["items"]]


@pytest_asyncio.fixture
async def post(
    kube: KubeClient, pool: Pool, node: str, replica: Replica, http: httpx.AsyncClient
) -> AsyncIterator[Post]:
    token = await make_token(kube, pool.namespace, "ci", grants=[{"type": "trigger", "triggers": ["deploy", "queue"]}])
    made = Post(pool=pool, node=node, replica=replica, http=http, token=token)
    await made.declare("deploy")
    await made.declare("queue", concurrency={"policy": "queue", "group": "prod"})
    await told(Trigger, ApiToken)
    yield made


CRASHED = ("Failed", "agent_crashed")


@pytest.mark.parametrize("instances", [("i1", "i2"), (None, None)], ids=["ours", "published"])
async def test_what_the_former_pod_ran_has_ended_when_the_new_one_is_in(
    post: Post, instances: tuple[str | None, str | None]
) -> None:
    old = await post.arrive(instances[0])
    running, waiting = await post.run(), await post.run()
    assert (await old.report(running, "running")).status_code == 204
    assert (await old.ship(running, "one", "two")).status_code == 200
    await told(DeployJob)
    claimed = await post.pool.kube.get(DeployJob, post.pool.namespace, running)
    agent = await post.pool.agent_on(post.node)
    assert agent.status.pod is not None
    assert claimed.status.pod == agent.status.pod.uid
    new = await post.arrive(instances[1])
    assert await post.ended(running) == CRASHED
    assert await post.ended(waiting) == ("Queued", None)
    refused(await old.report(running, "success", exitCode=0), 401, "bad_signature")
    assert await post.log(running) == ["one", "two"]
    assert (await new.report(waiting, "running")).status_code == 204
    assert (await new.report(waiting, "success", exitCode=0)).status_code == 204
    assert await post.ended(waiting) == ("Succeeded", None)
    refused(await new.report(running, "success", exitCode=0), 409, "already_claimed")


async def test_queued_jobs_are_sent_to_the_new_pod_also_those_that_the_former_one_was_sent(post: Post) -> None:
    old = await post.arrive("i1")
    async with old.stream(extra={"X-Deplite-Instance": "i1"}) as events:
        job_id = await post.run()
        assert (await old.next_deploy(events))["job_id"] == job_id
        new = await post.arrive("i2")
        assert [name async for name, _ in events] == []  # the stream of a key that is none any more is closed
    async with new.stream(extra={"X-Deplite-Instance": "i2"}) as events:
        assert (await new.next_deploy(events))["job_id"] == job_id
    assert (await new.report(job_id, "running")).status_code == 204


async def test_runs_are_accepted_between_two_pods(post: Post) -> None:
    await post.arrive("i1")
    await post.pool.enrolled(post.replica.base, await post.pool.pod(post.node), "i2")  # it has not reported yet
    assert await post.ended(await post.run()) == ("Queued", None)


async def test_a_drained_pod_has_told_its_results_before(post: Post) -> None:
    old = await post.arrive("i1")
    job_id = await post.run()
    assert (await old.report(job_id, "running")).status_code == 204
    assert (await old.report(job_id, "success", exitCode=0)).status_code == 204
    await post.arrive("i2")
    assert await post.ended(job_id) == ("Succeeded", None)


async def test_a_job_that_ended_so_frees_its_group(post: Post) -> None:
    old = await post.arrive("i1")
    first, second = await post.run("queue"), await post.run("queue")

    async def claim(agent: PodAgent, job_id: str) -> int:
        return int((await agent.report(job_id, "running")).status_code)

    await until(lambda: claim(old, first), 204)
    refused(await old.report(second, "running"), 409, "job_waiting")
    await told(DeployJob)
    new = await post.arrive("i2")
    assert await post.ended(first) == CRASHED
    await until(lambda: claim(new, second), 204)


async def test_a_claim_under_way_while_the_key_changes_is_ended_by_the_sweeper(post: Post) -> None:
    old = await post.arrive("i1")
    job_id = await post.run()
    before = await post.pool.agent_on(post.node)
    await post.arrive("i2")
    # A replica that had the former key when the signature was checked writes the claim after the new pod is in.
    assert before.status.pod is not None
    claim = {"phase": "Running", "instance": "i1", "startedAt": "2026-05-31T13:42:18Z", "pod": before.status.pod.uid}
    await post.pool.kube.patch_status(DeployJob, post.pool.namespace, job_id, claim)
    await until(lambda: post.ended(job_id), CRASHED)
    assert (await old.call("POST", "/agent/heartbeat")).status_code == 401


async def test_a_job_whose_agent_was_made_anew_by_another_pod_is_ended_by_the_sweeper(post: Post) -> None:
    old = await post.arrive("i1")
    job_id = await post.run()
    assert (await old.report(job_id, "running")).status_code == 204
    await post.pool.kube.delete(Agent, *(await post.pool.agent_on(post.node)).key)
    await told(Agent)
    await post.arrive("i2")
    await until(lambda: post.ended(job_id), CRASHED)


async def test_a_job_goes_on_while_its_own_pod_enrols_again(post: Post) -> None:
    pod = await post.pool.pod(post.node)
    agent = await post.arrive("i1", pod)
    job_id = await post.run()
    assert (await agent.report(job_id, "running")).status_code == 204
    assert (await agent.enroll(await post.pool.token(pod))).status_code == 201
    await post.pool.kube.delete(Agent, *(await post.pool.agent_on(post.node)).key)
    await told(Agent)
    assert (await agent.enroll(await post.pool.token(pod))).status_code == 201
    await post.replica.context.desk.sweeper.end_overdue()
    assert await post.ended(job_id) == ("Running", None)
    assert (await agent.report(job_id, "success", exitCode=0)).status_code == 204
    assert await post.ended(job_id) == ("Succeeded", None)


async def test_two_pods_on_one_node_do_not_fight(post: Post) -> None:
    pods = [await post.pool.pod(post.node) for _ in range(2)]
    first, second = [await post.arrive(f"i{number}", pod) for number, pod in enumerate(pods)]
    for _ in range(5):
        answer = await enroll(post.http, await post.pool.token(pods[0]))
        refused(answer, 409, "pod_replaced")
        assert (await second.call("POST", "/agent/heartbeat")).status_code == 204
    refused(await first.call("POST", "/agent/heartbeat"), 401, "bad_signature")
    found = await post.pool.agent_on(post.node)
    assert found.status.condition("DuplicateIdentity") is None
    assert found.status.replaced_pods == (pods[0].uid,)


async def test_a_pod_that_was_deleted_by_force_hears_that_it_was_replaced(post: Post) -> None:
    pod = await post.pool.pod(post.node)
    former, token = await post.arrive("i1", pod), await post.pool.token(pod)
    job_id = await post.run()
    assert (await former.report(job_id, "running")).status_code == 204
    await post.pool.delete(pod)
    await until(lambda: post.pool.is_good(token), False)
    refused(await enroll(post.http, token), 401, "invalid_enroll_token")  # nobody has taken its place
    assert (await former.call("POST", "/agent/heartbeat")).status_code == 204
    await post.arrive("i2")
    refused(await former.call("POST", "/agent/heartbeat"), 401, "bad_signature")
    refused(await enroll(post.http, token), 409, "pod_replaced")
    assert await post.ended(job_id) == CRASHED


async def test_twenty_restarts_leave_one_agent_and_nothing_else(post: Post, kube: KubeClient) -> None:
    namespace = post.pool.namespace
    for number in range(20):
        pod = await post.pool.pod(post.node)
        agent = await post.arrive(f"i{number}", pod)
        assert (await agent.report(await post.run(), "success", exitCode=0)).status_code == 204
        await post.pool.delete(pod)
    (found,) = await kube.list(Agent, namespace)
    assert len(found.status.replaced_pods) == 16
    assert len(found.model_dump_json()) < 4096
    for kind in ("secrets", "configmaps", "leases"):
        group = "apis/coordination.k8s.io/v1" if kind == "leases" else "api/v1"
        left = await kube.connection.request("GET", f"/{group}/namespaces/{namespace}/{kind}")
        assert [one["metadata"]["name"] for one in left["items"]] in ([], ["kube-root-ca.crt"])
    jobs = await kube.list(DeployJob, namespace)
    assert [job.status.phase.value for job in jobs] == ["Succeeded"] * 20
