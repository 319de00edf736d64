"""The parts' own ServiceAccounts with real tokens, and organizations with and without their RoleBindings."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.local.accounts import Account
from tests.kube.rights.reviews import Deed, until
from tests.organizations import SYSTEM_NAMESPACE, create_organization, delete_namespace


@dataclass(frozen=True)
class Places:
    """Where a right may hold: in an organization, in a namespace without RoleBindings, in the parts' own."""

    bound: str
    unbound: str
    system: str = SYSTEM_NAMESPACE

    @property
    def all(self) -> tuple[str, str, str]:
        return self.bound, self.unbound, self.system


@pytest_asyncio.fixture(scope="session")
async def parts(accounts: dict[str, Account]) -> AsyncIterator[dict[str, KubeClient]]:
    """A client of each part, as it connects in production: a token of its ServiceAccount and nothing more."""
    clients = {part: await KubeClient.connect(account.kubeconfig) for part, account in accounts.items()}
    yield clients
    for client in clients.values():
        await client.close()


@pytest_asyncio.fixture(scope="session")
async def places(kube: KubeClient, parts: dict[str, KubeClient]) -> AsyncIterator[Places]:
    """Two fresh namespaces beside the parts' own."""
    found = Places(bound=f"org-{secrets.token_hex(5)}", unbound=f"org-{secrets.token_hex(5)}")
    await create_organization(kube, found.bound)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": found.unbound}}
    await kube.connection.request("POST", "/api/v1/namespaces", body=namespace)
    await _bound(parts, found.bound)
    yield found
    for name in (found.bound, found.unbound):
        await delete_namespace(kube, name)


@pytest_asyncio.fixture
async def organization(organization: str, parts: dict[str, KubeClient]) -> str:
    """A fresh organization whose RoleBindings hold already."""
    await _bound(parts, organization)
    return organization


async def _bound(parts: dict[str, KubeClient], namespace: str) -> None:
    for client in parts.values():
        await until(client, [Deed("get", "", "secrets", namespace)])
    await until(parts["operator"], [Deed("list", "", "pods", namespace)])
