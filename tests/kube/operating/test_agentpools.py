"""An AgentPool gets its pods from the real DaemonSet controller; what is made for it is put right, and goes with it."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.kube.errors import NotFoundError
from deplite.resources import Agent, AgentPool
from deplite.resources.resource import Meta, utc
from tests.kube.operating.conftest import PODS, Operator
from tests.kube.operating.nodes import NODE, Nodes
from tests.kube.operating.pools import AGENT, Pool, image


@pytest_asyncio.fixture
async def spare(nodes: Nodes, kube: KubeClient) -> AsyncIterator[str]:
    """A node of the test's own, which the test may have taken away."""
    name = f"spare-{secrets.token_hex(4)}"
    await nodes.add(name, {"deplite.test/nodes": name})
    yield name
    try:
        await nodes.remove(name)
    except NotFoundError:
        return


async def test_a_pool_gets_pods_and_is_ready_once_their_agents_are_connected(pool: Pool, nodes: Nodes) -> None:
    nodes.agents[pool.namespace] = "Disconnected"
    await pool.declare()
    said = await pool.says("AgentsNotConnected")
    assert AGENT in said
    nodes.agents[pool.namespace] = "Connected"
    status = (await pool.becomes("Available")).status
    assert (status.desired, status.updated, status.ready, status.agents) == (1, 1, 1, (AGENT,))
    assert status.image == PODS["DEPLITE_AGENT_IMAGE"]
    account = await pool.get(pool.account)
    assert status.service_account is not None
    assert status.service_account.uid == account["metadata"]["uid"]
    (pod,) = await pool.pods()
    assert pod["spec"]["serviceAccountName"] == "linux-agents"


async def test_pods_pass_pod_security_restricted(pool: Pool) -> None:
    """What the real admission says of them; Secret, ConfigMap and token among their volumes."""
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    await pool.patch(f"/api/v1/namespaces/{pool.namespace}", label)
    await pool.make("configmaps", "flows")
    await pool.make("secrets", "keys")
    await pool.declare(workflows={"configMap": "flows"}, secretName="keys")
    await pool.becomes("Available")


async def test_the_account_is_told_before_there_are_pods(pool: Pool, operator: Operator) -> None:
    """They enrol by what the status says."""
    order: list[str] = []

    async def note(exchange: Any) -> None:
        if exchange.writes and f"/{pool.namespace}/" in exchange.path:
            body = exchange.body.decode()
            kind = "status" if exchange.path.endswith("/status") else exchange.path.rsplit("/", 1)[-1]
            if kind != "status" or "serviceAccount" in body:
                order.append(kind)

    operator.proxy.fault = note
    await pool.declare()
    await pool.becomes("Available")
    operator.proxy.fault = None
    assert [what for what in order if what != "events"][:3] == ["serviceaccounts", "status", "daemonsets"]


def is_rolled_out(found: Any) -> bool:
    """Whether the one pod of a DaemonSet is as its template is now."""
    status = found["status"]
    seen = status.get("observedGeneration") == found["metadata"]["generation"]
    return seen and status.get("updatedNumberScheduled") == status.get("numberAvailable") == 1


async def test_what_somebody_changes_is_put_right_and_what_they_add_stays(pool: Pool) -> None:
    await pool.declare(podLabels={"team": "shop"})
    await pool.becomes("Available")
    container = {"name": "agent", "image": "evil:1"}
    strange = {"image": "evil:1", "restartedAt": "now"}
    body = {"spec": {"template": {"metadata": {"annotations": strange}, "spec": {"containers": [container]}}}}
    path, merge = pool.daemon_set, "application/strategic-merge-patch+json"
    await pool.kube.connection.request("PATCH", path, body=body, content_type=merge)
    await pool.until(path, lambda found: image(found) == PODS["DEPLITE_AGENT_IMAGE"])
    await pool.until(path, is_rolled_out)
    await pool.becomes("Available")

    restart = {"kubectl.kubernetes.io/restartedAt": "2026-06-01T12:00:00Z"}
    (before,) = await pool.pods()
    await pool.patch(path, {"spec": {"template": {"metadata": {"annotations": restart}}}})
    async with asyncio.timeout(60):  # what `kubectl rollout restart` does
        while before["metadata"]["name"] in {pod["metadata"]["name"] for pod in await pool.pods()}:
            await asyncio.sleep(0.05)
    found = await pool.until(path, lambda found: found["status"].get("numberAvailable") == 1)
    assert restart.items() <= found["spec"]["template"]["metadata"]["annotations"].items()
    await pool.becomes("Available")


async def test_what_the_spec_does_not_say_any_more_goes(pool: Pool) -> None:
    more = {"tolerations": [{"operator": "Exists"}], "podAnnotations": {"a": "b"}}
    await pool.declare(**more)
    await pool.until(pool.daemon_set, lambda found: "tolerations" in found["spec"]["template"]["spec"])
    await pool.change(tolerations=None, podAnnotations=None)
    found = await pool.until(pool.daemon_set, lambda found: "tolerations" not in found["spec"]["template"]["spec"])
    assert "a" not in found["spec"]["template"]["metadata"].get("annotations", {})
    await pool.becomes("Available")


async def test_what_was_deleted_is_made_again(pool: Pool) -> None:
    await pool.declare()
    first = (await pool.becomes("Available")).status.service_account
    assert first is not None
    await pool.remove(pool.account)
    account = await pool.until(pool.account, lambda found: found["metadata"]["uid"] != first.uid)
    async with asyncio.timeout(60):
        while (now := (await pool.becomes("Available")).status.service_account) is None or now.uid == first.uid:
            await asyncio.sleep(0.05)
    assert now.uid == account["metadata"]["uid"]
    old = (await pool.get(pool.daemon_set))["metadata"]["uid"]
    await pool.remove(pool.daemon_set)
    await pool.until(pool.daemon_set, lambda found: found["metadata"]["uid"] != old)
    await pool.becomes("Available")


