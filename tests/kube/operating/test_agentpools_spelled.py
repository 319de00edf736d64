"""What the API server spells its own way, or leaves out, is no drift: the DaemonSet stays as it was written."""

import pytest

from deplite.kube.client import KubeClient
from deplite.resources import AgentPool
from deplite_operator.policies.daemonset import daemon_set
from deplite_operator.policies.drift import holds
from deplite_operator.settings import AgentPods
from tests.kube.operating.conftest import Operator
from tests.kube.operating.pools import Body, Looks, Pool

RELEASE = AgentPods(image="deplite/agent:1", url="http://deplite-apiserver.deplite-system.svc")
AMOUNTS = [
    *(
        0,
        1,
        999_999_999_999_999,
        "0",
        "0.0",
        "007",
        "1.50",
        "0.5",
        "0.25",
        "1000",
        "1000m",
        "1000Mi",
        "1024Mi",
        "1.5Gi",
    ),
    *("100n", "1n", "0.5n", "1500u", "0.000000001", "0.0001", "1.0000001", "100000000n", "1000000u", "123456789u"),
    *("0.3Gi", "1.1Ki", "0.000000001Ki", "1.000000001Ti", "123456789012345.123456789", "12345678901.123456789Mi"),
    *("1E", "9E", "8Ei", "9.3E", "999999999999999E", "999999999999999.999999999Ei", "1000000k", "1024Ki", "2048Pi"),
]
"""Each keeps the pattern of an amount."""
TOLERATIONS = [
    {"key": "dedicated", "value": "", "effect": "NoSchedule"},
    {"key": "", "operator": "Exists", "value": ""},
    {"key": "slow", "operator": "Equal", "value": "yes", "effect": "NoExecute", "tolerationSeconds": 0},
]
EMPTY = {"tolerations": TOLERATIONS, "podLabels": {"empty": ""}, "podAnnotations": {"empty": ""}}


async def as_stored(kube: KubeClient, namespace: str, spec: Body) -> tuple[Body, Body]:
    """Return the spec of a DaemonSet as it would be written, and as the API server would keep it."""
    metadata = {"name": "linux", "namespace": namespace, "uid": "some"}
    wanted = daemon_set(AgentPool.model_validate({"metadata": metadata, "spec": spec}), RELEASE)
    path, query = f"/apis/apps/v1/namespaces/{namespace}/daemonsets", {"dryRun": "All"}
    stored = await kube.connection.request("POST", path, body=wanted, query=query)
    return wanted["spec"], stored["spec"]


@pytest.mark.parametrize("resource", ["cpu", "memory", "ephemeral-storage"])
async def test_each_amount_stands(kube: KubeClient, organization: str, resource: str) -> None:
    lost = {}
    for amount in AMOUNTS:
        wanted, stored = await as_stored(kube, organization, {"resources": {"requests": {resource: amount}}})
        if not holds(wanted, stored):
            lost[amount] = stored["template"]["spec"]["containers"][0]["resources"]
    assert lost == {}


async def test_empty_texts_stand(kube: KubeClient, organization: str) -> None:
    wanted, stored = await as_stored(kube, organization, EMPTY | {"nodeSelector": {"empty": ""}})
    assert stored["template"]["spec"]["tolerations"][0] == {"key": "dedicated", "effect": "NoSchedule"}
    assert holds(wanted, stored)


async def test_a_pool_with_such_values_is_written_once(pool: Pool, operator: Operator) -> None:
    requests = {"cpu": "1500u", "memory": "1024Mi", "ephemeral-storage": "100000000000n"}
    await pool.declare(resources={"requests": requests, "limits": {"cpu": "0.5", "memory": "1.5Gi"}}, **EMPTY)
    await pool.becomes("Available")
    before = await pool.until(pool.daemon_set, lambda found: found["status"].get("numberAvailable") == 1)
    operator.proxy.fault = looks = Looks(pool)
    await looks.more(4)
    assert looks.written == []
    assert (await pool.get(pool.daemon_set))["metadata"] == before["metadata"]
