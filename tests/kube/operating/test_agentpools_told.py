"""An AgentPool says in one sentence what is wrong and what to do, and goes on once that is done."""

import pytest

from deplite.kube.client import KubeClient
from deplite.kube.errors import NotFoundError
from deplite.resources import Agent
from tests.kube.operating.conftest import Patient, Start
from tests.kube.operating.nodes import NODE, USUAL, Nodes, held_up
from tests.kube.operating.pools import AGENT, Pool, image


async def test_a_missing_config_map_or_secret_keeps_pods_as_they_are(pool: Pool) -> None:
    await pool.declare(workflows={"configMap": "flows"}, secretName="keys")
    assert "ConfigMap flows" in await pool.says("ConfigMapMissing")
    with pytest.raises(NotFoundError):
        await pool.get(pool.daemon_set)
    await pool.make("configmaps", "flows")
    assert "Secret keys" in await pool.says("SecretMissing")
    await pool.make("secrets", "keys")
    await pool.becomes("Available")
    before = (await pool.get(pool.daemon_set))["metadata"]["generation"]
    await pool.change(workflows={"configMap": "others"}, image="another:1")
    found = await pool.becomes("ConfigMapMissing")
    assert (found.status.ready, found.status.desired) == (1, 1)  # who is there goes on
    assert (await pool.get(pool.daemon_set))["metadata"]["generation"] == before
    await pool.make("configmaps", "others")
    await pool.until(pool.daemon_set, lambda found: image(found) == "another:1")
    await pool.becomes("Available")


async def test_no_node(pool: Pool) -> None:
    await pool.declare(nodeSelector={"deplite.test/nodes": "none"})
    found = await pool.becomes("NoNodes")
    assert (found.status.desired, found.status.ready) == (0, 0)
    await pool.change(nodeSelector=USUAL)
    await pool.becomes("Available")


TROUBLES = {
    "ImagePullBackOff": (held_up("ImagePullBackOff", "ErrImagePull: not found"), "ImagePullFailing", "not found."),
    "CrashLoopBackOff": (held_up("CrashLoopBackOff", restarts=4), "PodsFailing", "exit code 1"),
    "CreateContainerError": (held_up("CreateContainerError", "no such user"), "PodsFailing", "no such user."),
}


@pytest.mark.parametrize("name", TROUBLES)
async def test_pods_that_do_not_run_are_told_until_they_do(pool: Pool, nodes: Nodes, name: str) -> None:
    kubelet, reason, words = TROUBLES[name]
    nodes.kubelets[pool.namespace] = kubelet
    await pool.declare()
    said = await pool.says(reason)
    assert words in said
    assert NODE in said
    del nodes.kubelets[pool.namespace]
    await pool.becomes("Available")


async def test_pods_that_a_policy_refuses_are_told_with_its_words(pool: Pool) -> None:
    limits = [{"type": "Container", "min": {"cpu": "1"}}]
    await pool.make("limitranges", "at-least", spec={"limits": limits})
    await pool.declare(resources={"requests": {"cpu": "100m"}, "limits": {"cpu": "2"}})
    said = await pool.says("PodsRefused")
    assert "minimum cpu usage per Container is 1" in said
    await pool.change(resources={"requests": {"cpu": "1"}})
    await pool.becomes("Available")


async def test_a_spec_that_kubernetes_refuses_stalls_and_changes_nothing(pool: Pool) -> None:
    await pool.declare()
    await pool.becomes("Available")
    before = (await pool.get(pool.daemon_set))["metadata"]["generation"]
    await pool.change(resources={"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}})
    found = await pool.becomes("ObjectRefused")
    condition = found.status.condition("Stalled")
    assert condition is not None
    assert "must be less than or equal to memory limit" in condition.message
    assert (found.status.ready, found.status.desired) == (1, 1)
    assert (await pool.get(pool.daemon_set))["metadata"]["generation"] == before
    await pool.change(resources=None)
    await pool.becomes("Available")


async def test_without_the_role_binding_its_yaml_is_told(kube: KubeClient, pool: Pool) -> None:
    bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{pool.namespace}/rolebindings"
    binding = await pool.get(f"{bindings}/deplite-operator-pools")
    await pool.remove(f"{bindings}/deplite-operator-pools")
    await pool.declare()
    said = await pool.says("RoleBindingMissing")
    assert "name: deplite-operator-pools" in said
    assert f"namespace: {pool.namespace}" in said
    metadata = {"name": "deplite-operator-pools"}
    await kube.connection.request("POST", bindings, body=binding | {"metadata": metadata})
    await pool.becomes("Available")


async def test_a_revoked_agent_is_told_until_it_is_deleted(pool: Pool, nodes: Nodes) -> None:
    await pool.declare()
    await pool.becomes("Available")
    nodes.agents[pool.namespace] = "Revoked"
    await pool.kube.patch(Agent, pool.namespace, AGENT, {"spec": {"revoked": True}})
    assert AGENT in await pool.says("AgentRevoked")
    nodes.agents[pool.namespace] = "Connected"
    await pool.kube.delete(Agent, pool.namespace, AGENT)
    await pool.becomes("Available")


async def test_where_there_are_no_nodes_a_pool_says_so(
    kube: KubeClient, organization: str, patient: Patient, start: Start
) -> None:
    lonely = await start("without-nodes", pods={})
    await lonely.wait_ready()
    pool = Pool(kube, organization, patient)
    await pool.declare()
    found = await pool.becomes("PoolsUnavailable")
    assert found.status.condition("Stalled") is not None
    for path in (pool.account, pool.daemon_set):
        with pytest.raises(NotFoundError):
            await pool.get(path)