@pytest.mark.parametrize("kind", ["ServiceAccount", "DaemonSet"])
async def test_a_foreign_object_of_the_name_is_left_alone(pool: Pool, kind: str) -> None:
    path = pool.account if kind == "ServiceAccount" else pool.daemon_set
    labels = {"app": "mine"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"spec": {"selector": {"matchLabels": labels}, "template": template}} if kind == "DaemonSet" else {}
    body = {"metadata": {"name": "linux-agents"}} | spec
    before = await pool.kube.connection.request("POST", path.rpartition("/")[0], body=body)
    await pool.declare()
    found = await pool.becomes("NameTaken")
    condition = found.status.condition("Ready")
    assert condition is not None
    assert f"There is a {kind} linux-agents" in condition.message
    assert found.status.condition("Stalled") is not None
    after = await pool.get(path)
    assert (after.get("spec"), after["metadata"].get("ownerReferences")) == (before.get("spec"), None)
    assert "deplite-operator" not in {one["manager"] for one in after["metadata"].get("managedFields", ())}
    await pool.remove(path)
    await pool.becomes("Available")


async def test_a_new_image_rolls_out_and_old_pods_end_first(pool: Pool, nodes: Nodes) -> None:
    await pool.declare()
    await pool.becomes("Available")
    nodes.draining.add(pool.namespace)
    await pool.change(image="another:1", terminationGracePeriodSeconds=120)
    await pool.becomes("RollingOut")
    said = ""
    async with asyncio.timeout(60):
        while "jobs on" not in said:
            said = await pool.says("RollingOut")
            await asyncio.sleep(0.05)
    assert said == f"0 of 1 nodes have a pod as the spec says; jobs on {NODE} may go on for 120 s."
    nodes.draining.discard(pool.namespace)
    found = await pool.becomes("Available")
    assert (found.status.image, found.status.updated) == ("another:1", 1)
    (pod,) = await pool.pods()
    agent = await pool.kube.get(Agent, pool.namespace, AGENT)
    assert agent.status.pod is not None
    assert agent.status.pod.uid == pod["metadata"]["uid"]


async def test_an_agent_goes_a_while_after_its_node(pool: Pool, spare: str, nodes: Nodes) -> None:
    await pool.declare(nodeSelector={"kubernetes.io/os": "linux"})
    found = await pool.becomes("Available")
    assert f"linux.{spare}" in found.status.agents
    await nodes.remove(spare)
    await pool.until(f"{pool.agents}/linux.{spare}", lambda found: found["status"]["state"] == "Disconnected")
    found = await pool.becomes("Available")
    assert f"linux.{spare}" in found.status.agents  # it may come back
    long_ago = utc(datetime.now(UTC) - timedelta(seconds=901))
    await pool.kube.patch_status(Agent, pool.namespace, f"linux.{spare}", {"lastSeenAt": long_ago})
    await pool.gone(f"{pool.agents}/linux.{spare}")
    async with asyncio.timeout(60):
        while f"linux.{spare}" in (await pool.becomes("Available")).status.agents:
            await asyncio.sleep(0.05)
    async with asyncio.timeout(60):
        while True:
            events = (await pool.get(f"/api/v1/namespaces/{pool.namespace}/events"))["items"]
            if "AgentRemoved" in {one["reason"] for one in events}:
                break
            await asyncio.sleep(0.05)


async def test_an_agent_that_somebody_else_declared_is_none_of_the_pools(pool: Pool) -> None:
    metadata = Meta(namespace=pool.namespace, name="linux.elsewhere", labels={"deplite.io/pool": "linux"})
    await pool.kube.create(Agent(metadata=metadata))
    long_ago = utc(datetime.now(UTC) - timedelta(days=1))
    status = {"state": "Disconnected", "lastSeenAt": long_ago}
    await pool.kube.patch_status(Agent, pool.namespace, "linux.elsewhere", status)
    await pool.declare()
    assert (await pool.becomes("Available")).status.agents == (AGENT,)
    assert (await pool.kube.get(Agent, pool.namespace, "linux.elsewhere")).status.state == "Disconnected"


async def test_all_goes_with_the_pool_also_while_no_operator_runs(pool: Pool, operator: Operator) -> None:
    await pool.declare()
    await pool.becomes("Available")
    made = [await pool.get(path) for path in (pool.account, pool.daemon_set, f"{pool.agents}/{AGENT}")]
    declared = await pool.get(f"/apis/deplite.io/v1alpha1/namespaces/{pool.namespace}/agentpools/linux")
    assert not any("finalizers" in one["metadata"] for one in [*made, declared])
    operator.kill()
    await pool.kube.delete(AgentPool, pool.namespace, "linux")
    for path in (pool.account, pool.daemon_set, f"{pool.agents}/{AGENT}"):
        await pool.gone(path)
    async with asyncio.timeout(60):
        while await pool.pods():
            await asyncio.sleep(0.05)
    await operator.start_again(pool.kube)


async def test_a_pool_that_is_made_anew_waits_until_the_old_one_is_gone(pool: Pool) -> None:
    await pool.declare()
    first = (await pool.becomes("Available")).status.service_account
    await pool.kube.delete(AgentPool, pool.namespace, "linux")
    await pool.declare()
    second = (await pool.becomes("Available")).status.service_account
    assert first is not None
    assert second is not None
    assert first.uid != second.uid
    for path in (pool.account, pool.daemon_set):
        (owner,) = (await pool.get(path))["metadata"]["ownerReferences"]
        assert owner["uid"] == (await pool.kube.get(AgentPool, pool.namespace, "linux")).metadata.uid
