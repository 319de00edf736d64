"""Every object that the chart renders is one that a real API server takes, and every pod passes `restricted`."""

import copy

import pytest
import pytest_asyncio
import yaml

from deplite.kube.client import KubeClient
from deplite.kube.errors import ForbiddenError, KubeError
from deplite.local.cluster import Cluster
from deplite.local.controlplane import ControlPlane
from tests.chart.chart import FILES, NAMESPACE, Object, ours, pods
from tests.chart.cluster import Dryrun
from tests.chart.helm.foreign import find_or_fetch

RESTRICTED = "chart-restricted"


@pytest_asyncio.fixture(scope="module")
async def dryrun(kube: KubeClient, control_plane: ControlPlane) -> Dryrun:
    """The session's server, with the namespaces that the objects are for."""
    cluster = await Cluster.connect(control_plane.kubeconfig)
    for name in (NAMESPACE, "org-demo", "org-shop", "org-there", "org-empty"):
        await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    labels = {
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
    }
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": RESTRICTED, "labels": labels}})
    runtime = {"metadata": {"name": "gvisor"}, "handler": "runsc"}
    await kube.connection.request("POST", "/apis/node.k8s.io/v1/runtimeclasses", body=runtime)
    foreign = [yaml.safe_load(path.read_text()) for path in await find_or_fetch()]
    await cluster.apply_all(foreign)
    await cluster.wait_established([kind["metadata"]["name"] for kind in foreign])
    await cluster.close()
    return Dryrun(kube)


@pytest.mark.parametrize("name", FILES)
async def test_the_server_takes_every_object(dryrun: Dryrun, rendered: dict[str, list[Object]], name: str) -> None:
    refused = {}
    for found in rendered[name]:
        try:
            await dryrun.apply(found)
        except KubeError as error:
            refused[f"{found['kind']}/{found['metadata']['name']}"] = str(error)
    assert refused == {}


@pytest.mark.parametrize("name", FILES)
async def test_pod_security_restricted_takes_every_pod(
    dryrun: Dryrun, rendered: dict[str, list[Object]], name: str
) -> None:
    refused = {}
    for owner, template in pods(rendered[name]).items():
        try:
            await dryrun.pod(RESTRICTED, template)
        except ForbiddenError as error:
            refused[owner] = str(error)
    assert refused == {}


async def test_the_judge_refuses_what_it_should(dryrun: Dryrun, rendered: dict[str, list[Object]]) -> None:
    template = copy.deepcopy(pods(rendered["smallest"])["deplite-apiserver"])
    template["spec"]["securityContext"]["runAsNonRoot"] = False
    with pytest.raises(ForbiddenError, match="runAsNonRoot"):
        await dryrun.pod(RESTRICTED, template)


async def test_an_unknown_field_is_an_error(dryrun: Dryrun, rendered: dict[str, list[Object]]) -> None:
    service = next(one for one in copy.deepcopy(rendered["smallest"]) if one["kind"] == "Service")
    service["spec"]["portz"] = []
    with pytest.raises(KubeError):
        await dryrun.apply(service)


def test_no_pod_may_write_its_root_or_run_as_root(rendered: dict[str, list[Object]]) -> None:
    for objects in rendered.values():
        for template in pods(objects).values():
            container, security = ours(template), template["spec"]["securityContext"]
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert security["runAsNonRoot"] is True
            assert security.get("runAsUser", 999) >= 999
            assert not any("hostPath" in volume for volume in template["spec"]["volumes"])
            assert {"livenessProbe", "readinessProbe"} <= set(container)
