"""Every object that the chart renders is one that a real API server takes, and every pod passes `restricted`."""

import copy

import pytest
import pytest_asyncio
import yaml

from deplite.kube.client import KubeClient
from deplite.kube.errors import ForbiddenError, KubeError
from deplite.local.cluster import Cluster
from deplite.local.controlplane import ControlPlane
from tests.chart.chart import FILES, NAMESPACE, Helm, Object, ours, pods, values
from tests.chart.cluster import Dryrun
from tests.chart.helm.foreign import find_or_fetch

RESTRICTED = "chart-restricted"
NUMBER = "456"
NUMBERS = {
    "production": "hosts.app=1,ingress.className=1,ingress.tls.secretName=1,signIn.cluster.owner=1,"
    "apiserver.extraEnv.Y=1,"
    "s3.existingSecret.name=1,s3.existingSecret.accessKeyKey=1,s3.existingSecret.secretKeyKey=true,s3.ca.secretName=1,"
    "redis.existingSecret.name=1,redis.existingSecret.passwordKey=1,redis.existingSecret.sentinelPasswordKey=null,"
    "redis.ca.key=1,slack.existingSecret.name=1,slack.existingSecret.clientSecretKey=1",
    "gateway": "hosts.app=1,hosts.api=2",
    "trial": "seaweedfs.persistence.storageClass=1,seaweedfs.persistence.size=1,redis.existingSecret.passwordKey=1,"
    "s3.existingSecret.accessKeyKey=1,s3.existingSecret.secretKeyKey=true",
}
"""What a release may be called, and names of ours that are text, whatever YAML would take them for."""


@pytest_asyncio.fixture(scope="module")
async def dryrun(kube: KubeClient, control_plane: ControlPlane) -> Dryrun:
    """The session's server, with the namespaces that the objects are for."""
    cluster = await Cluster.connect(control_plane.kubeconfig)
    for name in (NAMESPACE, "org-demo", "org-shop", "org-there", "org-empty", NUMBER):
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


async def refused(dryrun: Dryrun, objects: list[Object]) -> dict[str, str]:
    said = {}
    for found in objects:
        try:
            await dryrun.apply(found)
        except KubeError as error:
            said[f"{found['kind']}/{found['metadata']['name']}"] = str(error)
    return said


@pytest.mark.parametrize("name", FILES)
async def test_the_server_takes_every_object(dryrun: Dryrun, rendered: dict[str, list[Object]], name: str) -> None:
    assert await refused(dryrun, rendered[name]) == {}


@pytest.mark.parametrize("name", FILES)
async def test_names_that_look_like_something_else_stay_text(dryrun: Dryrun, helm: Helm, name: str) -> None:
    said = ("--set-string", NUMBERS.get(name, "commonLabels.a=1"))
    objects = await helm.template(*values(name), *said, release="123", namespace=NUMBER)
    named = [found for found in objects if found["kind"] not in ("CustomResourceDefinition", "ConfigMap")]
    assert {found["metadata"]["labels"]["app.kubernetes.io/instance"] for found in named} == {"123"}
    assert await refused(dryrun, objects) == {}


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
