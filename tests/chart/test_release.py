"""A release from its first day to its last, against a real API server that knew nothing of us.

Nothing runs there (no nodes), so the operator is dead all the time: nothing may wait for it.
"""

import json
import re
import shutil
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.kube.errors import NotFoundError
from tests.chart.chart import CHART, NAMESPACE, RELEASE, Helm, HelmError, values
from tests.planes import plane_in

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
TRIALS = "/api/v1/namespaces/deplite-system/secrets"
ORGANIZATION = "/apis/deplite.io/v1alpha1/namespaces/org-demo/organizations/organization"
TRIGGERS = "/apis/deplite.io/v1alpha1/namespaces/org-demo/triggers"
QUOTAS = "/api/v1/namespaces/org-demo/resourcequotas"
CONFIGS = "/api/v1/namespaces/deplite-system/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/deplite-system/deployments"
HERE = ("--namespace", NAMESPACE)


class Cluster:
    """A cluster of its own, and Helm as its administrator calls it."""

    def __init__(self, helm: Helm, kube: KubeClient) -> None:
        self.helm, self._request = helm, kube.connection.request

    async def get(self, path: str) -> Any:
        return await self._request("GET", path)

    async def create(self, path: str, body: Any) -> None:
        await self._request("POST", path, body=body)

    async def exists(self, path: str) -> bool:
        try:
            await self.get(path)
        except NotFoundError:
            return False
        return True

    async def names(self, path: str) -> set[str]:
        return {item["metadata"]["name"] for item in (await self.get(path))["items"]}


@pytest_asyncio.fixture(scope="module")
async def cluster(program: Path, session_folder: Path) -> AsyncIterator[Cluster]:
    async with plane_in(session_folder / "chart-plane", definitions=False) as plane:
        home = session_folder / "chart-home"
        home.mkdir()
        kube = await KubeClient.connect(plane.kubeconfig)
        yield Cluster(Helm(program, home, plane.kubeconfig), kube)
        await kube.close()


def later_version(folder: Path) -> Path:
    """Return a copy of the chart whose Trigger has a column more, which reads a value that is new in it, and for which
    kinds of any age are old enough to be counted.
    """
    shutil.copytree(CHART, folder)
    schema = folder / "values.schema.json"
    known = json.loads(schema.read_text())
    known["properties"]["later"] = {"type": "object"}
    schema.write_text(json.dumps(known))
    defaults = folder / "values.yaml"
    defaults.write_text(f"{defaults.read_text()}later: {{name: from-the-defaults}}\n")
    (folder / "templates" / "later.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Values.later.name }}}\n"
    )
    kind = folder / "files" / "crds" / "triggers.deplite.io.yaml"
    organizations = folder / "templates" / "_organizations.tpl"
    assert "(unixEpoch $since)) 120" in organizations.read_text()
    organizations.write_text(organizations.read_text().replace("(unixEpoch $since)) 120", "(unixEpoch $since)) 0"))
    column = "    additionalPrinterColumns:\n    - {name: Later, type: string, jsonPath: .spec.agent}\n"
    text = kind.read_text()
    assert "    additionalPrinterColumns:\n" in text
    kind.write_text(text.replace("    additionalPrinterColumns:\n", column))
    return folder


async def columns(cluster: Cluster) -> list[str]:
    kind = await cluster.get(f"{CRD}/triggers.deplite.io")
    return [column["name"] for column in kind["spec"]["versions"][0]["additionalPrinterColumns"]]


async def test_helm_refuses_organizations_before_their_kind(cluster: Cluster) -> None:
    install = ("install", RELEASE, str(CHART), *HERE, "--create-namespace", *values("trial"))
    for _ in range(2):  # as a HelmRelease of Flux tries again
        with pytest.raises(HelmError, match="ensure CRDs are installed first"):
            await cluster.helm.run(*install, "--set", "organizationObjects=always")
        assert await cluster.names(CRD) == set()
    await cluster.helm.run(*install, "--set", "organizationObjects=never,crds.keep=false")
    assert await cluster.exists("/api/v1/namespaces/org-demo")
    spec = {"displayName": "Demo", "members": []}  # what Flux's Kustomization then applies
    kind = {"apiVersion": "deplite.io/v1alpha1", "kind": "Organization"}
    await cluster.create(ORGANIZATION.rpartition("/")[0], kind | {"metadata": {"name": "organization"}, "spec": spec})
    await cluster.helm.run("uninstall", RELEASE, *HERE, "--wait")
    assert await cluster.names(CRD) == set()


