"""One replica for each module, and pools in organizations of their own."""

import secrets
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from tests.kube.edge.conftest import nothing_counted, owner  # noqa: F401 - fixtures
from tests.kube.edge.people import declare_people
from tests.kube.jobs.conftest import people, replica, settings  # noqa: F401 - fixtures
from tests.kube.pools.cluster import Pool, make_node
from tests.kube.serving import Replica


@pytest.fixture(autouse=True)
def unhurried(replica: Replica) -> None:  # noqa: F811 - the fixture
    """All pods of the tests call from one address, and each test begins with the whole pace."""
    for pace in (replica.context.pod_tokens._addresses, replica.context.pod_tokens._pace):
        pace._done.clear()


@pytest_asyncio.fixture
async def http(replica: Replica) -> AsyncIterator[httpx.AsyncClient]:  # noqa: F811 - the fixture
    async with replica.client() as client:
        yield client


@pytest_asyncio.fixture
async def pool(kube: KubeClient, organization: str) -> AsyncIterator[Pool]:
    """The pool `web` of a fresh organization whose owner is olga."""
    await declare_people(kube, organization, olga="owner", mika="member")
    made = Pool(kube=kube, namespace=organization, name="web")
    await made.declare()
    yield made
    await made.close()


@pytest_asyncio.fixture
async def node(kube: KubeClient) -> AsyncIterator[str]:
    """A node of the cluster."""
    name = await make_node(kube)
    yield name
    await kube.connection.request("DELETE", f"/api/v1/nodes/{name}")


@pytest_asyncio.fixture
async def elsewhere(kube: KubeClient) -> AsyncIterator[str]:
    """Another organization, without a pool."""
    from tests.organizations import create_organization, delete_namespace

    name = f"org-{secrets.token_hex(5)}"
    await create_organization(kube, name)
    yield name
    await delete_namespace(kube, name)
