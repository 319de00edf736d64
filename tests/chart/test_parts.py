"""The parts run as processes with the settings, the ServiceAccounts and the rights that the chart renders.

What a pod has from its node is replaced: addresses of this machine, and files in a folder.
"""

import secrets
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.local.accounts import Account, Accounts
from deplite.local.cluster import Cluster
from deplite.local.controlplane import ControlPlane
from deplite.local.objectstore import ObjectStore
from deplite.local.ports import choose
from deplite.local.probe import ask_port
from deplite.local.process import Process, Program, clean_environment
from deplite.resources import Organization
from tests.chart.chart import NAMESPACE, Helm, Object, environment, pods
from tests.chart.pods import ACCOUNT, mounted
from tests.kube.serving import until
from tests.organizations import delete_namespace
from tests.valkey import Valkey

KINDS = ("Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Organization")
"""What is applied of the release, in this order; the rest needs nodes."""


@dataclass(frozen=True)
class Installed:
    """A release whose parts run."""

    organization: str
    url: str
    kube: KubeClient

    async def token(self, account: str, *audiences: str) -> str:
        """Return what `kubectl create token` would."""
        spec = {"audiences": list(audiences), "expirationSeconds": 600} if audiences else {"expirationSeconds": 600}
        path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return str((await self.kube.connection.request("POST", path, body=body))["status"]["token"])

    async def agents(self, token: str) -> httpx.Response:
        """Ask for the agents of the organization."""
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=60) as client:
            headers = {"Authorization": f"Bearer {token}"}
            return await client.get(f"/api/orgs/{self.organization}/agents", headers=headers)


async def applied(cluster: Cluster, objects: list[Object]) -> None:
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    for kind in KINDS:
        await cluster.apply_all(found for found in objects if found["kind"] == kind)


def program(part: str, folder: Path, port: int, env: dict[str, str]) -> Program:
    async def ready() -> bool:
        return (await ask_port(port, "/readyz")).status == 200

    return Program(
        name=f"chart-{part}",
        argv=(sys.executable, "-P", "-m", f"deplite_{part}.main"),
        cwd=folder,
        env=clean_environment(**env),
        log=folder / f"{part}.log",
        ready=ready,
    )


def settings(objects: list[Object], folder: Path, plane: ControlPlane, account: Account, files: Any) -> dict[str, str]:
    """Return the apiserver's environment, with the node's share of it replaced."""
    given = mounted(objects, folder / "settings", files)
    issuers = folder / "settings" / "issuers.json"
    text = issuers.read_text().replace("https://kubernetes.default.svc/", f"{plane.url}/")
    text = text.replace(f"{ACCOUNT}ca.crt", str(plane.credentials.authority))
    issuers.write_text(text.replace(f"{ACCOUNT}token", str(account.token_file)))
    return given | {"KUBECONFIG": str(account.kubeconfig)}


@pytest_asyncio.fixture(scope="module")
async def installed(
    helm: Helm,
    control_plane: ControlPlane,
    kube: KubeClient,
    object_store: ObjectStore,
    valkey: Valkey,
    session_folder: Path,
) -> AsyncIterator[Installed]:
    organization, ports = f"org-{secrets.token_hex(5)}", choose(["apiserver", "operator"], {})
    said = {
        "organizations[0].name": organization,
        "organizationObjects": "always",
        "s3.endpoint": object_store.endpoint,
        "s3.existingSecret.name": "s3",
        "redis.url": valkey.settings.url,
        "redis.existingSecret.name": "redis",
        "apiserver.replicas": "2",
    }
    objects = await helm.template(*(word for name, value in said.items() for word in ("--set", f"{name}={value}")))
    folder = session_folder / "chart-parts"
    folder.mkdir(mode=0o700)
    cluster = await Cluster.connect(control_plane.kubeconfig)
    await applied(cluster, objects)
    accounts = Accounts(cluster, folder, control_plane.kubeconfig)
    owned = {part: await accounts.issue(f"deplite-{part}") for part in ("apiserver", "operator")}
    files = {
        "s3/access-key": object_store.access_key_file,
        "s3/secret-key": object_store.secret_key_file,
        "redis/password": valkey.password_file,
    }
    own = settings(objects, folder, control_plane, owned["apiserver"], files)
    own["DEPLITE_LISTEN"] = f"127.0.0.1:{ports['apiserver']}"
    other = environment(pods(objects)["deplite-operator"]) | {"KUBECONFIG": str(owned["operator"].kubeconfig)}
    other["DEPLITE_PROBE_LISTEN"] = f"127.0.0.1:{ports['operator']}"
    started = [
        await Process.start(program(part, folder, ports[part], env))
        for part, env in (("apiserver", own), ("operator", other))
    ]
    try:
        for process in started:
            await process.wait_ready(120)
        yield Installed(organization, f"http://127.0.0.1:{ports['apiserver']}", kube)
    finally:
        for process in started:
            await process.stop()
        await delete_namespace(kube, organization)
        await cluster.close()


async def test_the_owner_signs_in_with_a_token_of_the_cluster(installed: Installed) -> None:
    answer = await installed.agents(await installed.token("deplite-owner", "deplite"))
    assert (answer.status_code, answer.json()) == (200, [])


async def test_a_token_for_the_cluster_itself_is_none_for_us(installed: Installed) -> None:
    answer = await installed.agents(await installed.token("deplite-owner"))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


async def test_another_account_of_the_cluster_is_a_stranger(installed: Installed) -> None:
    answer = await installed.agents(await installed.token("deplite-operator", "deplite"))
    assert answer.status_code == 404


async def test_the_operator_finds_the_organization_right(installed: Installed) -> None:
    async def is_ready() -> bool:
        found = await installed.kube.get(Organization, installed.organization, "organization")
        return any((one.type, one.status) == ("Ready", "True") for one in found.status.conditions)

    await until(is_ready, True)