async def test_install_upgrade_rollback_uninstall_and_again(cluster: Cluster, tmp_path: Path) -> None:
    said = await cluster.helm.run("install", RELEASE, str(CHART), *HERE, "--create-namespace", *values("trial"))
    assert "running the\nsame command once more" in said
    assert await cluster.names(DEPLOYMENTS) == {"deplite-apiserver", "deplite-operator", "deplite-valkey"}
    assert len(await cluster.names(CRD)) == 9

    (told,) = re.findall(rf"helm upgrade {RELEASE} <chart> (.+)", said)
    again = told.split()
    said = await cluster.helm.run("upgrade", RELEASE, str(CHART), *again)
    assert "once more" not in said
    assert "at least two minutes after the kinds" in said
    assert await cluster.names(QUOTAS) == set()
    owner = "system:serviceaccount:deplite-system:deplite-owner"
    assert (await cluster.get(ORGANIZATION))["spec"]["members"][0]["subject"] == owner
    secrets = {name: (await cluster.get(f"{TRIALS}/deplite-{name}"))["data"] for name in ("valkey", "seaweedfs")}

    # What people and the apiserver make in the meantime.
    trigger = {"agent": "prod", "workflow": "deploy"}
    body = {"apiVersion": "deplite.io/v1alpha1", "kind": "Trigger", "metadata": {"name": "t"}, "spec": trigger}
    await cluster.create(TRIGGERS, body)
    keys = {"metadata": {"name": "deplite-server-keys"}, "data": {"current": b64encode(b"k1").decode()}}
    await cluster.create(TRIALS, keys)

    later = later_version(tmp_path / "later")
    await cluster.helm.run("upgrade", RELEASE, str(later), *again, "--set", "apiserver.replicas=3")
    assert "Later" in await columns(cluster)
    assert await cluster.names(QUOTAS) == {"deplite"}
    assert "from-the-defaults" in await cluster.names(CONFIGS)
    assert (await cluster.get(f"{DEPLOYMENTS}/deplite-apiserver"))["spec"]["replicas"] == 3

    await cluster.helm.run("rollback", RELEASE, "2", *HERE)
    assert "Later" not in await columns(cluster)
    assert (await cluster.get(f"{DEPLOYMENTS}/deplite-apiserver"))["spec"]["replicas"] == 2
    for name, data in secrets.items():
        assert (await cluster.get(f"{TRIALS}/deplite-{name}"))["data"] == data

    await cluster.helm.run("uninstall", RELEASE, *HERE, "--wait")  # until everything is really gone
    assert await cluster.names(DEPLOYMENTS) == set()
    assert await cluster.names("/apis/rbac.authorization.k8s.io/v1/namespaces/org-demo/rolebindings") == set()
    await kept(cluster)

    # Kinds, namespaces and Organizations that were kept are taken up again, now in one go.
    said = await cluster.helm.run("install", RELEASE, str(CHART), *HERE, *values("trial"))
    assert "once more" not in said
    await kept(cluster)


async def kept(cluster: Cluster) -> None:
    assert (await cluster.get(f"{TRIGGERS}/t"))["spec"]["agent"] == "prod"
    assert await cluster.exists(ORGANIZATION)
    assert await cluster.exists(f"{TRIALS}/deplite-server-keys")
    assert len(await cluster.names(CRD)) == 9


async def test_a_second_operator_comes_and_goes(cluster: Cluster) -> None:
    async def strategy(replicas: int) -> Any:
        said = ("--set", f"operator.replicas={replicas}")
        await cluster.helm.run("upgrade", RELEASE, str(CHART), *HERE, *values("trial"), *said)
        return (await cluster.get(f"{DEPLOYMENTS}/deplite-operator"))["spec"]["strategy"]

    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert [await strategy(number) for number in (1, 2, 1)] == [{"type": "Recreate"}, rolling, {"type": "Recreate"}]


async def test_a_second_installation_is_refused(cluster: Cluster) -> None:
    with pytest.raises(HelmError, match="invalid ownership metadata"):
        await cluster.helm.run(
            "install", "other", str(CHART), "--namespace", "other", "--create-namespace", *values("smallest")
        )
