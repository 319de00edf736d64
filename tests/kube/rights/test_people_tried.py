"""People with view, edit and admin in one organization try every verb on every kind of ours, status and Secrets too."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.kube.errors import ForbiddenError, KubeError
from deplite.local.accounts import Accounts
from deplite.local.cluster import Cluster
from deplite.local.controlplane import ControlPlane
from deplite.resources import KINDS
from tests.kube.rights.conftest import Places
from tests.kube.rights.reviews import VERBS, Deed, granted, until
from tests.kube.rights.test_people import AGGREGATED, ROLES
from tests.organizations import SYSTEM_NAMESPACE

METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETE",
}
OF_ALL = {"list", "watch", "create", "deletecollection"}
"""Verbs on a collection; the others are on one object."""
PATIENCE = aiohttp.ClientTimeout(total=60)
GROUP = "deplite.io"
SECRETS = {
    "view": [],
    "edit": [("", " ".join(VERBS), "secrets")],
    "admin": [("", " ".join(VERBS), "secrets")],
}
"""As Kubernetes has it: whoever may edit a namespace uses its Secrets, and so the tokens in them."""


@pytest_asyncio.fixture(scope="module")
async def people(
    kube: KubeClient, control_plane: ControlPlane, places: Places, session_folder: Path
) -> AsyncIterator[dict[str, KubeClient]]:
    """A client with a token of its own for each built-in role, bound in one organization."""
    folder = session_folder / "people"
    folder.mkdir(mode=0o700)
    cluster = await Cluster.connect(control_plane.kubeconfig)
    accounts = Accounts(cluster, folder, control_plane.kubeconfig)
    clients = {}
    for role in ROLES:
        name = f"{role}-{secrets.token_hex(4)}"
        metadata = {"name": name, "namespace": SYSTEM_NAMESPACE}
        await cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        body = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": SYSTEM_NAMESPACE}],
        }
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{places.bound}/rolebindings"
        await kube.connection.request("POST", path, body=body)
        clients[role] = await KubeClient.connect((await accounts.issue(name)).kubeconfig)
        await until(clients[role], [Deed(*deed, places.bound) for deed in AGGREGATED[role]])
    await cluster.close()
    yield clients
    for client in clients.values():
        await client.close()


async def may(client: KubeClient, deed: Deed) -> bool:
    """Try it, and tell whether it failed for anything but rights; nothing that is written stays."""
    plural, _, subresource = deed.resource.partition("/")
    root = f"/apis/{deed.group}/v1alpha1" if deed.group else "/api/v1"
    path = f"{root}/namespaces/{deed.namespace}/{plural}"
    if deed.verb not in OF_ALL or subresource:
        path += f"/nobody/{subresource}".rstrip("/")
    method = METHODS[deed.verb]
    query = {"dryRun": "All"} if method != "GET" else {"watch": "1", "timeoutSeconds": "1"}
    arguments = {"query": query if method != "GET" or deed.verb == "watch" else {}, "timeout": PATIENCE}
    body = None if method in ("GET", "DELETE") else {"metadata": {"name": "nobody"}}
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    try:
        async with client.connection.open_response(method, path, body=body, content_type=kind, **arguments):  # type: ignore[arg-type]
            return True
    except ForbiddenError:
        return False
    except KubeError as error:
        if error.status not in (400, 404, 409, 422):  # these lie beyond the question of rights
            raise
        return True


async def done(client: KubeClient, tried: Iterable[Deed]) -> set[Deed]:
    """Return which of these a client may do, by trying all of them."""
    wanted = list(tried)
    gate = asyncio.Semaphore(16)

    async def one(deed: Deed) -> bool:
        async with gate:
            return await may(client, deed)

    answers = await asyncio.gather(*(one(deed) for deed in wanted))
    return {deed for deed, answer in zip(wanted, answers, strict=True) if answer}


def matrix(namespace: str) -> list[Deed]:
    """Return every verb on every kind and its status, and on Secrets."""
    tried = [Deed(verb, GROUP, kind.PLURAL, namespace) for kind in KINDS for verb in VERBS]
    tried += [
        Deed(verb, GROUP, f"{one.PLURAL}/status", namespace) for one in KINDS for verb in ("get", "update", "patch")
    ]
    return tried + [Deed(verb, "", "secrets", namespace) for verb in VERBS]


@pytest.mark.parametrize("role", ROLES)
async def test_a_person_does_what_the_role_says_and_no_more(
    people: dict[str, KubeClient], places: Places, role: str
) -> None:
    tried = matrix(places.bound)
    assert len(tried) == 107
    assert await done(people[role], tried) == granted([*ROLES[role], *SECRETS[role]], [places.bound])


@pytest.mark.parametrize("role", ROLES)
async def test_in_another_organization_a_person_does_nothing(
    people: dict[str, KubeClient], places: Places, role: str
) -> None:
    assert await done(people[role], matrix(places.unbound)) == set()
