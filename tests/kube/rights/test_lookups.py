"""What the apiserver's caches have not heard of yet they fetch by name, with the part's own rights."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.kube.errors import NotFoundError
from deplite.local.accounts import Account
from deplite.resources import AgentPool, Organization
from deplite.resources.organization import ORGANIZATION_NAME
from deplite.rights import account_name
from deplite_apiserver.caches import Caches
from deplite_apiserver.settings import Waits
from tests.kube.rights.conftest import Places
from tests.kube.serving import PATIENCE


@pytest_asyncio.fixture
async def caches(accounts: dict[str, Account]) -> AsyncIterator[Caches]:
    """The part's own, under its own name: what they read counts as used by it (tests/auditing)."""
    client = await KubeClient.connect(accounts["apiserver"].kubeconfig, account_name("apiserver"))
    yield Caches(client, Waits(missing=PATIENCE))
    await client.close()


async def test_an_organization_that_was_made_after_the_list_is_found(
    kube: KubeClient, caches: Caches, organization: str
) -> None:
    await caches.organizations.refresh()
    assert await caches.find(caches.organizations, lambda: caches.organization(organization)) is None
    body: dict[str, Any] = {"metadata": {"name": ORGANIZATION_NAME, "namespace": organization}, "spec": {}}
    made = await kube.create(Organization.model_validate(body))
    assert await caches.find(caches.organizations, lambda: caches.organization(organization)) == made


async def test_a_pool_that_was_made_after_the_list_is_found(
    kube: KubeClient, caches: Caches, organization: str
) -> None:
    def look() -> AgentPool | None:
        return caches.pools.get(organization, "web")

    await caches.pools.refresh()
    assert await caches.find(caches.pools, look) is None
    body: dict[str, Any] = {"metadata": {"name": "web", "namespace": organization}}
    made = await kube.create(AgentPool.model_validate(body))
    found = await caches.find(caches.pools, look)
    assert found is not None
    assert found.metadata.uid == made.metadata.uid


async def test_every_kind_that_it_caches_it_may_read_by_name(
    parts: dict[str, KubeClient], caches: Caches, places: Places
) -> None:
    for cache in caches.all():
        with pytest.raises(NotFoundError):
            await parts["apiserver"].get(cache.kind, places.bound, "absent")
